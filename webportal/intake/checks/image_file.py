"""Validation of every incoming file; independent of the database."""

from dataclasses import dataclass

from django.utils import timezone
from pydicom import uid

from ml import images
from ml.images import GreyImage, ImageFacts
from ml.serving.preprocessing import USUAL_SIZE, network_input, shortest_side
from webportal.intake.checks import wrapping
from webportal.intake.checks.messages import CheckError
from webportal.intake.checks.sandbox import run
from webportal.intake.checks.study_dates import born_by_bikram_sambat, real_birth_date
from webportal.records.identifiers import (
    Fault,
    identifier_fault,
    is_uid,
    name_fault,
    several_values,
)

#: In pixels; a little over half of the side of the network's input.
MIN_SIDE = 128
#: What Rows and Columns of a DICOM image can say.
MAX_SIDE = 2**16 - 1


@dataclass(frozen=True)
class CheckedImage:
    """An image that decodes.

    `kind`: the file type; `facts`: the header of its DICOM instance; `wrapped`: that instance, if
    it was made from a JPEG or PNG; `network_input`: what a worker would make of the instance, where
    the check has made it on the way.
    """

    kind: str
    facts: ImageFacts
    wrapped: bytes | None = None
    network_input: bytes | None = None


def check_apart(data: bytes, header: wrapping.Header | None, sha256: str) -> CheckedImage:
    """Run `check` in a sandbox process, so that a file that harms it harms nothing else."""
    checked = run(check, data, header, sha256)
    # Here, because the sandbox does not load the settings, which determine the current date.
    _check_birth_date(checked.facts)
    return checked


def describe_apart(data: bytes) -> ImageFacts:
    """Run `images.describe` in a sandbox process. Raises ImageError."""
    return run(images.describe, data)


def own_instance_apart(data: bytes, sha256: str) -> CheckedImage:
    """Return a DICOM file that was checked before as a separate image; see `wrapping`."""
    return run(_own_instance, data, sha256)


def _own_instance(data: bytes, sha256: str) -> CheckedImage:
    wrapped = wrapping.as_own_instance(data, sha256)
    return CheckedImage("dicom", images.describe(wrapped), wrapped)


def check(data: bytes, header: wrapping.Header | None, sha256: str) -> CheckedImage:
    """Decode the whole image and wrap a JPEG or PNG with `header`. Raises ImageError.

    `sha256` is the hash of `data`, in hex.
    """
    facts = images.describe(data)
    images.check(facts)
    _check_size(facts)
    seen = images.check_pixels(data, shortest_side(USUAL_SIZE))
    if facts.kind == "dicom":
        _check_identifiers(facts)
        return CheckedImage(facts.kind, facts, network_input=_input_of(seen))
    if header is None:
        raise CheckError("no_patient")
    wrapped = wrapping.wrap(data, header, sha256)
    described = images.describe(wrapped)
    of_instance = _input_of(seen) if _keeps_luma(described) else None
    return CheckedImage(facts.kind, described, wrapped, of_instance)


def _keeps_luma(wrapped: ImageFacts) -> bool:
    """Whether an instance holds a JPEG as it is, whose luma is what is read of it."""
    is_kept = wrapped.transfer_syntax_uid == uid.JPEGBaseline8Bit
    return is_kept and wrapped.photometric_interpretation != "RGB"


def _input_of(seen: GreyImage | None) -> bytes | None:
    return None if seen is None else network_input(seen, USUAL_SIZE).tobytes()


def _check_size(facts: ImageFacts) -> None:
    if min(facts.rows, facts.columns) < MIN_SIDE:
        raise CheckError("too_small", pixels=MIN_SIDE)
    if max(facts.rows, facts.columns) > MAX_SIDE:
        raise CheckError("side_too_long", pixels=MAX_SIDE)


def _check_identifiers(facts: ImageFacts) -> None:
    uids = (facts.sop_class_uid, facts.sop_instance_uid, facts.study_instance_uid)
    if not all(is_uid(uid) for uid in uids):
        raise CheckError("incomplete_header")
    patient_id, issuer, name = facts.patient_id, facts.issuer_of_patient_id, facts.patient_name
    _refuse("PatientID", several_values(patient_id) or identifier_fault(patient_id))
    _refuse("IssuerOfPatientID", several_values(issuer) or identifier_fault(issuer))
    _refuse("PatientName", several_values(name) or name_fault(name))
    # A study may have several of these; they are stored and searched together.
    _refuse("AccessionNumber", identifier_fault(facts.accession_number))


def _refuse(attribute: str, fault: Fault | None) -> None:
    # Undecodable text does not make the file invalid: it is held for a decision.
    if fault is not None and fault.code != "unreadable_letters":
        raise CheckError(fault.code, attribute=[attribute], **dict(fault.values))


def _check_birth_date(facts: ImageFacts) -> None:
    birth_date = real_birth_date(facts)
    # One that is plausible in Bikram Sambat is held for a decision.
    is_in_future = birth_date is not None and birth_date > timezone.localdate()
    if birth_date and is_in_future and born_by_bikram_sambat(birth_date) is None:
        raise CheckError("birth_date_in_future")
