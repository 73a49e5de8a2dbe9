"""Searching studies on the worklist."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.factories import make_patient, make_study, make_uploader
from tests.review.worklist.cases import shown, study_of
from webportal.records.models import Patient, Study, StudySearch
from webportal.review.worklist.filters import matching

pytestmark = pytest.mark.django_db


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
def test_search_keeps_the_text_out_of_the_url(text: str, browser: Client) -> None:
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
def test_search_finds_names_in_every_script(name: str, text: str) -> None:
    wanted = make_study(patient=make_patient(name=name))
    make_study(patient=make_patient(name="Nobody^Else"))
    assert list(matching({"state": "all"}, text, make_uploader())) == [wanted]


def test_a_short_term_matches_at_the_start_of_a_word() -> None:
    wanted = make_study(patient=make_patient(name="Li^Wei", patient_id="A7"))
    make_study(patient=make_patient(name="Ali^Sweis", patient_id="B"))
    assert list(matching({}, "li we", make_uploader())) == [wanted]


def test_search_follows_corrections_of_patient_and_study() -> None:
    study = make_study(patient=make_patient(name="Wrong^Name"))
    Patient.objects.filter(pk=study.patient_id).update(name="Right^Name", patient_id="NEW-1")
    assert list(matching({}, "right new-1", make_uploader())) == [study]
    assert list(matching({}, "wrong", make_uploader())) == []
    other = make_patient(name="Moved^There")
    Study.objects.filter(pk=study.pk).update(patient=other, accession_number="ACC-77")
    assert list(matching({}, "moved acc-77", make_uploader())) == [study]


@pytest.mark.parametrize("piece", ["श्रेष्ठ", "рукоп", "山田太郎"])
def test_a_search_in_any_script_can_use_trigrams(piece: str) -> None:
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


def test_a_search_uses_the_trigram_index() -> None:
    make_study()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        for piece in ("phantom", " ph"):
            plan = StudySearch.objects.filter(text__contains=piece).explain()
            assert "study_search_text" in plan
