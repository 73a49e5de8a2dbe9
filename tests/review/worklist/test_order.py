"""The sort orders of the worklist, and pagination in each of them."""

import ast
import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from deploy.local.system import ROOT
from tests.factories import make_patient, make_study, make_uploader
from tests.review.worklist.cases import shown, study_of
from webportal.records.models import Patient, Study
from webportal.records.services import change_patient
from webportal.review.worklist.columns import COLUMNS
from webportal.review.worklist.filters import matching
from webportal.review.worklist.order import ORDERS, STUDIES_PER_PAGE
from webportal.review.worklist.views import FALLING, SORTED_BY

pytestmark = pytest.mark.django_db


def test_the_benchmark_times_every_order() -> None:
    bench = (ROOT / "bench" / "worklist.py").read_text()
    timed = re.search(r"^ORDERS = (\(.+\))$", bench, re.MULTILINE)
    assert timed is not None
    assert set(ast.literal_eval(timed[1])) == set(ORDERS), "bench/worklist.py"


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


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_has_two_indexes_that_end_with_the_department(name: str) -> None:
    """Those of other departments are then passed over within the index."""
    indexes = [
        tuple(getattr(each, "name", "probability") for each in index.expressions)
        or tuple(index.fields)
        for index in Study._meta.indexes
    ]
    wanted = (*ORDERS[name].names, "department")
    assert wanted in indexes
    assert ("reading_state", *wanted) in indexes


def test_a_column_by_which_the_worklist_is_sorted_says_in_which_direction() -> None:
    falling = {column for column, order in SORTED_BY.items() if ORDERS[order].is_falling}
    # The most urgent has the smallest number.
    assert falling | {"priority"} == set(FALLING)
    assert set(SORTED_BY) <= set(COLUMNS)


@pytest.mark.parametrize("state", ["unread", "signed", "all"])
@pytest.mark.parametrize("name", ORDERS)
def test_every_order_and_every_page_uses_an_index(name: str, state: str) -> None:
    for _ in range(3):
        make_study()
    studies, order = matching({"state": state}, "", make_uploader()), ORDERS[name]
    place = order.place(order.cursor(make_study()), Study.objects.all())
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


def test_names_sort_alphabetically_ignoring_case_and_accents(browser: Client) -> None:
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
    assert [study.patient.name for study in shown(page)] == expected
    (heading,) = [each for each in page.context["columns"] if each["name"] == "patient"]
    assert heading["is_sorted"]
    assert 'aria-sort="ascending"' in page.text


def test_patients_without_a_name_sort_by_the_patient_id_shown(browser: Client) -> None:
    make_study(patient=make_patient(name="Nolan^A"))
    make_study(patient=make_patient(name="^^", patient_id="M-1"))
    make_study(patient=make_patient(name="", patient_id="o-1"))
    page = browser.get(reverse("review:worklist"), {"order": "name"})
    assert [study.patient.display_name for study in shown(page)] == ["M-1", "Nolan, A", "o-1"]


def test_a_name_with_a_single_representation_is_shown_and_sorted(browser: Client) -> None:
    make_study(patient=make_patient(name="=王^小東", patient_id="A-1"))
    make_study(patient=make_patient(name="Nolan^A=野蘭^A", patient_id="A-2"))
    make_study(patient=make_patient(name="^=^ =Yamada^Tarou", patient_id="A-3"))
    page = browser.get(reverse("review:worklist"), {"order": "name"})
    expected = ["Nolan, A", "Yamada, Tarou", "王, 小東"]
    assert [study.patient.display_name for study in shown(page)] == expected
    assert "王, 小東" in page.text


def test_patients_with_the_same_name_are_grouped_separately(browser: Client) -> None:
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


def test_a_cursor_in_name_order_contains_no_name(
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


def test_a_page_has_fifty_rows_and_an_invalid_cursor_gives_the_first(browser: Client) -> None:
    for _ in range(52):
        make_study()
    first = browser.get(reverse("review:worklist"))
    assert len(shown(first)) == STUDIES_PER_PAGE == 50
    for place in ("nonsense", "1~2~3", "1~1~2026-01-01T00:00:00~x", "99999999999999999999~0~x~y"):
        assert shown(browser.get(reverse("review:worklist"), {"after": place})) == shown(first)


def test_a_cursor_stays_valid_when_its_study_moves(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webportal.review.worklist.order.STUDIES_PER_PAGE", 2)
    studies = [study_of("likely", hours=hours) for hours in (9, 8, 7, 6)]
    first = browser.get(reverse("review:worklist"))
    Study.objects.filter(pk=studies[1].pk).update(reading_state="signed")
    second = browser.get(reverse("review:worklist"), {"after": first.context["page"].next})
    assert shown(second) == studies[2:]
