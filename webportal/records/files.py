"""Reading a radiograph's stored files and verifying their checksums."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.records import file_faults
from webportal.records.choices import FaultKind
from webportal.records.models import Radiograph
from webportal.storage import DamagedFileError, StorageAwayError, read_verified

MISSING = _(
    "The file of this image is missing from the storage. Hospital IT is notified; uploading the"
    " same file again repairs it."
)
DAMAGED = _(
    "The stored file of this image is not the one that was received: its checksum differs. It is"
    " not shown. Hospital IT is notified; uploading the same file again repairs it."
)
AWAY = _("The storage of the images cannot be reached; tell hospital IT.")


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
        try:
            return read_verified(key, sha256)
        except (FileNotFoundError, DamagedFileError):
            _look_again(radiograph, key, sha256)
            return read_verified(key, sha256)
    except StorageAwayError as error:
        raise StoredFileError("storage_away", AWAY) from error


def _look_again(radiograph: Radiograph, key: str, sha256: str) -> None:
    """Report a missing or damaged file to hospital IT.

    Raises StoredFileError then, and StorageAwayError if the storage cannot be read any more.
    """
    fault = file_faults.fault_of(key, sha256)
    if fault is None:
        return
    file_faults.record(key, fault, radiograph.pk)
    if fault == FaultKind.MISSING:
        raise StoredFileError("file_missing", MISSING)
    raise StoredFileError("file_damaged", DAMAGED)
