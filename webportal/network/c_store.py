"""From a C-STORE request to a DICOM file, in the transfer syntax in which it was received."""

from io import BytesIO
from typing import Any

from pydicom import uid
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pynetdicom.events import Event

from webportal.intake.checks.wrapping import IMPLEMENTATION_UID
from webportal.network import inbox
from webportal.network.models import Node
from webportal.network.scu import IMPLEMENTATION_NAME


def arrival_of(event: Event, node: Node, address: str) -> inbox.Arrival | None:
    """Return the instance of a C-STORE request; None if its data set cannot be read.

    Whether the image is usable is determined later.
    """
    request: Any = event.request
    sop_class, sop_instance = request.AffectedSOPClassUID, request.AffectedSOPInstanceUID
    syntax = str(event.context.transfer_syntax)
    data = _file_of(str(sop_class), str(sop_instance), syntax, request.DataSet.getvalue())
    try:
        study = inbox.study_of(inbox.header_of(data))
    except Exception:  # pydicom raises arbitrary exceptions on broken data sets
        return None
    return inbox.Arrival(
        node=node,
        address=address,
        study_instance_uid=study,
        sop_instance_uid=str(sop_instance),
        sop_class_uid=str(sop_class),
        transfer_syntax_uid=syntax,
        data=data,
    )


def _file_of(sop_class: str, sop_instance: str, syntax: str, encoded: bytes) -> bytes:
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
