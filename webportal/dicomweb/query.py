"""Parses search parameters: keys, attributes to return, and paging (PS3.18 8.3.4)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from webportal.dicomweb.attributes import ATTRIBUTES, BY_TAG, Attribute, Level, Matching
from webportal.dicomweb.errors import BadQuery

MOST_RESULTS = 500
_LARGEST_OFFSET = 10_000_000
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_BETWEEN = re.compile(r"[,\\]")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,10}", re.ASCII)


@dataclass(frozen=True)
class Query:
    """A search: its conditions, the additional attributes to return, and the page."""

    conditions: Q
    included: frozenset[str]
    includes_all: bool
    limit: int
    offset: int
    is_fuzzy: bool


def read(parameters: QueryDict, level: Level) -> Query:
    """Parse a search. Raises BadQuery for any unsupported parameter instead of ignoring it."""
    conditions, included, includes_all = Q(), set[str](), False
    for name, values in parameters.lists():
        if name in ("limit", "offset", "fuzzymatching", "accept"):
            continue
        if name == "includefield":
            for each in (one for value in values for one in value.split(",") if one):
                includes_all |= each == "all"
                included |= {_tag_of(each)} - {""} if each != "all" else set()
            continue
        attribute = _key(name, level)
        for value in values:
            if value:
                conditions &= _condition(attribute, attribute.paths[level], value)
            else:
                included.add(attribute.tag)
    return Query(
        conditions,
        frozenset(included),
        includes_all,
        min(_number(parameters, "limit", MOST_RESULTS), MOST_RESULTS),
        _number(parameters, "offset", 0),
        _is_true(parameters, "fuzzymatching"),
    )


def keys_of(level: Level) -> list[Attribute]:
    """The keys supported at a level."""
    return [each for each in ATTRIBUTES if level in each.paths]


def _key(name: str, level: Level) -> Attribute:
    attribute = BY_TAG.get(_tag_of(name))
    if attribute is None or level not in attribute.paths:
        known = ", ".join(each.keyword for each in keys_of(level))
        raise BadQuery(f"{_shown(name)} is no key of this search. There are: {known}.")
    return attribute


def _tag_of(name: str) -> str:
    """The tag of an attribute given by keyword or tag; '' for one inside a sequence."""
    if "." in name:
        return "" if all(_tag_of(part) for part in name.split(".")) else _refuse(name)
    if _TAG.fullmatch(name):
        return name.upper()
    tag = tag_for_keyword(name)
    return f"{tag:08X}" if tag is not None else _refuse(name)


def _refuse(name: str) -> str:
    raise BadQuery(f"{_shown(name)} is neither a keyword nor a tag of DICOM.")


def _shown(name: str) -> str:
    """A parameter's name in a form safe to repeat in a response."""
    is_known = bool(tag_for_keyword(name)) or (
        _TAG.fullmatch(name) and keyword_for_tag(int(name, 16))
    )
    return name if is_known else "A parameter of the address"


def _number(parameters: QueryDict, name: str, default: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or int(text[:12]) > _LARGEST_OFFSET:
        raise BadQuery(f"{name} must be a number of results.")
    return int(text)


def _is_true(parameters: QueryDict, name: str) -> bool:
    text = parameters.get(name, "false")
    if text not in ("true", "false"):
        raise BadQuery(f"{name} must be true or false.")
    return text == "true"


def _condition(attribute: Attribute, path: str, text: str) -> Q:
    """Return the condition for a row; `path` is the field to compare."""
    if "\0" in text:
        raise BadQuery(f"{attribute.keyword} must not contain a NUL.")
    match attribute.matching:
        case Matching.UIDS:
            return Q(**{f"{path}__in": [uid for uid in _BETWEEN.split(text) if uid]})
        case Matching.TEXT:
            return _text(path, text)
        case Matching.NAME:
            return Q(**{f"{path}__iregex": rf"^({_pattern(text)})\^*(=.*)?$"})
        case Matching.NUMBER:
            if not _NUMBER.fullmatch(text) or abs(int(text)) >= 2**31:
                raise BadQuery(f"{attribute.keyword} must be a whole number.")
            return Q(**{path: int(text)})
        case Matching.DATE:
            first, last = _dates(attribute, text)
            return _between(path, first, last)
        case Matching.DAY:
            first, last = _dates(attribute, text)
            return _days(path, first, last)
        case Matching.TIME:
            earliest, latest = _times(attribute, text)
            return _between(f"{path}__time", earliest, latest)
    raise TypeError(attribute.keyword)


def _text(path: str, text: str) -> Q:
    if "*" not in text and "?" not in text:
        return Q(**{path: text})
    return Q(**{f"{path}__regex": f"^({_pattern(text)})$"})


def _pattern(text: str) -> str:
    """Return a regular expression for a value with wildcards."""
    return "".join({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in text)


def _dates(attribute: Attribute, text: str) -> tuple[date | None, date | None]:
    first, dash, last = text.partition("-")
    if not dash:
        last = first
    try:
        found = (_date(first) if first else None, _date(last) if last else None)
    except ValueError:
        found = (None, None)
    if found == (None, None):
        raise BadQuery(f"{attribute.keyword} must be a date or a range: YYYYMMDD-YYYYMMDD.")
    return found


def _date(text: str) -> date:
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError
    return date(*map(int, found.groups()))


def _times(attribute: Attribute, text: str) -> tuple[time | None, time | None]:
    first, dash, last = text.partition("-")
    if not dash:
        last = first
    try:
        found = (_time(first, "0") if first else None, _time(last, "9") if last else None)
    except ValueError:
        found = (None, None)
    if found == (None, None):
        raise BadQuery(f"{attribute.keyword} must be a time or a range: HHMMSS-HHMMSS.")
    return found


def _time(text: str, rest: str) -> time:
    """The earliest time that a value matches, or with `rest` 9 the latest: 10 ends at 10:59:59."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError
    hour, minute, second, fraction = found.groups()
    default = "59" if rest == "9" else "00"
    return time(
        int(hour),
        int(minute or default),
        min(int(second or default), 59),
        int((fraction or "").ljust(6, rest)),
    )


def _between(path: str, first: object, last: object) -> Q:
    found = Q(**{f"{path}__isnull": False})
    if first is not None:
        found &= Q(**{f"{path}__gte": first})
    if last is not None:
        found &= Q(**{f"{path}__lte": last})
    return found


def _days(path: str, first: date | None, last: date | None) -> Q:
    """Return the time range from the first day to the last, in the portal's time zone."""
    found = Q(**{f"{path}__isnull": False})
    if first is not None:
        found &= Q(**{f"{path}__gte": _midnight(first)})
    if last is not None and last < date.max:
        found &= Q(**{f"{path}__lt": _midnight(last + timedelta(days=1))})
    return found


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
