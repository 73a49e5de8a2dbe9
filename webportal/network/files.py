"""DICOM files made of received data sets, in the encoding in which they were received."""

from io import BytesIO
from typing import Any

from pydicom import uid
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info

from webportal.network import inbox
from webportal.network.calling import IMPLEMENTATION_NAME, IMPLEMENTATION_UID


def file_of(sop_class: str, sop_instance: str, syntax: str, encoded: bytes) -> bytes:
    """Return a data set as a DICOM file (PS3.10 7.1).

    Its File Meta Information identifies neither sender nor time, so an instance sent again is the
    same file.
    """
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = uid.UID(sop_class)
    meta.MediaStorageSOPInstanceUID = uid.UID(sop_instance)
    meta.TransferSyntaxUID = uid.UID(syntax)
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    file: Any = BytesIO()
    file.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(file, meta, enforce_standard=True)
    file.write(encoded)
    return bytes(file.getvalue())


def study_of_file(data: bytes) -> str | None:
    """Return the Study Instance UID of a file, '' if it has none, None if it is not a data set.

    Whether the image is usable is determined later.
    """
    try:
        return inbox.study_of(inbox.header_of(data))
    except Exception:  # pydicom raises arbitrary exceptions on broken data sets
        return None
