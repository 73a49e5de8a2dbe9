"""HL7 v2.5.1: a signed read as an unsolicited result (ORU^R01), and acknowledgements."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from pydicom.sr.coding import Code

from webportal.accounts.models import User
from webportal.delivery.documents import coding
from webportal.delivery.documents.sources import day_and_time
from webportal.delivery.documents.texts import comments, conclusions, zones
from webportal.records.models import Patient, Study, name_components
from webportal.review.models import Addendum, Decision, Read

_SENDER = "CHESTLINE"
_ESCAPES = {
    "\\": "\\E\\",
    "|": "\\F\\",
    "^": "\\S\\",
    "&": "\\T\\",
    "~": "\\R\\",
    "\r": "\\.br\\",
    "\n": "\\.br\\",
}


@dataclass(frozen=True)
class Acknowledgement:
    """The acknowledgement of a message in an MSA segment; its text often names the patient."""

    code: str
    control_id: str


def escape(text: str) -> str:
    """Return a value with the delimiters escaped (2.7); line breaks as `\\.br\\`."""
    plain = text.replace("\r\n", "\n")
    return "".join(
        _ESCAPES.get(each, each)
        for each in plain
        if each in _ESCAPES or each == "\t" or ord(each) >= 32
    )


def read_message(
    study: Study, read: Read, addenda: Sequence[Addendum], control_id: str, at: datetime
) -> bytes:
    """A read as ORU^R01, with status F for the first one and C for corrections and addenda."""
    patient = study.patient
    # Those to earlier reads are in the first message of the read, too.
    has_own = any(each.read_id == read.pk for each in addenda)
    status = "C" if has_own or read.amends_id is not None else "F"
    assert read.signed_at is not None
    last = max([read.signed_at, *(each.signed_at for each in addenda)])
    identifier = identifier_of(patient)
    segments = [
        [
            "MSH", "^~\\&", _SENDER, escape(settings.ORGANIZATION), "", "", moment(at), "",
            "ORU^R01^ORU_R01", control_id, "P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8",
        ],
        [
            "PID", "1", "", identifier, "", _name_of_patient(patient.name), "",
            patient.birth_date.strftime("%Y%m%d") if patient.birth_date else "", patient.sex,
        ],
        [
            "OBR", "1", _placer_number(study),
            escape(study.accession_number or study.study_instance_uid),
            _coded(coding.PROCEDURE), "", "",
            _performed(study), *[""] * 14,
            moment(last), "", "RAD", status, *[""] * 6, _interpreter(read.reader),
        ],
        *_observations(read, addenda, status, last),
        # Last: a receiver that reads groups strictly would take it for the end of that of the OBR.
        ["ZDS", f"{study.study_instance_uid}^Chestline^Application^DICOM"],
    ]  # fmt: skip
    return "".join("|".join(fields).rstrip("|") + "\r" for fields in segments).encode()


def _placer_number(study: Study) -> str:
    """OBR-2: the number of the system that ordered the study; empty where several did."""
    links = study.order_links.exclude(order__placer_number="")
    numbers = set(links.values_list("order__placer_number", flat=True))
    # An entity identifier (EI) with its components.
    return "^".join(map(escape, numbers.pop().split("^"))) if len(numbers) == 1 else ""


def identifier_of(patient: Patient) -> str:
    """PID-3: the Patient ID with its issuer."""
    identifier = escape(patient.patient_id)
    return f"{identifier}^^^{escape(patient.issuer)}^PI" if patient.issuer else identifier


def _observations(
    read: Read, addenda: Sequence[Addendum], status: str, at: datetime
) -> Iterator[list[str]]:
    values: list[tuple[str, str, str]] = []
    if read.decision == Decision.NOT_INTERPRETABLE:
        values.append(("CE", _coded(coding.QUALITY_ASSESSMENT), _coded(coding.UNUSABLE)))
    else:
        certainty = coding.certainty(read.pneumonia)
        values.append(("CE", _coded(coding.PNEUMONIA), _coded(certainty)))
        values += [("ST", _coded(coding.FINDING_SITE), escape(zone)) for zone in zones(read)]
    for name in read.other_findings:
        code = coding.other_finding(name)
        if code is not None:
            values.append(("CE", _coded(code), _coded(coding.PRESENT)))
    impression = "18782-3^Radiology Study observation (narrative)^LN"
    texts = [*comments(read), *conclusions(read, addenda)]
    values += [("FT", impression, escape(text)) for text in texts]
    for number, (kind, concept, value) in enumerate(values, 1):
        yield [
            "OBX", str(number), kind, concept, str(number), value, "", "", "", "", "",
            status, "", "", moment(at),
        ]  # fmt: skip


def _coded(code: Code) -> str:
    return f"{escape(code.value)}^{escape(code.meaning)}^{code.scheme_designator}"


def _name_of_patient(name: str) -> str:
    """A DICOM person name's first group that is not empty; both have the family name first.

    Those who write no Latin letters may fill only the ideographic or the phonetic one.
    """
    parts = [escape(part) for part in name_components(name)[:5]]
    family, given, middle, prefix, suffix = [*parts, *[""] * (5 - len(parts))]
    return "^".join([family, given, middle, suffix, prefix]).rstrip("^")


def _interpreter(reader: User) -> str:
    return f"{escape(reader.username)}&{escape(str(reader))}"


def moment(at: datetime) -> str:
    """A time as HL7 has it, with its offset."""
    return timezone.localtime(at).strftime("%Y%m%d%H%M%S%z")


def _performed(study: Study) -> str:
    """When a study was performed; the day alone if nothing else is known."""
    day, time = day_and_time(study)
    return moment(study.performed_at) if study.performed_at and time else day


def control_id_of(message: bytes) -> str:
    """MSH-10 of a message from this portal."""
    return message.split(b"\r", 1)[0].split(b"|")[9].decode()


def acknowledgements(received: bytes, *, is_complete: bool) -> Iterator[Acknowledgement]:
    """The acknowledgements in the received data, with or without MLLP framing.

    A segment that may be incomplete is left out until the rest arrives or the connection ends.
    """
    lines = re.split(rb"[\x0b\x1c\r\n]+", received)
    for line in lines if is_complete else lines[:-1]:
        if line[:3] != b"MSA" or len(line) < 4:
            continue
        fields = line.decode(errors="replace").split(line[3:4].decode(errors="replace"))
        fields += [""] * 4
        yield Acknowledgement(fields[1].strip(), fields[2].strip())
