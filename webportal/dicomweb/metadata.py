"""Metadata of instances as DICOM JSON (PS3.18 10.4.1.1.2)."""

import json
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian

from webportal.dicomweb import addresses
from webportal.dicomweb.elements import element, tag_of
from webportal.dicomweb.instances import Instance
from webportal.dicomweb.negotiation import AS_THEY_ARE
from webportal.dicomweb.reports import StructuredReport
from webportal.dicomweb.search import CHARACTER_SET
from webportal.records.models import Radiograph

#: Longer binary values are returned as BulkDataURI.
LONGEST_INLINE = 1024
_PIXEL_DATA = 0x7FE00010
_BINARY = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}


def metadata_of(radiograph: Radiograph, data: bytes, root: str) -> str:
    """Return the metadata of an instance as JSON text. Raises ImageError."""
    instance = Instance(radiograph, data)
    address = addresses.of_instance(root, radiograph)
    found = _elements(instance.data_set, address)
    found |= element("SpecificCharacterSet", CHARACTER_SET)
    if instance.syntax in AS_THEY_ARE:
        found |= element("AvailableTransferSyntaxUID", instance.syntax)
    vr = "OB" if instance.data_set.BitsAllocated <= 8 else "OW"
    found[tag_of("PixelData")] = {"vr": vr, "BulkDataURI": f"{address}/frames/1"}
    return _object(found)


def metadata_of_report(report: StructuredReport, root: str) -> str:
    """Return the metadata of a report, which contain its whole content, as JSON text."""
    found = _elements(report.data_set, addresses.of_report(root, report))
    found |= element("SpecificCharacterSet", CHARACTER_SET)
    found |= element("AvailableTransferSyntaxUID", ExplicitVRLittleEndian)
    return _object(found)


def _elements(header: FileDataset, address: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in list(header.keys()):
        if tag.element == 0 or tag.group <= 0x0002 or tag >= _PIXEL_DATA:
            continue
        name = f"{tag:08X}"
        if (written := _written(header, tag, f"{address}/bulkdata/{name}")) is not None:
            found[name] = written
    return found


def _written(header: FileDataset, tag: BaseTag, address: str) -> dict[str, Any] | None:
    """Return an element as JSON; None for an invalid one, so that the others are still returned."""
    try:
        each = header[tag]
        if _is_large(each):
            return {"vr": each.VR, "BulkDataURI": address}
        written: dict[str, Any] = each.to_json_dict(None, 0)
        _text(written)
    except Exception:  # pydicom raises arbitrary exceptions on broken values
        return None
    return written


def _is_large(each: DataElement) -> bool:
    is_binary = each.VR in _BINARY and isinstance(each.value, bytes)
    return is_binary and len(each.value) > LONGEST_INLINE


def _object(found: dict[str, Any]) -> str:
    return "{" + ",".join(f'"{tag}":{_text(found[tag])}' for tag in sorted(found)) + "}"


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
