"""View, body part and procedure codes of a DICOM header, its descriptions and orientation."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from ml.images.geometry import orientation
from ml.images.types import HeaderCode

# No radiograph's header has more; a file with more is still accepted.
MAX_CODES = 20
MAX_LENGTH = 64
_PROCEDURES = (
    "ProcedureCodeSequence",
    "RequestedProcedureCodeSequence",
    "PerformedProtocolCodeSequence",
)
# Descriptions of an image or series: that of the study may name the views of all its images.
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")


def header_codes(dataset: Dataset) -> tuple[HeaderCode, ...]:
    """Return the codes of view, region and procedure, omitting unreadable ones.

    Patient Orientation (PS3.3 C.7.6.1.1.1) is among them, of the kind `orientation`: the sides that
    rows and columns run to, as in `L\\F`; and the texts that describe the image, of the kind
    `described`.
    """
    across, down = orientation(dataset)
    codes = [HeaderCode("orientation", f"{across}\\{down}", "", "")] if across else []
    texts = dict.fromkeys(_text(dataset, keyword) for keyword in _DESCRIPTIONS)
    codes += [HeaderCode("described", "", "", text) for text in texts]
    for view in _items(dataset, "ViewCodeSequence"):
        codes.append(_code("view", view))
        codes += [_code("view_modifier", m) for m in _items(view, "ViewModifierCodeSequence")]
    for region in _items(dataset, "AnatomicRegionSequence"):
        modifiers = _items(region, "AnatomicRegionModifierSequence")
        codes.append(_code("region", region, *modifiers))
    for keyword in _PROCEDURES:
        codes += [_code("procedure", procedure) for procedure in _items(dataset, keyword)]
    return tuple(code for code in codes if code.value or code.meaning)[:MAX_CODES]


def _code(of: str, item: Dataset, *modifiers: Dataset) -> HeaderCode:
    meanings = [_text(each, "CodeMeaning") for each in (item, *modifiers)]
    return HeaderCode(
        of,
        _text(item, "CodeValue") or _text(item, "LongCodeValue"),
        _text(item, "CodingSchemeDesignator"),
        ", ".join(filter(None, meanings)),
    )


def _items(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    try:
        value = dataset.get(keyword)
        items = list(value) if value else []
    except Exception:  # one unreadable element must not make the file unreadable
        return
    yield from (item for item in items[:MAX_CODES] if isinstance(item, Dataset))


def _text(item: Dataset, keyword: str) -> str:
    try:
        value = item.get(keyword)
    except Exception:  # as above
        return ""
    return "" if value is None else str(value).replace("\0", "").strip()[:MAX_LENGTH]
