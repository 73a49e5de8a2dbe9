"""The trail arrives at a FHIR server as AuditEvents: valid, in order, and nothing is missing."""

import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.auditexport.conftest import Server
from tests.auditexport.fhir_repository import Repository, entry_in, faults
from tests.auditexport.test_sending import add, all_sequences
from tests.certificates import write_certificates
from tests.factories import make_patient, make_study
from tests.helpers import wait_until
from webportal.accounts.models import User
from webportal.audit import trail
from webportal.audit.erasure import erase
from webportal.audit.keyring import configured
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append
from webportal.auditexport import fhir, health, sending
from webportal.auditexport.address import is_fhir_address
from webportal.auditexport.audit_event import MOST_BYTES
from webportal.auditexport.bounded import bounded_context
from webportal.auditexport.events import EVENTS
from webportal.auditexport.models import Target
from webportal.auditexport.sending import send_some
from webportal.origin import Origin

pytestmark = pytest.mark.django_db
ODD = 'ann\x01\n\t<&>"\x7f Ö 😀'


@pytest.fixture
def repository(tmp_path: Path, settings: Settings) -> Iterator[Repository]:
    """One that lets the portal alone in, started, and the portal set to it."""
    if not (tmp_path / "ca.pem").exists():
        write_certificates(tmp_path)
    made = Repository(tmp_path)
    settings.AUDIT_EXPORT_FHIR = made.url
    settings.AUDIT_EXPORT_FHIR_TOKEN = "of the portal"
    settings.AUDIT_EXPORT_CA = str(tmp_path / "ca.pem")
    settings.AUDIT_EXPORT_CERTIFICATE = str(tmp_path / "portal.pem")
    settings.AUDIT_EXPORT_KEY = str(tmp_path / "portal.key")
    made.start()
    yield made
    made.stop()


def target() -> Target:
    return Target.objects.get(address__startswith="https")


def last_event(repository: Repository) -> dict[str, Any]:
    send_some(60)
    event = repository.events[-1]
    assert faults(event) == []
    return event


def identifiers(event: dict[str, Any]) -> dict[str, str]:
    """What the entities are identified by, by system or the type of what they are."""
    found = {}
    for entity in event["entity"]:
        identifier = entity["what"]["identifier"]
        found[entity["what"].get("type") or identifier["system"]] = identifier["value"]
    return found


def test_entries_arrive_in_order_and_once(repository: Repository) -> None:
    add(450)
    assert send_some(60) == len(all_sequences())
    assert repository.sequences() == all_sequences()
    assert send_some(60) == 0
    add(3)
    assert send_some(60) == 3
    assert repository.sequences() == all_sequences()
    assert repository.headers[0]["Authorization"] == "Bearer of the portal"
    assert repository.headers[0]["Content-Type"].startswith("application/fhir+json")


def test_an_event_of_every_action_is_valid_and_has_the_entry(
    repository: Repository, radiologist: User
) -> None:
    for action in EVENTS:
        append(Event(action, "thing", "1", detail={"odd": ODD}), radiologist)
    send_some(120)
    assert len(repository.events) == AuditEntry.objects.count()
    for event in repository.events:
        assert faults(event) == []
        stored = entry_in(event)
        entry = AuditEntry.objects.get(sequence=stored["sequence"])
        again = AuditEntry(**{**stored, "at": entry.at})
        again.actor_id, again.study_id = entry.actor_id, entry.study_id
        assert compute_mac(again, configured()) == entry.mac


