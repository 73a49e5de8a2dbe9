"""The pages of the destinations and the outbox."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.delivery.rows import make_delivery, make_pacs
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.delivery import attempts, outbox
from webportal.delivery.models import Delivery, DeliveryState, Destination, Protocol

pytestmark = pytest.mark.django_db

NEW = {
    "name": "PACS of radiology",
    "ae_title": " PACS ",
    "host": "pacs.hospital.example",
    "port": 104,
    "sends": ["reads"],
    "results_when": "closed",
}


@pytest.fixture
def client(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


def test_only_those_that_can_tell_what_is_stored_are_asked_to_confirm_it(client: Client) -> None:
    explained = {"dicom": "storage commitment", "dicomweb": "QIDO-RS", "hl7": "", "fhir": ""}
    for protocol, words in explained.items():
        page = client.get(f"/destinations/new/{protocol}").text
        assert ("Confirm storage" in page) == bool(words)
        assert words in page
    client.post("/destinations/new/dicom", NEW | {"confirms": "on"})
    assert Destination.objects.get().confirms


def test_presentation_states_are_offered_under_the_name_that_pacs_have_for_them(
    client: Client,
) -> None:
    offered = {each: client.get(f"/destinations/new/{each}").text for each in Protocol}
    assert [each for each, page in offered.items() if "(GSPS)" in page] == ["dicom", "dicomweb"]


def test_a_destination_is_added_changed_paused_and_removed(client: Client) -> None:
    assert client.post("/destinations/new/dicom", NEW).status_code == 302
    made = Destination.objects.get()
    assert (made.ae_title, made.port, made.sends) == ("PACS", 104, ["reads"])
    page = client.get("/destinations").text
    assert "PACS@pacs.hospital.example:104" in page
    place = reverse("delivery:destination", args=[made.pk])
    assert client.post(place, NEW | {"port": 11112}).status_code == 302
    entry = AuditEntry.objects.get(action="destination.changed")
    assert entry.detail == {"port": {"from": 104, "to": 11112}}

    waiting = make_delivery(made)
    assert attempts.is_open(made)
    made.retry_at = waiting.next_attempt_at + timedelta(minutes=3)
    assert waiting.earliest_attempt_at == made.retry_at
    client.post(reverse("delivery:pause", args=[made.pk]))
    assert not attempts.is_open(made)
    assert Delivery.objects.get().earliest_attempt_at is None
    assert "paused" in client.get("/destinations").text
    client.post(reverse("delivery:resume", args=[made.pk]))
    assert attempts.is_open(made)

    assert "1 waiting delivery is cancelled" in client.get(f"{place}?remove=1").text
    stored = make_delivery(made, DeliveryState.STORED)
    assert "1 awaiting confirmation" in client.get("/destinations").text
    assert "2 waiting deliveries are cancelled" in client.get(f"{place}?remove=1").text
    client.post(reverse("delivery:remove", args=[made.pk]))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason_code) == ("cancelled", "destination_removed")
    stored.refresh_from_db()
    assert stored.state == "cancelled"
    assert client.get(place).status_code == 404
    assert "PACS of radiology" not in client.get("/destinations").text
    assert "PACS of radiology" in client.get("/destinations/outbox").text
    # Its name is free again.
    assert client.post("/destinations/new/dicom", NEW).status_code == 302
    assert audit_actions(object_type="destination") == [
        "destination.created",
        *["destination.changed"] * 3,
        "destination.removed",
        "destination.created",
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ae_title": "A\\B"}, "no backslash"),
        ({"host": "http://pacs"}, "Enter only the host name or IP address"),
        ({"host": "a..b"}, "Enter only the host name or IP address"),
        ({"port": 70000}, "65535"),
        ({"sends": []}, "required"),
    ],
)
def test_an_invalid_value_is_reported_and_nothing_is_added(
    client: Client, wrong: dict[str, object], words: str
) -> None:
    answer = client.post("/destinations/new/dicom", NEW | wrong)
    assert answer.status_code == 200
    assert words in answer.text
    assert not Destination.objects.exists()


def test_two_destinations_have_two_names(client: Client) -> None:
    make_pacs("PACS of radiology")
    assert "already a destination of this name" in client.post("/destinations/new/dicom", NEW).text


def test_the_test_says_that_nothing_answers(client: Client) -> None:
    made = make_pacs()
    answer = client.post(reverse("delivery:test", args=[made.pk]), follow=True)
    assert "Nothing responds at this address." in answer.text
    entry = AuditEntry.objects.get(action="destination.tested")
    assert entry.detail == {"answered": False}


def test_chosen_deliveries_are_sent_again_or_cancelled(client: Client) -> None:
    made = make_pacs()
    rejected = make_delivery(made, DeliveryState.REJECTED)
    delivered = make_delivery(made, DeliveryState.DELIVERED)
    waiting = make_delivery(made)
    page = client.get("/destinations/outbox?state=rejected").text
    assert "It rejects the object (0xA900)." in page
    assert str(rejected.pk) in page
    assert str(waiting.pk) not in page

    chosen = {"delivery": [str(rejected.pk), str(delivered.pk)], "action": "again"}
    answer = client.post("/destinations/outbox?state=rejected", chosen)
    assert answer["Location"] == "/destinations/outbox?state=rejected"
    assert Delivery.objects.filter(state=DeliveryState.WAITING).count() == 3
    client.post("/destinations/outbox", {"delivery": [str(waiting.pk)], "action": "cancel"})
    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason_code) == ("cancelled", "cancelled_by_person")
    assert audit_actions(object_type="delivery") == [
        *["delivery.retried"] * 2,
        "delivery.cancelled",
    ]
    again = client.post(
        "/destinations/outbox",
        {"delivery": [str(waiting.pk)], "action": "cancel"},
        follow=True,
    )
    assert "no longer possible for any of the selected deliveries" in again.text


def test_everything_that_a_destination_rejected_is_sent_again_or_cancelled(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_AT_ONCE", 2)
    made, other = make_pacs(), make_pacs("Other")
    rows = [make_delivery(made, DeliveryState.REJECTED, refusals=12) for _ in range(3)]
    elsewhere = make_delivery(other, DeliveryState.REJECTED)
    place = f"/destinations/outbox?destination={made.pk}&state=rejected"
    assert "Send all rejected ones again" in client.get(place).text
    assert "Send all rejected" not in client.get("/destinations/outbox?state=rejected").text
    client.post(place, {"action": "all_rejected"})
    again = Delivery.objects.filter(state=DeliveryState.WAITING, refusals=0)
    assert set(again) == set(rows)
    client.post("/destinations/outbox", {"delivery": [str(elsewhere.pk)], "action": "cancel"})
    elsewhere.refresh_from_db()
    assert elsewhere.state == DeliveryState.CANCELLED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "a..b", "protocol": "hl7"}, "host name is invalid"),
        ({"host": "127.0.0.1", "uses_tls": True}, "A certificate cannot be read"),
        ({"host": "127.0.0.1", "uses_tls": True, "protocol": "hl7"}, "A certificate cannot"),
        ({"url": "https://127.0.0.1:1/", "protocol": "dicomweb"}, "A certificate cannot be read"),
    ],
)
def test_the_test_survives_wrong_settings(
    client: Client, settings: Settings, fields: dict[str, object], words: str
) -> None:
    settings.DELIVERY_CA = "/nowhere/ca.pem"
    made = make_pacs()
    Destination.objects.filter(pk=made.pk).update(**fields)
    answer = client.post(reverse("delivery:test", args=[made.pk]), follow=True)
    assert words in answer.text


def test_the_pages_name_no_patient(client: Client) -> None:
    patient = make_patient(name="Quokka^Name", patient_id="QUOKKA-ID")
    image = make_radiograph(make_study(patient=patient, accession_number="QUOKKA-ACC"))
    row = make_delivery(make_pacs(), prediction=make_prediction(image))
    for page, shown in (("/destinations", "PACS"), ("/destinations/outbox", str(row.pk))):
        text = client.get(page).text
        assert shown in text
        assert "quokka" not in text.lower()
