"""What leaves the portal says no less than what its reader signed, and than the study page says."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pydicom
import pytest
from django.test import Client
from pydicom.dataset import Dataset
from pypdf import PdfReader
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.delivery.test_documents import made
from tests.factories import (
    THRESHOLDS,
    make_model_version,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from tests.helpers import let_time_pass
from tests.reading import add_addendum, entry, read, sign
from webportal.accounts.models import Role, User
from webportal.database.clock import clock
from webportal.delivery.documents import captures, hl7
from webportal.delivery.documents.fhir.reads import read_transaction
from webportal.delivery.documents.fhir.results import results_transaction
from webportal.delivery.documents.texts import of_first_reader, percent
from webportal.delivery.models import Content, Destination, DocumentKind
from webportal.delivery.planning import plan
from webportal.inference.models import Prediction
from webportal.records.choices import Purpose
from webportal.review.models import Addendum, Read
from webportal.review.reads.headline import findings_of

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]


def texts_of(dataset: Dataset) -> list[str]:
    """The texts of a structured report."""
    return [str(each.value) for each in dataset.iterall() if each.keyword == "TextValue"]


def sr_of(read: Read) -> pydicom.FileDataset:
    """The structured report of a read that a destination gets."""
    let_time_pass()
    plan()
    return made(DocumentKind.REPORT)


def hl7_of(read: Read, *addenda: Addendum) -> str:
    return hl7.read_message(read.study, read, addenda, "1", clock()).decode()


def fhir_of(read: Read, *addenda: Addendum) -> list[dict[str, object]]:
    bundle = json.loads(read_transaction(read.study, read, addenda, []))
    return [each["resource"] for each in bundle["entry"]]


def test_what_is_seen_on_an_image_that_is_not_interpretable_is_in_every_output(
    make_destination: Make, radiologist: User
) -> None:
    make_destination()
    seen = make_prediction()
    given = replace(
        entry(seen, "", comment="Rotated.", other_findings=("pneumothorax",)),
        decision="not_interpretable",
    )
    signed = sign(seen.radiograph.study, radiologist, given, PASSWORD)
    codes = {each.value for each in sr_of(signed).iterall() if each.keyword == "CodeValue"}
    assert {"111235", "36118008"} <= codes
    assert "36118008^Pneumothorax" in hl7_of(signed)
    assert '"36118008"' in json.dumps(fhir_of(signed))


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("", "Other finding: the reader has not described it."),
        ("A nodule.", "Other finding: see the impression."),
    ],
)
def test_a_finding_without_a_code_is_stated_in_every_output(
    make_destination: Make, radiologist: User, comment: str, words: str
) -> None:
    make_destination()
    signed = read(
        make_prediction(), radiologist, "none", other_findings=("other",), comment=comment
    )
    assert words in texts_of(sr_of(signed))
    assert f"|{words}|" in hl7_of(signed)
    *_, observation, report = fhir_of(signed)
    assert observation["valueString"] == words
    assert words in str(report["text"])


def test_an_absent_finding_is_not_mentioned(make_destination: Make, radiologist: User) -> None:
    make_destination()
    signed = read(make_prediction(), radiologist, "none", other_findings=("effusion",))
    said = str(sr_of(signed)) + hl7_of(signed) + str(fhir_of(signed))
    assert "Other finding" not in said


def test_an_addendum_outlives_the_amendment_of_the_read_it_was_added_to(
    make_destination: Make,
    radiologist: User,
    make_user: Callable[..., User],
    client: Client,
) -> None:
    make_destination()
    seen = make_prediction()
    first = read(seen, radiologist, "none")
    other = make_user(Role.RADIOLOGIST, username="other")
    addendum = add_addendum(first, other, "Pneumothorax", "Right apex, phoned.", PASSWORD)
    amended = read(seen, radiologist, "none", amends=first.pk, reason="Typing error")
    report = sr_of(amended)
    (words,) = (each for each in texts_of(report) if "Right apex" in each)
    assert words.startswith("Addendum to an earlier read by other, 20")
    assert [str(each.VerifyingObserverName) for each in report.VerifyingObserverSequence] == [
        f"{radiologist}^"
    ]
    assert words in hl7_of(amended, addendum)
    assert words in str(fhir_of(amended, addendum)[-1]["conclusion"])
    client.force_login(other)
    found = findings_of([first.study_id], other)[first.study_id]
    assert (found.is_amended, found.addenda) == (True, 1)
    address = f"/studies/{first.study_id}/report"
    pdf = PdfReader(BytesIO(client.get(f"{address}.pdf").content)).pages[0].extract_text()
    for text in (client.get(address).text, pdf):
        assert "Addendum to an earlier read" in text
        assert "Right apex, phoned." in text
    page = client.get(f"/studies/{first.study_id}").text
    shown = page.partition("Addendum to the read that was superseded:")[2]
    assert "Right apex, phoned." in shown
    assert page.count("Right apex, phoned.") == 1


def test_an_addendum_names_its_own_author(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    signed = read(make_prediction(), radiologist, "none")
    other = make_user(Role.RADIOLOGIST, username="other")
    addendum = add_addendum(signed, other, "Why", "More.", PASSWORD)
    assert "Addendum by other, 20" in hl7_of(signed, addendum)
    assert "Addendum by other, 20" in str(fhir_of(signed, addendum)[-1]["conclusion"])


def result_in(kind: str) -> pydicom.FileDataset:
    plan()
    return made(kind)


def test_what_must_be_checked_about_a_result_leaves_with_it(make_destination: Make) -> None:
    make_destination(sends=list(Content), results_when="at_once")
    # Another view than the model was made for, and no age.
    population = {"youngest_years": 1, "oldest_years": 5, "views": ["AP"]}
    result = make_prediction(
        make_radiograph(make_study(patient=make_patient(birth_date=None)), size=(700, 1024)),
        correction="rotated_180",
        assessed_as="adult",
        model_version=make_model_version("for-children", population=population),
    )
    assert result.purpose == Purpose.UNCONFIRMED
    turned = "Assessed after rotating it by 180°: check that this was right."
    told = [
        "This view is PA; the model is intended for AP.",
        "The patient’s age is not known; the model is intended for ages 1 to 5 years.",
        "The image looks like an adult’s and was assessed as one; the model is intended for ages 1"
        " to 5 years.",
        "Assessed as an adult's image: the probability is that of a lung opacity against"
        " everything else, normal or abnormal.",
        "Check this before relying on the result.",
    ]
    texts = texts_of(result_in(DocumentKind.RESULT))
    assert set(told) <= set(texts)
    assert any(text.startswith(turned) for text in texts)
    bundle = json.loads(results_transaction(result.radiograph.study, [result], with_report=True))
    found = {each["resource"]["resourceType"]: each["resource"] for each in bundle["entry"]}
    notes = [each["text"] for each in found["Observation"]["note"]]
    assert set(told) <= set(notes)
    assert all(each in found["DiagnosticReport"]["conclusion"] for each in [*told, turned])
    # As a line of its own above the picture.
    plain = make_prediction(result.radiograph)
    Prediction.objects.filter(pk=plain.pk).update(purpose=Purpose.WITHIN, purpose_reasons=[])
    plain.refresh_from_db()
    assert captures.drawn(result).height > captures.drawn(plain).height


@pytest.mark.parametrize("category", ["likely", "unlikely"])
def test_a_result_that_nothing_is_to_be_checked_of_says_so_little(
    make_destination: Make, category: str
) -> None:
    make_destination(results_when="at_once")
    result = make_prediction(category=category)
    Prediction.objects.filter(pk=result.pk).update(purpose=Purpose.WITHIN, purpose_reasons=[])
    assert not any("Check" in text for text in texts_of(result_in(DocumentKind.RESULT)))


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.0004, 0.1), (0.0123, 1), (0.4567, 46), (0.9912, 99.1), (0.99999, 99.9)],
)
def test_a_probability_is_as_exact_as_on_the_pages(probability: float, said: float) -> None:
    result = make_prediction(category="indeterminate", probability=probability)
    assert percent(result) == said


def test_a_rounded_probability_stays_on_its_side_of_the_threshold(make_destination: Make) -> None:
    make_destination(results_when="at_once")
    points = {**THRESHOLDS, "likely": {**THRESHOLDS["likely"], "threshold": 0.737}}
    model = make_model_version("near", thresholds=points)
    result = make_prediction(category="indeterminate", probability=0.736, model_version=model)
    report = result_in(DocumentKind.RESULT)
    assert [each.value for each in report.iterall() if each.keyword == "NumericValue"] == [73]
    study = result.radiograph.study
    fhir = results_transaction(study, [result], with_report=True).decode()
    assert "probability 73 %" in fhir
    assert "74" not in re.findall(r'"value": ?(\d+)', fhir)
    assert captures.result_line(result) == "Pneumonia: indeterminate, 73 %"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Wang^XiaoDong=王^小东", "Wang^XiaoDong"),
        ("=王^小东", "王^小东"),
        ("==ワン^シャオ", "ワン^シャオ"),
        ("^^=王^小东", "王^小东"),
    ],
)
def test_a_message_names_a_patient_who_has_no_latin_name(
    radiologist: User, name: str, said: str
) -> None:
    study = make_study(patient=make_patient(name=name))
    signed = read(make_prediction(make_radiograph(study)), radiologist, "none")
    (person,) = (line for line in hl7_of(signed).split("\r") if line.startswith("PID"))
    assert person.split("|")[5] == said


def test_what_only_the_first_of_two_readers_saw_is_not_lost(
    make_destination: Make,
    radiologist: User,
    make_user: Callable[..., User],
    client: Client,
    settings: Settings,
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    make_destination()
    seen = make_prediction()
    given = {"other_findings": ("effusion", "cardiomegaly"), "comment": "A nodule in the apex."}
    first = read(seen, radiologist, "none", **given)
    other = make_user(Role.RADIOLOGIST, username="other")
    second = read(seen, other, "none", other_findings=("cardiomegaly",), comment="Clear.")
    let_time_pass()
    told = [
        "radiologist, who read it first, also reported: Pleural effusion.",
        "Impression of radiologist, who read it first: A nodule in the apex.",
    ]
    texts = texts_of(sr_of(second))
    assert [each for each in texts if each in told] == told
    assert all(f"|{each}|" in hl7_of(second) for each in told)
    report = fhir_of(second)[-1]
    assert all(each in str(report["conclusion"]) for each in told)
    client.force_login(other)
    address = f"/studies/{first.study_id}/report"
    pdf = PdfReader(BytesIO(client.get(f"{address}.pdf").content)).pages[0].extract_text()
    for shown in (client.get(address).text, pdf):
        assert all(each in " ".join(shown.split()) for each in told)


def test_a_first_reader_who_reported_nothing_more_is_not_quoted(
    radiologist: User, make_user: Callable[..., User], settings: Settings
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    seen = make_prediction()
    alone = read(seen, radiologist, "none", other_findings=("effusion",), comment="Clear.")
    assert of_first_reader(alone) == []
    other = make_user(Role.RADIOLOGIST, username="other")
    more = ("effusion", "cardiomegaly")
    second = read(seen, other, "none", other_findings=more, comment="Clear.")
    assert of_first_reader(second) == []


def test_an_arbiter_has_decided(
    radiologist: User, make_user: Callable[..., User], settings: Settings
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    seen = make_prediction()
    read(seen, radiologist, "definite", other_findings=("effusion",))
    read(seen, make_user(Role.RADIOLOGIST, username="second"), "none")
    decided = read(seen, make_user(Role.RADIOLOGIST, username="third"), "none")
    assert of_first_reader(decided) == []
