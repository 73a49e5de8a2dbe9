"""What the worklist shows, in which order, and how it is narrowed down."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories import make_job, make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.inference.queue import enqueue
from webportal.records.models import Patient, Study, StudySearch
from webportal.records.services import change_patient
from webportal.review.models import SecondReading
from webportal.review.reservation import reserve
from webportal.review.worklist.filters import matching
from webportal.review.worklist.models import WorklistPreference
from webportal.review.worklist.order import ORDERS, STUDIES_PER_PAGE

pytestmark = pytest.mark.django_db


@pytest.fixture
def _blind_second_reading(settings: Settings) -> None:
    settings.SECOND_READING = True
    settings.SECOND_READING_BLIND_TO_AI = True


@pytest.fixture
def browser(radiologist: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(radiologist)


def study_of(category: str = "", priority: int = 2, hours: int = 0, **fields: object) -> Study:
    """A study that has been waiting for so many hours."""
    radiograph = make_radiograph(make_study(priority=priority, **fields))
    if category:
        make_prediction(radiograph, category)
    study = radiograph.study
    Study.objects.filter(pk=study.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    return study


def shown(response: Any) -> list[Study]:
    return [row["study"] for row in response.context["rows"]]


def test_order_is_priority_then_concern_then_waiting_time(browser: Client) -> None:
    expected = [
        study_of("unlikely", priority=0),
        study_of("likely", priority=1),
        study_of("", priority=1, hours=9),
        study_of("likely", hours=3),
        study_of("likely", hours=1),
        study_of("indeterminate"),
        study_of("not_assessable"),
        study_of("unlikely", hours=30),
        study_of("", hours=50),
    ]
    for study in reversed(expected):  # the database's own order must not pass for this one
        Study.objects.filter(pk=study.pk).update(history="touched")
    assert shown(browser.get(reverse("review:worklist"))) == expected


@pytest.mark.parametrize("state", ["unread", "signed", "all"])
@pytest.mark.parametrize("name", ORDERS)
def test_every_order_and_every_place_in_it_comes_from_an_index(name: str, state: str) -> None:
    for _ in range(3):
        make_study()
    studies, order = matching({"state": state}, ""), ORDERS[name]
    place = order.place(order.cursor(make_study()))
    assert place is not None
    pages = [
        order.sort(studies),
        order.sort(order.beyond(studies, place)),
        order.sort(order.beyond(studies, place, backwards=True), backwards=True),
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        plans = [page[:51].explain() for page in pages]
    for plan in plans:
        assert "Sort" not in plan
        assert "Index Scan" in plan
    # The place is where the index is entered, not a filter over what comes before it.
    for plan in plans[1:]:
        (entered,) = [line for line in plan.splitlines() if "Index Cond" in line]
        assert "ROW(" in entered


def name_of(study: Study) -> str:
    return study.patient.name


def test_names_sort_as_people_look_them_up(browser: Client) -> None:
    expected = [
        "ABEL^Zoe",
        "Äbel^Zora",
        "de la Cruz^Ana",
        "Li^Wei",
        "Li Pang^Ana",  # all of a family before a longer name
        "LIA^Ana",
        "müller^Ada",
        "Muller^Bea",
        "MÜLLER^Cia",
        "Yamada^Tarou=山田^太郎",
        "राम^श्याम",
        "श्रेष्ठ^राम",
    ]
    for name in reversed(expected):
        make_study(patient=make_patient(name=name))
    page = browser.get(reverse("review:worklist"), {"order": "name"})
    assert [name_of(study) for study in shown(page)] == expected
    (heading,) = [each for each in page.context["columns"] if each["name"] == "patient"]
    assert heading["is_sorted"]
    assert 'aria-sort="ascending"' in page.text


def test_without_a_name_the_patient_id_that_is_shown_sorts(browser: Client) -> None:
    make_study(patient=make_patient(name="Nolan^A"))
    make_study(patient=make_patient(name="^^", patient_id="M-1"))
    make_study(patient=make_patient(name="", patient_id="o-1"))
    page = browser.get(reverse("review:worklist"), {"order": "name"})
    assert [study.patient.display_name for study in shown(page)] == ["M-1", "Nolan, A", "o-1"]


def test_patients_of_one_name_stay_apart_and_their_studies_together(browser: Client) -> None:
    one, two = (make_patient(name="Same^Name", patient_id=each) for each in ("A1", "B2"))
    studies = [make_study(patient=each) for each in (one, two, one, two)]
    page = browser.get(reverse("review:worklist"), {"order": "name"})
    assert shown(page) == [studies[0], studies[2], studies[1], studies[3]]


def test_the_order_by_name_follows_corrections(browser: Client) -> None:
    first, moved = (make_study(patient=make_patient(name=name)) for name in ("Bo^A", "Za^B"))
    stale = Study.objects.get(pk=moved.pk)

    def listed() -> list[Study]:
        return shown(browser.get(reverse("review:worklist"), {"order": "name"}))

    assert listed() == [first, moved]
    change_patient(moved.patient, {"name": "Aa^B"}, moved.created_by)
    assert listed() == [moved, first]
    # A program that saves what it loaded before the correction undoes nothing.
    stale.save()
    assert listed() == [moved, first]
    Study.objects.filter(pk=moved.pk).update(patient=make_patient(name="Zz^Other"))
    assert listed() == [first, moved]
    Patient.objects.filter(pk=first.patient_id).update(name="", patient_id="zzz-late")
    assert listed() == [moved, first]


def test_an_address_in_the_order_of_names_names_nobody(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webportal.review.worklist.order.STUDIES_PER_PAGE", 2)
    for name in ("Alpha^A", "Beta^B", "Gamma^C"):
        make_study(patient=make_patient(name=name, patient_id=f"{name[:2]}-77"))
    page = browser.get(reverse("review:worklist"), {"order": "name"})
    assert uuid.UUID(page.context["page"].next) == shown(page)[1].pk
    for nobody in (uuid.uuid4(), "beta", "b~b~b"):
        answer = browser.get(reverse("review:worklist"), {"order": "name", "after": str(nobody)})
        assert shown(answer) == shown(page)


def test_filters(browser: Client, radiologist: User) -> None:
    stat = study_of("likely", priority=0, assigned_reader=radiologist)
    unlikely = study_of("unlikely")
    waiting = study_of()
    signed = study_of("likely", reading_state="signed")
    make_job(waiting.radiographs.get(), "queued")
    stuck = study_of()
    make_job(stuck.radiographs.get(), "quarantined")
    old = study_of("indeterminate", hours=24 * 40)
    yesterday = (timezone.now() - timedelta(days=1)).date().isoformat()

    def found(**query: str | int) -> set[Study]:
        return set(shown(browser.get(reverse("review:worklist"), query)))

    assert found() == {stat, unlikely, waiting, stuck, old}
    assert found(state="signed") == {signed}
    assert found(state="all") == {stat, unlikely, waiting, stuck, old, signed}
    assert found(category="likely") == {stat}
    assert found(category="none") == {waiting, stuck}
    assert found(priority=0) == {stat}
    assert found(queue="queued") == {waiting}
    assert found(queue="quarantined") == {stuck}
    assert found(until=yesterday) == {old}
    assert found(since=yesterday, category="unlikely") == {unlikely}
    assert found(assigned="me") == {stat}
    assert found(assigned=str(radiologist.pk)) == {stat}
    assert found(assigned="none") == {unlikely, waiting, stuck, old}
    assert found(state="bogus", priority="x", since="tomorrow", assigned="x") == found()


def test_a_released_study_is_no_longer_listed_as_quarantined(
    browser: Client, radiologist: User
) -> None:
    study = study_of()
    make_job(study.radiographs.get(), "quarantined")
    enqueue(study.radiographs.get(), radiologist)
    page = browser.get(reverse("review:worklist"), {"queue": "quarantined"})
    assert shown(page) == []
    assert shown(browser.get(reverse("review:worklist"), {"queue": "queued"})) == [study]


@pytest.mark.parametrize(
    "text",
    [
        "müller",
        "Müller, Eva",
        "MULLER",
        "üll",
        "eva",
        "H-77",
        "771",
        "acc-9",
        "mu ev",
        "müller eva ac",
    ],
)
def test_search_keeps_the_text_out_of_the_address(text: str, browser: Client) -> None:
    patient = make_patient(name="MÜLLER^Eva", patient_id="H-771")
    wanted = study_of("likely", patient=patient, accession_number="ACC-9")
    study_of("likely", patient=make_patient(name="Other^Eve"))
    answer = browser.post(reverse("review:search") + "?category=likely&page=3", {"text": text})
    address = answer.headers["Location"]
    assert "category=likely" in address
    assert not any(word.lower() in address.lower() for word in text.replace(",", "").split())
    assert shown(browser.get(address)) == [wanted]


def test_an_empty_search_clears_it(browser: Client) -> None:
    answer = browser.post(reverse("review:search") + "?search=abc", {"text": "  "})
    assert "search" not in answer.headers["Location"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NUÑEZ^José María", "nunez jose"),
        ("श्रेष्ठ^राम", "श्रेष्ठ"),
        ("Yamada^Tarou=山田^太郎", "太郎"),
        ("O'Neill^50%_Off", "50%_"),
    ],
)
def test_search_finds_names_of_every_script(name: str, text: str) -> None:
    wanted = make_study(patient=make_patient(name=name))
    make_study(patient=make_patient(name="Nobody^Else"))
    assert list(matching({"state": "all"}, text)) == [wanted]


def test_a_short_word_is_found_where_a_word_begins() -> None:
    wanted = make_study(patient=make_patient(name="Li^Wei", patient_id="A7"))
    make_study(patient=make_patient(name="Ali^Sweis", patient_id="B"))
    assert list(matching({}, "li we")) == [wanted]


def test_search_follows_corrections_of_patient_and_study() -> None:
    study = make_study(patient=make_patient(name="Wrong^Name"))
    Patient.objects.filter(pk=study.patient_id).update(name="Right^Name", patient_id="NEW-1")
    assert list(matching({}, "right new-1")) == [study]
    assert list(matching({}, "wrong")) == []
    other = make_patient(name="Moved^There")
    Study.objects.filter(pk=study.pk).update(patient=other, accession_number="ACC-77")
    assert list(matching({}, "moved acc-77")) == [study]


@pytest.mark.parametrize("piece", ["श्रेष्ठ", "рукоп", "山田太郎"])
def test_a_search_in_any_script_is_answered_by_trigrams(piece: str) -> None:
    make_study(patient=make_patient(name=f"{piece}^राम"))
    for number in range(20):
        make_study(patient=make_patient(name=f"Other^{number}"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        found = StudySearch.objects.filter(text__contains=piece)
        plan = found.explain(analyze=True)
    handed_over = re.search(r"Bitmap Index Scan on study_search_text .*rows=([0-9.]+)", plan)
    assert handed_over is not None
    # Without trigrams the index hands over every row.
    assert 1 <= float(handed_over[1]) < 20


def test_a_search_uses_the_index_of_trigrams() -> None:
    make_study()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        for piece in ("phantom", " ph"):
            plan = StudySearch.objects.filter(text__contains=piece).explain()
            assert "study_search_text" in plan


@pytest.mark.usefixtures("_blind_second_reading")
def test_a_second_reader_who_reads_blind_sees_no_result(browser: Client) -> None:
    study, other = study_of("likely"), study_of("likely")
    SecondReading.objects.create(study=study, reason="drawn")
    for query, expected in (("", {other: False}), ("?state=second", {study: True})):
        rows = browser.get(reverse("review:worklist") + query).context["rows"]
        assert {row["study"]: row["hides_result"] for row in rows} == expected
    assert shown(browser.get(reverse("review:worklist"), {"category": "likely"})) == [other]


def test_who_reads_and_who_is_asked_to(
    browser: Client, radiologist: User, make_user: Callable[..., User]
) -> None:
    other = make_user(Role.RADIOLOGIST, username="Dr. Other")
    assigned = study_of("likely", assigned_reader=radiologist)
    in_hand = study_of("unlikely", assigned_reader=radiologist)
    reserve(in_hand, other)
    page = browser.get(reverse("review:worklist")).text
    assert "Dr. Other is reading it now" in page
    assert page.count("assigned to radiologist") == 1
    assert assigned.assigned_reader == radiologist


def test_htmx_gets_the_table_alone(browser: Client) -> None:
    study_of("likely")
    page = browser.get(reverse("review:worklist"))
    table = browser.get(reverse("review:worklist"), headers={"HX-Request": "true"})
    assert b"<html" in page.content
    assert b"<html" not in table.content
    assert b"Pneumonia likely \xc2\xb7 93 %" in table.content
    assert "HX-Request" in table.headers["Vary"]


def test_words_for_what_is_not_finished(browser: Client) -> None:
    for state in ("queued", "running", "quarantined", "cancelled"):
        make_job(study_of().radiographs.get(), state)
    text = browser.get(reverse("review:worklist")).content.decode()
    for words in ("In the queue", "Being analysed", "Model gave up", "Analysis cancelled"):
        assert words in text


def test_marks_of_phantoms_and_temporary_identities(browser: Client) -> None:
    Patient.objects.create(patient_id="T1", issuer="CHESTLINE", is_temporary=True)
    study_of(patient=Patient.objects.get(), is_phantom=True)
    text = browser.get(reverse("review:worklist")).content.decode()
    assert "temporary identity" in text
    assert "phantom" in text


@pytest.mark.parametrize("order", ORDERS)
def test_pages_in_every_order_show_each_study_once(
    order: str, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webportal.review.worklist.order.STUDIES_PER_PAGE", 4)
    for number in range(11):
        study_of(["likely", "unlikely", ""][number % 3], priority=number % 2)
    expected = list(ORDERS[order].sort(Study.objects.all()))
    pages, query = [], {"order": order}
    for _ in range(3):
        page = browser.get(reverse("review:worklist"), query)
        pages.append(shown(page))
        query = {"order": order, "after": page.context["page"].next}
    assert [study for studies in pages for study in studies] == expected
    assert page.context["page"].next == ""
    # And back again.
    for number in (1, 0):
        query = {"order": order, "before": page.context["page"].previous}
        page = browser.get(reverse("review:worklist"), query)
        assert shown(page) == pages[number]
    assert page.context["page"].previous == ""


def test_a_page_is_of_fifty_and_a_place_that_cannot_be_read_is_the_first(browser: Client) -> None:
    for _ in range(52):
        make_study()
    first = browser.get(reverse("review:worklist"))
    assert len(shown(first)) == STUDIES_PER_PAGE == 50
    for place in ("nonsense", "1~2~3", "1~1~2026-01-01T00:00:00~x", "99999999999999999999~0~x~y"):
        assert shown(browser.get(reverse("review:worklist"), {"after": place})) == shown(first)


def test_a_place_keeps_when_its_study_moves(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webportal.review.worklist.order.STUDIES_PER_PAGE", 2)
    studies = [study_of("likely", hours=hours) for hours in (9, 8, 7, 6)]
    first = browser.get(reverse("review:worklist"))
    Study.objects.filter(pk=studies[1].pk).update(reading_state="signed")
    second = browser.get(reverse("review:worklist"), {"after": first.context["page"].next})
    assert shown(second) == studies[2:]


def test_a_name_and_an_id_that_are_cut_short_can_be_read_in_full(browser: Client) -> None:
    study = study_of()
    Patient.objects.filter(pk=study.patient_id).update(name="A" * 60, patient_id="B" * 64)
    page = browser.get(reverse("review:worklist")).text
    assert f'class="patient-name" title="{"A" * 60}"' in page
    assert f'class="col-patient_id" title="{"B" * 64}"' in page


def test_of_a_temporary_id_that_is_cut_short_both_ends_stay(browser: Client) -> None:
    study = study_of()
    temporary = {"name": "", "patient_id": "TMP-A1B2C3D4E5F60718", "is_temporary": True}
    Patient.objects.filter(pk=study.patient_id).update(**temporary)
    page = browser.get(reverse("review:worklist")).text
    assert 'aria-label="TMP-A1B2C3D4E5F60718"' in page
    assert "<span>TMP-A1B2C3D4E5F6</span><span>0718</span>" in page


def test_an_examination_without_a_time_of_day_is_shown_by_its_day(
    browser: Client, radiologist: User
) -> None:
    study = study_of()
    day = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    Study.objects.filter(pk=study.pk).update(performed_at=day)
    WorklistPreference.objects.create(user=radiologist, columns=["patient", "examined"])
    page = browser.get(reverse("review:worklist")).text
    assert f'<td class="col-examined">{day:%Y-%m-%d}</td>' in page