def test_it_says_who_did_what_for_which_patient_and_study(
    repository: Repository,
    radiologist: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.FHIR_PATIENT_SYSTEMS = {"HOSPITAL": "http://hospital.example/mrn"}
    patient = make_patient(patient_id="P 1", issuer="HOSPITAL")
    study = make_study(patient=patient)
    origin = Origin("192.0.2.7", "Firefox")
    monkeypatch.setattr(trail, "current_origin", lambda: origin)
    entry = append(Event(Action.STUDY_VIEWED, "study", study.pk, study.pk), radiologist)
    event = last_event(repository)
    assert event["type"]["code"] == "110111"
    assert [each["code"] for each in event["subtype"]] == ["study.viewed"]
    assert (event["action"], event["outcome"]) == ("R", "0")
    person, portal = event["agent"]
    assert person["who"]["display"] == radiologist.username
    assert person["altId"] == str(radiologist.pk)
    assert person["network"] == {"address": "192.0.2.7", "type": "2"}
    assert (person["requestor"], portal["requestor"]) == (True, False)
    found = identifiers(event)
    assert found["Patient"] == "P 1"
    assert found["ImagingStudy"] == f"urn:oid:{study.study_instance_uid}"
    # As docs/deployment/audit.md names it, for receivers to recognise an entry that is sent twice.
    assert found["urn:uuid:1b1d1365-0f08-5c2b-854f-91d173691796"] == str(entry.sequence)
    assert event["entity"][0]["what"]["identifier"]["system"] == "http://hospital.example/mrn"
    assert patient.display_name not in str(event)


def test_it_is_valid_whatever_the_trail_holds(repository: Repository, settings: Settings) -> None:
    append(Event(Action.STUDY_VIEWED, "study", "gone", uuid4()), ODD)
    assert last_event(repository)["agent"][0]["name"]
    settings.ORGANIZATION = ""
    append(Event(Action.SIGNED_OUT), "")
    last_event(repository)
    append(Event(Action.SIGN_IN_FAILED), "someone")
    assert last_event(repository)["outcome"] == "4"
    entry = append(Event(Action.PATIENT_CHANGED, "patient", "p1", detail={"name": "DOE"}), "ann")
    erase(AuditEntry.objects.filter(pk=entry.pk), Event(Action.RECORDS_ERASED), {})
    send_some(60)
    assert "DOE" not in str([entry_in(event) for event in repository.events])


def test_details_that_are_too_long_are_left_out(repository: Repository) -> None:
    append(Event(Action.STUDY_CHANGED, "study", "1", detail={"new": "x" * MOST_BYTES}))
    stored = entry_in(last_event(repository))
    assert stored["is_detail_left_out"]
    repository.longest = 5000
    append(Event(Action.STUDY_CHANGED, "study", "2", detail={"new": "x" * 9000}))
    stored = entry_in(last_event(repository))
    assert (stored["object_id"], stored["is_detail_left_out"]) == ("2", True)


def test_nothing_is_missing_after_the_server_was_away(repository: Repository) -> None:
    add(30)
    send_some(60)
    repository.stop()
    add(30)
    began = time.monotonic()
    assert send_some(60) == 0
    assert time.monotonic() - began < fhir.CONNECT_SECONDS + fhir.ANSWER_SECONDS + 1
    assert (target().position, target().failures) == (30, 1)
    assert "refused" in target().error
    repository.start()
    assert send_some(60) == 30
    assert repository.sequences() == all_sequences()
    assert (target().failures, target().error) == (0, "")


def test_what_was_confirmed_before_the_server_went_is_not_sent_again(
    repository: Repository,
) -> None:
    add(40)
    repository.silent_after = 20
    assert send_some(60) == 20
    assert target().position == all_sequences()[19]
    assert target().failures == 1
    repository.silent_after = None
    assert send_some(60) == len(all_sequences()) - 20
    received = repository.sequences()
    # The one whose answer was lost has arrived twice, and nothing is missing.
    assert list(dict.fromkeys(received)) == all_sequences()
    assert len(received) == len(all_sequences()) + 1


@pytest.mark.parametrize("status", [401, 403, 404, 302, 500, 503])
def test_a_server_that_refuses_gets_the_same_entry_again_and_none_after_it(
    status: int, repository: Repository
) -> None:
    add(5)
    repository.refusals = [status]
    assert send_some(60) == 0
    assert f"entry 1: HTTP {status}" in target().error
    assert repository.events == []
    assert send_some(60) == len(all_sequences())
    assert repository.sequences() == all_sequences()


def test_pauses_grow_and_the_server_may_ask_for_a_longer_one(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LONGEST_PAUSE_SECONDS", 60.0)
    add(1)
    pauses = []
    for retry_after in ("", "", "300", "999999", "soon"):
        repository.refusals, repository.retry_after = [503], retry_after
        Target.objects.update(next_attempt_at=None)
        send_some(60)
        send_some(60)  # during the pause
        due = target().next_attempt_at
        assert due is not None
        pauses.append(round((due - timezone.now()) / timedelta(seconds=1)))
    assert len(repository.headers) == 5
    for pause, expected in zip(pauses, (5, 10, 300, 600, 60), strict=True):
        # Up to three tenths shorter, unless the server has asked for it.
        assert 0.7 * expected - 3 <= pause <= expected + 3


def test_a_server_that_hangs_holds_nothing_up(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir, "ANSWER_SECONDS", 0.3)
    repository.delay = 2.0
    add(3)
    began = time.monotonic()
    assert send_some(60) == 0
    assert time.monotonic() - began < 2.0
    assert "timed out" in target().error


def test_a_server_that_drips_holds_nothing_up(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes soon enough, and the answer never."""
    monkeypatch.setattr(fhir, "ANSWER_SECONDS", 0.5)
    repository.drips = True
    add(3)
    began = time.monotonic()
    assert send_some(0.1) == 0
    assert time.monotonic() - began < 5
    assert "timed out" in target().error
    repository.drips = False


def test_a_slow_server_leaves_most_of_the_time_to_others(repository: Repository) -> None:
    repository.delay = 1.5
    add(3)
    assert send_some(0.2) == 1
    due = target().next_attempt_at
    assert due is not None
    assert due - timezone.now() > timedelta(seconds=2)
    assert send_some(0.2) == 0
    assert (target().failures, target().error) == (0, "")


def test_a_step_ends_in_time(repository: Repository) -> None:
    repository.delay = 0.02
    add(200)
    done = send_some(0.3)
    assert 0 < done < 200
    assert target().position == all_sequences()[done - 1]


def test_no_entry_goes_to_a_server_with_an_unknown_certificate(
    repository: Repository, settings: Settings
) -> None:
    settings.AUDIT_EXPORT_CA = ""
    add(1)
    assert send_some(60) == 0
    assert repository.headers == []
    assert "certificate verify failed" in target().error


def test_without_a_setting_the_authorities_of_the_system_are_trusted(
    repository: Repository, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", settings.AUDIT_EXPORT_CA)
    settings.AUDIT_EXPORT_CA = ""
    add(1)
    assert send_some(60) == 1


def test_certificates_are_checked_as_strictly_as_python_does_by_default() -> None:
    """From Python 3.13 on that is more than a context has that is made by hand."""
    context, default = bounded_context(0), ssl.create_default_context()
    assert context.verify_flags == default.verify_flags
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_each_server_has_its_own_position(server: Server, repository: Repository) -> None:
    add(20)
    assert send_some(60) == 2 * len(all_sequences())
    repository.stop()
    add(5)
    assert send_some(60) == 5
    wait_until(lambda: server.sequences() == all_sequences(), "all are written")
    states = {state.address[:5]: (state.waiting, bool(state.error)) for state in health.states()}
    assert states == {"syslo": (0, False), "https": (5, True)}
    repository.start()
    assert send_some(60) == 5
    assert repository.sequences() == all_sequences()


def test_hospital_it_is_alerted_while_one_of_them_does_not_get_on(
    repository: Repository, settings: Settings
) -> None:
    repository.stop()
    add(1)
    send_some(60)
    assert health.problems() == []
    settings.AUDIT_EXPORT_LATE_MINUTES = 0
    assert health.problems() == [health.LATE]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://audit.example/fhir", True),
        ("https://audit.example:8443", True),
        ("http://audit.example/fhir", False),
        ("https://user:password@audit.example/fhir", False),
        ("https://audit.example/fhir?key=1", False),
        ("https:///fhir", False),
        ("https://audit.example:x/fhir", False),
        ("syslog+tls://audit.example:6514", False),
    ],
)
def test_only_an_encrypted_address_without_secrets_is_taken(text: str, is_one: bool) -> None:
    assert is_fhir_address(text) == is_one
