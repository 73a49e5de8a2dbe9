"""The check that every file passes before it is taken in; knows no database."""

import re
from dataclasses import dataclass

from ml import images
from ml.images import ImageError, ImageFacts
from webportal.intake import dicom
from webportal.intake.sandbox import run

_UID = re.compile(r"[0-9.]{1,64}")
_MAX_PATIENT_ID = 64


@dataclass(frozen=True)
class CheckedImage:
    """An image that decodes.

    `kind`: what the file is; `facts`: the header of its DICOM instance; `wrapped`: that instance,
    if it had to be made of a JPEG or PNG.
    """

    kind: str
    facts: ImageFacts
    wrapped: bytes | None = None


def check_apart(data: bytes, header: dicom.Header | None, sha256: str) -> CheckedImage:
    """Do `check` in a process of its own, so that a file that harms the decoder harms only that."""
    return run(check, data, header, sha256)


def check(data: bytes, header: dicom.Header | None, sha256: str) -> CheckedImage:
    """Decode the whole image and wrap a JPEG or PNG with `header`. Raises ImageError.

    `sha256` is the hash of `data`, in hex.
    """
    facts = images.describe(data)
    images.check(facts)
    images.read(data)
    if facts.kind == "dicom":
        _check_identifiers(facts)
        return CheckedImage(facts.kind, facts)
    if header is None:
        raise ImageError(
            "no_patient", "A JPEG or PNG says nothing of its patient. Say whose image it is."
        )
    wrapped = dicom.wrap(data, header, sha256)
    return CheckedImage(facts.kind, images.describe(wrapped), wrapped)


def _check_identifiers(facts: ImageFacts) -> None:
    uids = (facts.sop_class_uid, facts.sop_instance_uid, facts.study_instance_uid)
    if not all(_UID.fullmatch(uid) for uid in uids) or len(facts.patient_id) > _MAX_PATIENT_ID:
        raise ImageError(
            "incomplete_header",
            "The DICOM file lacks valid identifiers of its image, study or patient."
            " Export it again.",
        )
