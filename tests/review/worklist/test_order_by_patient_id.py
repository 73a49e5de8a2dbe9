"""Sorting the worklist by Patient ID."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_patient, make_study
from webportal.records.models import Patient, Study
from webportal.records.services import change_patient

pytestmark = pytest.mark.django_db


def listed(browser: Client, **query: str) -> Any:
    return browser.get(reverse("review:worklist"), {"order": "patient_id", **query})


def shown(browser: Client, **query: str) -> list[Study]:
    return [row["study"] for row in listed(browser, **query).context["rows"]]


def test_ids_sort_ignoring_case_and_temporary_ones_come_last(browser: Client) -> None:
    expected = ["0007", "A-10", "a-11", "B-1", "zz", "रोगी-१"]
    make_study(patient=make_patient(patient_id="TMP-A1", is_temporary=True))
    for identity in reversed(expected):
        make_study(patient=make_patient(patient_id=identity, name="Same^Name"))
    found = [study.patient.patient_id for study in shown(browser)]
    assert found == [*expected, "TMP-A1"]


def test_the_heading_links_to_the_order_and_shows_its_direction(browser: Client) -> None:
    make_study()
    page = listed(browser)
    (heading,) = [each for each in page.context["columns"] if each["name"] == "patient_id"]
    assert heading["is_sorted"]
    assert heading["address"].endswith("order=patient_id")
    assert 'aria-sort="ascending"' in page.text


def test_one_id_from_two_issuers_keeps_each_patients_studies_together(browser: Client) -> None:
    one, two = (make_patient(patient_id="P1", issuer=issuer) for issuer in ("EAST", "WEST"))
    studies = [make_study(patient=each) for each in (two, one, two, one)]
    assert shown(browser) == [studies[1], studies[3], studies[0], studies[2]]


def test_the_order_follows_corrections(browser: Client) -> None:
    first, moved = (make_study(patient=make_patient(patient_id=each)) for each in ("B1", "Z1"))
    stale = Study.objects.get(pk=moved.pk)
    assert shown(browser) == [first, moved]
    change_patient(moved.patient, {"patient_id": "A1"}, moved.created_by)
    assert shown(browser) == [moved, first]
    # A program that saves what it loaded before the correction undoes nothing.
    stale.save()
    assert shown(browser) == [moved, first]
    Study.objects.filter(pk=moved.pk).update(patient=make_patient(patient_id="Z2"))
    assert shown(browser) == [first, moved]
    Patient.objects.filter(pk=first.patient_id).update(is_temporary=True)
    assert shown(browser) == [moved, first]


def test_urls_in_this_order_contain_no_patient_id(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webportal.review.worklist.order.STUDIES_PER_PAGE", 2)
    studies = [make_study(patient=make_patient(patient_id=f"SECRET-{n}")) for n in range(5)]
    after = listed(browser).context["page"].next
    assert uuid.UUID(after) == studies[1].pk
    assert shown(browser, after=after) == studies[2:4]
    assert shown(browser, before=str(studies[2].pk)) == studies[:2]
