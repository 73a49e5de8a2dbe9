"""Values in the DICOM JSON model (PS3.18 F)."""

from datetime import date, datetime, time
from typing import Any

from django.utils import timezone
from pydicom.datadict import dictionary_VR, tag_for_keyword

Json = dict[str, Any]
_PERSON_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def tag_of(keyword: str) -> str:
    """The tag of an attribute as eight hexadecimal digits."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


def element(keyword: str, *values: Any) -> Json:
    """Return an element by its tag; it is empty if there are no values, or only empty ones."""
    vr = dictionary_VR(keyword)
    filled = [_value(vr, value) for value in values if value not in ("", None)]
    return {tag_of(keyword): {"vr": vr, "Value": filled} if filled else {"vr": vr}}


def sequence(keyword: str, items: list[Json]) -> Json:
    """Return a sequence; nothing if it has no items."""
    return {tag_of(keyword): {"vr": "SQ", "Value": items}} if items else {}


def _value(vr: str, value: Any) -> Any:
    if vr == "PN":
        groups = zip(_PERSON_NAME_GROUPS, str(value).split("="), strict=False)
        return {name: group for name, group in groups if group}
    if vr == "DA" and isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y%m%d")
    if vr == "DA" and isinstance(value, date):
        return f"{value:%Y%m%d}"
    if vr == "TM" and isinstance(value, datetime):
        return written_time(timezone.localtime(value).time())
    return value


def written_time(value: time) -> str:
    """A time as a value of VR TM."""
    return value.strftime("%H%M%S" if value.microsecond == 0 else "%H%M%S.%f")
