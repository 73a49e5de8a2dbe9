"""The resources that are sent by FHIR R4, in each state of a study's report."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.delivery.conftest import send_all
from tests.delivery.fhir_peer import Answer, FhirServer, Json, faults
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import let_time_pass
from tests.reading import add_addendum, read
from webportal.accounts.models import User
from webportal.delivery import planning
from webportal.delivery.documents.fhir.elements import performed, text
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    DocumentKind,
)
from webportal.records.models import Series
from webportal.review.models import Read
from webportal.review.reads.measurements import Measurement

Make = Callable[..., Destination]
MakeServer = Callable[..., FhirServer]
KATHMANDU = ZoneInfo("Asia/Kathmandu")


def resources(bundle: Json, kind: str) -> list[Json]:
    return [
        each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind
    ]


def codes(concept: Json) -> set[tuple[str, str]]:
    return {(each["system"].rsplit("/", 1)[-1], each["code"]) for each in concept["coding"]}


def make_image() -> Any:
    patient = make_patient(
        patient_id="P 1", issuer="TEST", name="Shrestha^Asha^K", birth_date=date(1990, 5, 1)
    )
    study = make_study(
        patient=patient,
        accession_number="A-77",
        performed_at=datetime(2024, 2, 29, 1, 30, tzinfo=KATHMANDU),
    )
    series = Series.objects.create(study=study, series_instance_uid="2.25.77", modality="DX")
    return make_radiograph(study, series=series, instance_number=1)


@pytest.mark.django_db
def test_one_report_is_preliminary_then_final_then_amended_and_valid_in_each_state(
    make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    image = make_image()
    prediction = make_prediction(image)
    send_all(destination)
    signed = read(
        prediction,
        radiologist,
        "definite",
        zones=("right_lower",),
        measurements=(Measurement(image.pk, "length", ((10.0, 10.0), (40.0, 30.0))),),
        other_findings=("effusion", "cardiomegaly"),
        comment="Dense <opacity> & air.\nनिमोनिया \x07",
    )
    let_time_pass()
    send_all(destination)
    add_addendum(Read.objects.get(pk=signed.pk), radiologist, "Why", "More.", PASSWORD)
    rows = send_all(destination)
    assert [(row.document.kind, row.state) for row in rows] == [
        (DocumentKind.EARLY_FHIR, DeliveryState.DELIVERED),
        (DocumentKind.REPORT_FHIR, DeliveryState.DELIVERED),
        (DocumentKind.REPORT_FHIR, DeliveryState.DELIVERED),
    ]
    assert [faults(bundle) for bundle in server.posted] == [[], [], []]
    (versions,) = [found for place, found in server.versions.items() if "Diagnostic" in place]
    assert [each["status"] for each in versions] == ["preliminary", "final", "amended"]
    early, final, amended = versions
    assert early["conclusion"].startswith("AI RESULT, NOT VERIFIED BY A RADIOLOGIST.\nImage 1: ")
    assert "resultsInterpreter" not in early
    assert final["conclusion"] == "Dense <opacity> & air.\nनिमोनिया"
    assert "Dense &lt;opacity&gt; &amp; air.<br/>निमोनिया" in final["text"]["div"]
    assert amended["conclusion"].endswith(" (Why): More.")
    assert f"\n\nAddendum by {radiologist}, 20" in amended["conclusion"]
    (interpreter,) = final["resultsInterpreter"]
    assert interpreter["identifier"]["value"] == radiologist.username
    assert ("sct", "233604007") in {
        code for each in final["conclusionCode"] for code in codes(each)
    }
    stored = {place: found[-1] for place, found in server.versions.items()}
    for report in versions:
        assert all(each["reference"] in stored for each in report["result"])
        assert [each["reference"] in stored for each in report["imagingStudy"]] == [True]
        assert report["subject"] == {
            "type": "Patient",
            "identifier": {
                "type": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PI"}
                    ]
                },
                "value": "P 1",
                "assigner": {"display": "TEST"},
            },
            "display": "Shrestha, Asha K",
        }
        assert report["effectiveDateTime"].startswith("2024-02-2")
    findings = {stored[each["reference"]]["code"]["coding"][0]["code"]: stored[each["reference"]]
                for each in amended["result"]}  # fmt: skip
    assert set(findings) == {"233604007", "60046008", "8186001", "18782-3"}
    pneumonia = findings["233604007"]
    assert (pneumonia["status"], codes(pneumonia["valueCodeableConcept"])) == (
        "amended",
        {("sct", "52101004"), ("www.radlex.org", "RID28472")},
    )
    (site,) = pneumonia["component"]
    assert codes(site["valueCodeableConcept"]) == {
        ("sct", "281394001:272741003=24028007"),
        ("www.radlex.org", "RID1356"),
    }
    (says,) = resources(server.posted[0], "Observation")
    assert says["status"] == "preliminary"
    assert codes(says["valueCodeableConcept"]) == {("sct", "410592001")}
    assert says["device"]["reference"] in stored
    assert says["component"][0]["valueQuantity"]["code"] == "%"
    assert {"PUT"} == {each["request"]["method"] for one in server.posted for each in one["entry"]}
    assert "111047" not in json.dumps(server.posted)  # probability of cancer
    assert not server.of("Patient")
    (study,) = server.of("ImagingStudy")
    assert study["series"][0]["instance"][0]["uid"] == image.sop_instance_uid


@pytest.mark.django_db
def test_what_an_amended_read_has_no_more_is_withdrawn(
    make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server, sends=[Content.READS])
    prediction = make_prediction()
    signed = read(prediction, radiologist, "definite", other_findings=("effusion",))
    let_time_pass()
    send_all(destination)
    read(prediction, radiologist, "possible", amends=signed.pk, reason="Looked again")
    let_time_pass()
    send_all(destination)
    assert faults(server.posted[-1]) == []
    found = {each["code"]["coding"][0]["code"]: each for each in server.of("Observation")}
    assert found["60046008"]["status"] == "entered-in-error"
    assert "valueCodeableConcept" not in found["60046008"]
    assert found["233604007"]["status"] == "amended"
    (report,) = server.of("DiagnosticReport")
    assert [each["reference"] for each in report["result"]] == [
        f"Observation/{found['233604007']['id']}"
    ]
    assert "conclusionCode" not in report


@pytest.mark.django_db
def test_results_alone_come_without_a_report(
    make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server, sends=[Content.RESULTS])
    study = make_study()
    make_prediction(make_radiograph(study), "unlikely")
    prediction = make_prediction(make_radiograph(study))
    (row,) = send_all(destination)
    assert row.document.kind == DocumentKind.RESULT_FHIR
    assert len(server.of("Observation")) == 2
    read(prediction, radiologist, "definite")
    let_time_pass()
    assert len(send_all(destination)) == 1
    assert not server.of("DiagnosticReport")
    assert faults(server.posted[0]) == []


@pytest.mark.django_db
def test_a_result_after_the_read_leaves_the_report_final(
    make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server()
    closed = make_ehr(server, results_when="closed")
    prediction = make_prediction()
    read(prediction, radiologist, "definite")
    let_time_pass()
    rows = send_all(closed)
    assert [row.document.kind for row in rows] == [
        DocumentKind.REPORT_FHIR,
        DocumentKind.RESULT_FHIR,
    ]
    make_prediction(prediction.radiograph)
    rows = send_all(closed)
    assert [row.document.kind for row in rows[2:]] == [DocumentKind.RESULT_FHIR]
    (report,) = server.of("DiagnosticReport")
    assert report["status"] == "final"
    # The newer version's result is the same observation.
    of_model = [each for each in server.of("Observation") if "device" in each]
    assert [each["meta"]["versionId"] for each in of_model] == ["2"]


@pytest.mark.django_db
@pytest.mark.usefixtures("_longer_pauses")
def test_a_preliminary_report_that_still_waits_is_not_sent_after_the_final_one(
    make_ehr: Make, make_fhir_server: MakeServer, radiologist: User
) -> None:
    server = make_fhir_server(Answer(500))
    destination = make_ehr(server)
    prediction = make_prediction()
    send_all(destination)
    Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    read(prediction, radiologist, "definite")
    let_time_pass()
    planning.plan()
    Delivery.objects.update(next_attempt_at=timezone.now())
    rows = send_all(destination)
    assert [(row.document.kind, row.state) for row in rows] == [
        (DocumentKind.EARLY_FHIR, DeliveryState.CANCELLED),
        (DocumentKind.REPORT_FHIR, DeliveryState.DELIVERED),
        (DocumentKind.RESULT_FHIR, DeliveryState.DELIVERED),
    ]
    (report,) = server.of("DiagnosticReport")
    assert report["status"] == "final"


@pytest.mark.django_db
def test_a_report_does_not_become_preliminary_again_while_the_study_is_read_again(
    make_ehr: Make,
    make_fhir_server: MakeServer,
    radiologist: User,
    settings: Settings,
) -> None:
    server = make_fhir_server()
    destination = make_ehr(server)
    prediction = make_prediction()
    signed = read(prediction, radiologist, "definite")
    let_time_pass()
    send_all(destination)
    settings.SECOND_READING = True
    settings.SECOND_READING_SHARE = 0.0
    settings.SECOND_READING_BLIND_TO_AI = False
    read(prediction, radiologist, "none", amends=signed.pk, reason="Looked again")
    let_time_pass()
    make_prediction(prediction.radiograph)
    rows = send_all(destination)
    assert DocumentKind.EARLY_FHIR not in {row.document.kind for row in rows}
    assert rows[-1].document.kind == DocumentKind.RESULT_FHIR
    (report,) = server.of("DiagnosticReport")
    assert report["status"] == "final"


@pytest.mark.django_db
def test_a_known_issuer_is_a_system_of_identifiers(
    make_ehr: Make, make_fhir_server: MakeServer, settings: Settings
) -> None:
    settings.FHIR_PATIENT_SYSTEMS = {"TEST": "http://hospital.example/mrn"}
    server = make_fhir_server()
    destination = make_ehr(server)
    make_prediction(make_image())
    send_all(destination)
    (report,) = server.of("DiagnosticReport")
    assert report["subject"]["identifier"]["system"] == "http://hospital.example/mrn"


@pytest.mark.parametrize(
    ("at", "element"),
    [
        (None, None),
        (datetime(2024, 2, 29, tzinfo=KATHMANDU), "2024-02-29"),
        (datetime(2024, 2, 29, 1, 30, tzinfo=KATHMANDU), "2024-02-29T01:30:00+05:45"),
    ],
)
@pytest.mark.django_db
def test_the_time_of_the_study_is_no_more_exact_than_known(
    at: datetime | None, element: str | None, settings: Settings
) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    assert performed(make_study(performed_at=at)) == element


@given(st.text())
def test_every_text_is_a_string_of_fhir(words: str) -> None:
    made = text(words)
    assert all(each in "\t\n\r " or not each.isspace() for each in made)
    assert not any(ord(each) < 32 and each not in "\t\n\r" for each in made)
