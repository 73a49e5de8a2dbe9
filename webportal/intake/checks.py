"""The check that every file passes before it is taken in; knows no database."""

from dataclasses import dataclass

from ml import images
from ml.images import ImageError, ImageFacts
from webportal.intake import dicom
from webportal.intake.sandbox import run


@dataclass(frozen=True)
class CheckedImage:
    """An image that decodes: what its header says, and the DICOM file if it had to be made one."""

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
    if facts.kind != "dicom":
        if header is None:
            raise ImageError(
                "no_patient", "A JPEG or PNG says nothing of its patient. Say whose image it is."
            )
        return CheckedImage(facts, dicom.wrap(data, header, sha256))
    if not (facts.sop_class_uid and facts.sop_instance_uid and facts.study_instance_uid):
        raise ImageError(
            "incomplete_header",
            "The DICOM file lacks the identifiers of its image or study. Export it again.",
        )
    return CheckedImage(facts)
