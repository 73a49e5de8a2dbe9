"""FHIR R4 to a server that delays, rejects, and loses answers before and after it has stored."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.delivery.conftest import send_all
from tests.delivery.fhir_peer import Answer, FhirServer, Json
from tests.factories import make_prediction
from tests.helpers import wait_until
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.delivery import attempts
from webportal.delivery.models import (
    DeliveryState,
    Destination,
)

Make = Callable[..., Destination]
MakeServer = Callable[..., FhirServer]


@pytest.mark.django_db
def test_a_lost_answer_is_settled_by_looking_and_nothing_is_stored_twice(
    make_ehr: Make, make_fhir_server: MakeServer
) -> None:
    server = make_fhir_server(Answer(stores=True, drops=True), Answer(drops=True))
    destination = make_ehr(server)
    make_prediction()
    wait_until(lambda: send_all(destination)[0].state == DeliveryState.DELIVERED, "it is delivered")
    (row,) = send_all(destination)
    assert (row.answer, len(server.posted)) == ("found", 1)
    make_prediction()  # its request is lost before it is stored

    def is_there() -> bool:
        return {row.state for row in send_all(destination)} == {DeliveryState.DELIVERED}

    wait_until(is_there, "that is delivered, too")
    assert len(server.posted) == 3
    assert server.posted[1] == server.posted[2]
    assert {len(versions) for place, versions in server.versions.items()
            if "Device" not in place} == {1}  # fmt: skip


@pytest.mark.django_db
def test_a_server_that_answers_too_late_has_each_result_once(
    make_ehr: Make, make_fhir_server: MakeServer, settings: Settings
) -> None:
    settings.DELIVERY_ANSWER_SECONDS = 0.3
    server = make_fhir_server(Answer(stores=True, delay=0.6), Answer(stores=True, delay=0.6))
    destination = make_ehr(server)
    make_prediction()
    make_prediction()

    def are_there() -> bool:
        return {row.state for row in send_all(destination)} == {DeliveryState.DELIVERED}

    wait_until(are_there, "both are delivered")
    assert len(server.of("DiagnosticReport")) == len(server.of("ImagingStudy")) == 2
    assert len(server.of("Observation")) == 2


ISSUE = {
    "severity": "error",
    "code": "required",
    "diagnostics": "Shrestha, Asha has no gender",
    "expression": ["Bundle.entry[1].resource.ofType(Observation).subject"],
}


@pytest.mark.django_db
@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_a_definite_rejection_is_not_repeated_and_says_why_but_not_of_whom(
    make_ehr: Make, make_fhir_server: MakeServer, status: int
) -> None:
    server = make_fhir_server(Answer(status, ISSUE))
    destination = make_ehr(server)
    make_prediction()
    send_all(destination)
    (row,) = send_all(destination)
    assert (row.state, row.attempts, len(server.posted)) == (DeliveryState.REJECTED, 1, 1)
    said = f"HTTP {status}, required at Bundle.entry[1].resource.ofType(Observation).subject"
    assert row.reason.english == f"It rejects the object ({said})."
    assert "Asha" not in json.dumps(AuditEntry.objects.get(action="delivery.rejected").detail)


@pytest.mark.django_db
def test_a_path_that_quotes_a_value_is_not_kept(
    make_ehr: Make, make_fhir_server: MakeServer
) -> None:
    quoting = ISSUE | {"expression": ["Bundle.entry.where(name='Asha')"]}
    worded = ISSUE | {"code": "Asha"}
    destination = make_ehr(make_fhir_server(Answer(422, quoting), Answer(422, worded)))
    make_prediction()
    make_prediction()
    answers = {row.answer for row in send_all(destination)}
    assert answers == {"HTTP 422, required", "HTTP 422"}


@pytest.mark.django_db
@pytest.mark.usefixtures("_longer_pauses")
@pytest.mark.parametrize(
    ("answer", "code", "is_all"),
    [
        (Answer(401, ISSUE), "not_allowed", True),
        (Answer(302), "not_a_server", True),
        (Answer(404), "not_a_server", True),
        (Answer(200, body={"resourceType": "Basic"}), "not_a_server", True),
        (Answer(503, ISSUE), "busy", True),
        (Answer(429), "busy", True),
        (Answer(500, ISSUE), "busy", False),
        (Answer(408), "busy", False),
        (Answer(404, ISSUE), "busy", False),
        (Answer(409, ISSUE), "busy", False),
        (Answer(400), "busy", False),
    ],
)
def test_after_any_other_answer_it_waits_and_is_sent_again(
    make_ehr: Make,
    make_fhir_server: MakeServer,
    answer: Answer,
    code: str,
    is_all: bool,
) -> None:
    server = make_fhir_server(answer)
    destination = make_ehr(server)
    make_prediction()
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (DeliveryState.WAITING, code)
    destination.refresh_from_db()
    assert (destination.retry_at is not None) == is_all
    wait_until(lambda: send_all(destination)[0].state == DeliveryState.DELIVERED, "it is delivered")
    assert len(server.posted) == 2


@pytest.mark.django_db
def test_a_doubtful_rejection_stands_in_the_end(
    make_ehr: Make, make_fhir_server: MakeServer
) -> None:
    failed = {"response": {"status": "400 Bad Request", "outcome": {"issue": [ISSUE]}}}
    body = {"resourceType": "Bundle", "type": "batch-response", "entry": [failed]}
    server = make_fhir_server(*[Answer(200, body=body)] * 50)
    destination = make_ehr(server)
    make_prediction()
    wait_until(lambda: send_all(destination)[0].state == DeliveryState.REJECTED, "it is rejected")
    assert len(server.posted) == attempts.MOST_REFUSALS
    (row,) = send_all(destination)
    assert row.answer.startswith("HTTP 400, required at ")


@pytest.mark.django_db
@pytest.mark.usefixtures("_longer_pauses")
@pytest.mark.parametrize(("said", "least"), [("120", 119), ("999999", 3599), ("soon", 0)])
def test_a_server_that_asks_for_time_is_not_asked_before(
    make_ehr: Make, make_fhir_server: MakeServer, said: str, least: int
) -> None:
    server = make_fhir_server(Answer(503, headers={"Retry-After": said}))
    destination = make_ehr(server)
    make_prediction()
    make_prediction()
    send_all(destination)
    destination.refresh_from_db()
    assert destination.retry_at is not None
    wait = destination.retry_at - timezone.now()
    assert timedelta(seconds=least - 60) < wait <= timedelta(seconds=least + 2)
    if least:
        send_all(destination)
        assert len(server.posted) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({}, "It answered."),
        ({"fhirVersion": "4.0.0"}, "It answered."),
        ({"fhirVersion": "5.0.0"}, "Its FHIR version is 5.0.0. Chestline sends FHIR R4 (4.0.1)."),
        ({"fhirVersion": "4.3.0"}, "Its FHIR version is 4.3.0."),
        ({"rest": [{"interaction": [{"code": "batch"}]}]}, "what Chestline needs: transact"),
        ({"rest": [{"resource": [{"type": "Device"}]}]}, "ImagingStudy, Observation, Diagnostic"),
        ({"resourceType": "Basic"}, "like a proxy or some other server"),
    ],
)
def test_the_test_reads_version_and_abilities(
    it_person: User,
    sign_in: Callable[[User], Client],
    make_ehr: Make,
    make_fhir_server: MakeServer,
    statement: Json,
    words: str,
) -> None:
    server = make_fhir_server()
    server.statement |= statement
    destination = make_ehr(server)
    place = reverse("delivery:test", args=[destination.pk])
    assert words in sign_in(it_person).post(place, follow=True).text
    assert not server.posted


@pytest.mark.django_db
def test_it_is_added_on_the_page_with_a_token_and_gets_no_pictures(
    it_person: User,
    sign_in: Callable[[User], Client],
    make_fhir_server: MakeServer,
) -> None:
    server = make_fhir_server()
    client = sign_in(it_person)
    page = client.get("/destinations/new/fhir").text
    assert "heat maps" not in page
    values = {
        "name": "EHR",
        "url": f"{server.url}/",
        "token": "s3cret-token",
        "sends": ["results"],
        "results_when": "at_once",
    }
    assert client.post("/destinations/new/fhir", values).status_code == 302
    make_prediction()
    (row,) = send_all(Destination.objects.get())
    assert row.state == DeliveryState.DELIVERED
    assert server.headers[0]["Authorization"] == "Bearer s3cret-token"
    assert server.headers[0]["Content-Type"] == "application/fhir+json; charset=utf-8"
