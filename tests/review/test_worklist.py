"""What the worklist shows, in which order, and how it is narrowed down."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_job, make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.inference.queue import enqueue
from webportal.records.models import Patient, Study
from webportal.review.worklist import select_studies

pytestmark = pytest.mark.django_db


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


def test_the_unread_order_needs_no_sorting() -> None:
    for _ in range(3):
        make_study()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        plan = select_studies({}, "").explain()
    assert "study_worklist" in plan
    assert "Sort" not in plan


def test_filters(browser: Client) -> None:
    stat = study_of("likely", priority=0)
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
    assert found(state="bogus", priority="x", since="tomorrow") == found()


def test_a_released_study_is_no_longer_listed_as_quarantined(
    browser: Client, radiologist: User
) -> None:
    study = study_of()
    make_job(study.radiographs.get(), "quarantined")
    enqueue(study.radiographs.get(), radiologist)
    page = browser.get(reverse("review:worklist"), {"queue": "quarantined"})
    assert shown(page) == []
    assert shown(browser.get(reverse("review:worklist"), {"queue": "queued"})) == [study]


@pytest.mark.parametrize("text", ["müller", "Müller, Eva", "eva", "H-77", "ACC-9"])
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


def test_pages(browser: Client) -> None:
    for _ in range(52):
        make_study()
    assert len(shown(browser.get(reverse("review:worklist")))) == 50
    assert len(shown(browser.get(reverse("review:worklist"), {"page": 2}))) == 2


def test_next_is_the_most_urgent_unread_study(browser: Client) -> None:
    study_of("likely", priority=0, reading_state="signed")
    study_of("unlikely", hours=100)
    urgent = study_of("indeterminate")
    answer = browser.get(reverse("review:next"))
    assert answer.headers["Location"] == reverse("review:study", args=[urgent.pk])


def test_next_with_nothing_left_leads_to_the_worklist(browser: Client) -> None:
    answer = browser.get(reverse("review:next"), follow=True)
    assert "There is nothing left to read." in answer.content.decode()


def test_a_name_and_an_id_that_are_cut_short_can_be_read_in_full(browser: Client) -> None:
    study = study_of()
    Patient.objects.filter(pk=study.patient_id).update(name="A" * 60, patient_id="B" * 64)
    page = browser.get(reverse("review:worklist")).text
    assert f'class="patient-name" title="{"A" * 60}"' in page
    assert f'class="patient-id text-body-secondary" title="{"B" * 64}"' in page
