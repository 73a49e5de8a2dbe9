"""Validation of every incoming file; knows no database."""

import re
from dataclasses import dataclass

from django.utils import timezone

from ml import images
from ml.images import ImageError, ImageFacts, translatable
from webportal.intake.checks import wrapping
from webportal.intake.checks.sandbox import run
from webportal.intake.checks.study_dates import born_by_bikram_sambat, real_birth_date
from webportal.records.identifiers import Fault, identifier_fault, name_fault, several_values

_UID = re.compile(r"[0-9.]{1,64}")
# By the code of webportal.records.identifiers. What could not be read is no fault of the file's: it
# is held, and asked about.
IDENTIFIER_FAULTS = {
    "control_characters": translatable(
        "The {attribute} holds line breaks or other control characters ({letters}), so it is not"
        " certain whose image this is. Correct it where the image was made, and export it again."
    ),
    "invisible_letters": translatable(
        "The {attribute} holds letters that nobody sees, or spaces of another kind ({letters}), so"
        " it is not certain whose image this is. Correct it where the image was made, and export"
        " it again."
    ),
    "decomposed_letters": translatable(
        "The {attribute} is written with accents apart from their letters ({letters}), so it is not"
        " certain whose image this is. Correct it where the image was made, and export it again."
    ),
    "several_values": translatable(
        "The {attribute} holds a backslash, which parts two values, so it is not certain whose"
        " image this is. Correct it where the image was made, and export it again."
    ),
    "too_long": translatable(
        "The {attribute} is longer than {longest} characters. It is not cut, because cut it could"
        " be another's. Correct it where the image was made, and export it again."
    ),
}
#: Pixels; a little over half of the side of the picture that the network looks at.
MIN_SIDE = 128
TOO_SMALL = translatable(
    "The image has fewer than {pixels} pixels a side, too few to see a lung in: it is probably a"
    " thumbnail. Send the radiograph at the size it was taken."
)


@dataclass(frozen=True)
class CheckedImage:
    """An image that decodes.

    `kind`: what the file is; `facts`: the header of its DICOM instance; `wrapped`: that instance,
    if it had to be made of a JPEG or PNG.
    """

    kind: str
    facts: ImageFacts
    wrapped: bytes | None = None


def check_apart(data: bytes, header: wrapping.Header | None, sha256: str) -> CheckedImage:
    """Do `check` in a process of its own, so that a file that harms the decoder harms only that."""
    checked = run(check, data, header, sha256)
    # Here, because the other process does not load the settings, which say what day it is.
    _check_birth_date(checked.facts)
    return checked


def check(data: bytes, header: wrapping.Header | None, sha256: str) -> CheckedImage:
    """Decode the whole image and wrap a JPEG or PNG with `header`. Raises ImageError.

    `sha256` is the hash of `data`, in hex.
    """
    facts = images.describe(data)
    images.check(facts)
    _check_size(facts)
    images.read(data)
    images.check_whole(data)
    if facts.kind == "dicom":
        _check_identifiers(facts)
        return CheckedImage(facts.kind, facts)
    if header is None:
        raise ImageError(
            "no_patient", "A JPEG or PNG does not name its patient. Say whose image it is."
        )
    wrapped = wrapping.wrap(data, header, sha256)
    return CheckedImage(facts.kind, images.describe(wrapped), wrapped)


def _check_size(facts: ImageFacts) -> None:
    if min(facts.rows, facts.columns) < MIN_SIDE:
        raise ImageError("too_small", TOO_SMALL.format(pixels=MIN_SIDE))


def _check_identifiers(facts: ImageFacts) -> None:
    uids = (facts.sop_class_uid, facts.sop_instance_uid, facts.study_instance_uid)
    if not all(_UID.fullmatch(uid) for uid in uids):
        raise ImageError(
            "incomplete_header",
            "The DICOM file lacks valid identifiers of its image or study. Export it again.",
        )
    patient_id, issuer, name = facts.patient_id, facts.issuer_of_patient_id, facts.patient_name
    _refuse(translatable("Patient ID"), several_values(patient_id) or identifier_fault(patient_id))
    _refuse(
        translatable("issuer of the Patient ID"), several_values(issuer) or identifier_fault(issuer)
    )
    _refuse(translatable("patient's name"), several_values(name) or name_fault(name))
    # A study may have several of these; they are kept and found together.
    _refuse(translatable("accession number"), identifier_fault(facts.accession_number))


def _refuse(attribute: str, fault: Fault | None) -> None:
    if fault is not None and fault.code in IDENTIFIER_FAULTS:
        message = IDENTIFIER_FAULTS[fault.code].format(attribute=attribute, **dict(fault.values))
        raise ImageError(fault.code, message)


def _check_birth_date(facts: ImageFacts) -> None:
    birth_date = real_birth_date(facts)
    # One that makes sense in Bikram Sambat is asked about.
    is_in_future = birth_date is not None and birth_date > timezone.localdate()
    if birth_date and is_in_future and born_by_bikram_sambat(birth_date) is None:
        raise ImageError(
            "birth_date_in_future",
            "The patient's date of birth is in the future. Correct it where the image was made,"
            " and export it again.",
        )
