"""Messages follow DICOM's schema and say which patient and study an entry is about."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from pytest_django.fixtures import Settings

from tests.auditexport.conftest import entry_in
from tests.factories import make_patient, make_study
from webportal.accounts.models import User
from webportal.audit.erasure import erase
from webportal.audit.keyring import configured
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append
from webportal.auditexport.address import is_syslog_address
from webportal.auditexport.content import Records
from webportal.auditexport.events import EVENTS, UNKNOWN, EventID, EventType, event_of
from webportal.auditexport.message import MOST_BYTES, audit_message
from webportal.auditexport.syslog import frame
from webportal.origin import Origin
from webportal.records.models import Patient

pytestmark = pytest.mark.django_db
SCHEMA = Path(__file__).with_name("audit_message.rng")
# What a user name or an identifier may hold although XML cannot.
ODD = 'ann\x01\n\t<&>"\x7f Ö 😀'


def sent(entry: AuditEntry) -> ElementTree.Element:
    return ElementTree.fromstring(audit_message(entry, Records([entry])))


def ids_in(message: ElementTree.Element) -> dict[str, str]:
    """What the objects are identified by, by the code of their kind."""
    return {
        kind.attrib["csd-code"]: each.attrib["ParticipantObjectID"]
        for each in message.findall("ParticipantObjectIdentification")
        for kind in each.findall("ParticipantObjectIDTypeCode")
    }


def assert_valid(messages: list[bytes], folder: Path) -> None:
    """Whether the messages follow the schema, by xmllint."""
    program = shutil.which("xmllint")
    if program is None:
        pytest.skip("xmllint is not installed")
    paths = []
    for number, message in enumerate(messages):
        path = folder / f"{number}.xml"
        path.write_bytes(message)
        paths.append(path)
    command: list[str | Path] = [program, "--noout", "--relaxng", SCHEMA, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_action_is_a_dicom_event() -> None:
    assert set(EVENTS) == set(Action)
    for event in EVENTS.values():
        assert event.event_id.meaning
        assert event.kind is None or event.kind.meaning
        assert event.action in "CRUDE"
        assert event.outcome in (0, 4, 8, 12)
    assert {each.meaning for each in EventType}.isdisjoint({each.meaning for each in EventID})
    assert event_of("of.a.later.release") is UNKNOWN


def test_a_message_of_every_action_follows_the_schema(tmp_path: Path) -> None:
    study = make_study()
    origin = Origin("192.0.2.7", "Firefox").as_json()
    entries = [
        AuditEntry(
            sequence=number,
            at=datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
            actor_id=uuid4() if number % 2 else None,
            actor=ODD if number % 3 else "system",
            action=action.value,
            object_type="study" if number % 2 else "job",
            object_id=str(study.pk),
            study_id=study.pk,
            detail={"text": ODD},
            origin=origin if number % 5 else None,
        )
        for number, action in enumerate(Action, start=1)
    ]
    records = Records(entries)
    assert_valid([audit_message(entry, records) for entry in entries], tmp_path)


def test_the_schema_refuses_what_is_no_audit_message(tmp_path: Path) -> None:
    message = audit_message(entry := append(Event(Action.SIGNED_IN)), Records([entry]))
    wrong = message.replace(b'EventOutcomeIndicator="0"', b'EventOutcomeIndicator="1"')
    assert wrong != message
    with pytest.raises(AssertionError, match="fails to validate"):
        assert_valid([wrong], tmp_path)


def test_an_entry_about_a_study_names_study_and_patient_by_their_identifiers() -> None:
    study = make_study(patient=make_patient(patient_id="4711 A", issuer="HOSP", name="DOE^JANE"))
    message = sent(append(Event(Action.STUDY_VIEWED, "study", study.pk, study.pk), "ann"))
    ids = ids_in(message)
    assert ids["110180"] == study.study_instance_uid
    assert ids["2"] == "4711 A"
    event = message.find("EventIdentification/EventID")
    assert event is not None
    assert event.attrib["csd-code"] == "110111"
    assert "DOE" not in ElementTree.tostring(message, encoding="unicode")


def test_an_entry_about_a_patient_names_the_patient() -> None:
    patient: Patient = make_patient(patient_id="0815")
    message = sent(append(Event(Action.PATIENT_VIEWED, "patient", patient.pk)))
    assert ids_in(message)["2"] == "0815"
    assert ids_in(message)["patient"] == str(patient.pk)


def test_a_study_that_is_gone_is_named_by_its_id_in_the_trail() -> None:
    gone = uuid4()
    ids = ids_in(sent(append(Event(Action.STUDY_VIEWED, "study", gone, gone))))
    assert ids["study"] == str(gone)
    assert "2" not in ids


def test_a_person_and_the_portal_take_part(it_person: User, settings: Settings) -> None:
    settings.DICOM_AE_TITLE, settings.ORGANIZATION = "CXR1", "Hospital of Ö"
    message = sent(append(Event(Action.NODE_CREATED), it_person))
    person, portal = message.findall("ActiveParticipant")
    assert person.attrib == {
        "UserID": it_person.username,
        "AlternativeUserID": str(it_person.pk),
        "UserIsRequestor": "true",
    }
    assert (portal.attrib["UserID"], portal.attrib["UserIsRequestor"]) == ("CXR1", "false")
    source = message.find("AuditSourceIdentification")
    assert source is not None
    assert source.attrib == {"AuditEnterpriseSiteID": "Hospital of Ö", "AuditSourceID": "CXR1"}
    [alone] = sent(append(Event(Action.JOB_QUEUED))).findall("ActiveParticipant")
    assert alone.attrib["UserIsRequestor"] == "true"


def test_the_entry_itself_is_in_the_message_and_its_mac_still_holds() -> None:
    entry = append(Event(Action.USER_CHANGED, "user", "1", detail={"old": ODD, "n": 1.5}), "ann")
    entry = AuditEntry.objects.get(pk=entry.pk)
    carried = entry_in(sent(entry))
    assert carried["detail"] == entry.detail
    again = AuditEntry(**{**carried, "at": datetime.fromisoformat(carried["at"])})
    assert compute_mac(again, configured()) == entry.mac


def test_an_erased_entry_is_sent_without_its_details() -> None:
    entry = append(Event(Action.STUDY_CHANGED, "study", "1", detail={"new": "SECRET"}))
    erasing = Event(Action.RECORDS_ERASED, "erasure", "1")
    erase(AuditEntry.objects.filter(pk=entry.pk), erasing, {})
    blank = AuditEntry.objects.get(pk=entry.pk)
    assert entry_in(sent(blank))["detail"] == {"erased_by": entry.sequence + 1}


def test_details_too_long_for_a_receiver_are_left_out_with_a_notice() -> None:
    entry = append(Event(Action.STUDY_CHANGED, "study", "1", detail={"new": "x" * MOST_BYTES}))
    message = audit_message(entry, Records([entry]))
    assert len(message) < MOST_BYTES
    carried = entry_in(ElementTree.fromstring(message))
    assert "detail" not in carried
    assert carried["is_detail_left_out"] is True


def test_a_frame_is_a_syslog_message_with_its_length() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    framed = frame("<Ö/>".encode(), at, is_warning=True)
    length, _, line = framed.partition(b" ")
    assert int(length) == len(line)
    header = rb"<84>1 2026-01-02T03:04:05\.000006Z \S+ chestline \d+ DICOM\+RFC3881 - \xef\xbb\xbf<"
    assert re.match(header, line)
    assert frame(b"", at).partition(b" ")[2].startswith(b"<85>1 ")


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("syslog+tls://audit.hospital.example:6514", True),
        ("syslog+tcp://[::1]:514", True),
        ("syslog+tls://audit.hospital.example", False),
        ("syslog+tls://audit:99999", False),
        ("syslog+udp://audit:514", False),
        ("tcp://audit:514", False),
        ("syslog+tls://audit:6514/path", False),
        ("syslog+tls://name@audit:6514", False),
    ],
)
def test_the_address_is_checked(text: str, is_right: bool) -> None:
    assert is_syslog_address(text) is is_right
