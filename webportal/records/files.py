"""Reading a radiograph's stored files and verifying their checksums."""

import logging

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.records.models import Radiograph
from webportal.storage import DamagedFileError, read_verified

logger = logging.getLogger(__name__)

MISSING = _("The file of this image is missing from the storage; tell hospital IT.")
DAMAGED = _(
    "The stored file of this image is not the one that was received: its checksum differs. Do not"
    " read from it; tell hospital IT."
)


class StoredFileError(Exception):
    """A stored file is missing or damaged; `message` tells a person what to do."""

    def __init__(self, code: str, message: Promise) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def read_dicom(radiograph: Radiograph) -> bytes:
    """Return the DICOM instance of a radiograph; raises StoredFileError."""
    return _read(radiograph, radiograph.dicom_key, radiograph.dicom_sha256)


def read_original(radiograph: Radiograph) -> bytes:
    """Return the file as it was uploaded; raises StoredFileError."""
    return _read(radiograph, radiograph.original_key, radiograph.original_sha256)


def _read(radiograph: Radiograph, key: str, sha256: str) -> bytes:
    try:
        return read_verified(key, sha256)
    except FileNotFoundError as error:
        logger.error("A file of radiograph %s is missing from the storage", radiograph.pk)
        raise StoredFileError("file_missing", MISSING) from error
    except DamagedFileError as error:
        logger.error("A file of radiograph %s is not the one recorded", radiograph.pk)
        raise StoredFileError("file_damaged", DAMAGED) from error
