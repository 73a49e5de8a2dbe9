"""Parses search parameters: keys, attributes to return, and paging (PS3.18 8.3.4)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import TypeVar

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
_DATES = "a date or a range: YYYYMMDD-YYYYMMDD"
_TIMES = "a time or a range: HHMMSS-HHMMSS"

End = TypeVar("End", date, time)


@dataclass(frozen=True)
class Query:
    """A search: its conditions, the additional attributes to return, and the page.

    `keys` has the same conditions for results that are not in a database table; see `matches`.
    """

    conditions: Q
    keys: tuple[tuple[Attribute, str], ...]
    included: frozenset[str]
    includes_all: bool
    limit: int
    offset: int
    is_fuzzy: bool


def read(parameters: QueryDict, level: Level) -> Query:
    """Parse a search. Raises BadQuery for any unsupported parameter instead of ignoring it."""
    conditions, included, includes_all = Q(), set[str](), False
    keys: list[tuple[Attribute, str]] = []
    for name, values in parameters.lists():
        if name in ("limit", "offset", "fuzzymatching", "accept"):
            continue
        if name == "includefield":
            fields = {each for value in values for each in value.split(",") if each}
            includes_all |= "all" in fields
            included |= {_tag_of(each) for each in fields - {"all"}}
            continue
        attribute = _key(name, level)
        for value in values:
            if value:
                conditions &= _condition(attribute, attribute.paths[level], value)
                keys.append((attribute, value))
            else:
                included.add(attribute.tag)
    return Query(
        conditions,
        tuple(keys),
        frozenset(included),
        includes_all,
        min(_number(parameters, "limit", MOST_RESULTS), MOST_RESULTS),
        _number(parameters, "offset", 0),
        _is_true(parameters, "fuzzymatching"),
    )


def of_study(query: Query) -> Q:
    """The conditions on attributes of the study, for a row of the study."""
    conditions = Q()
    for attribute, text in query.keys:
        if attribute.level == Level.STUDY:
            conditions &= _condition(attribute, attribute.paths[Level.STUDY], text)
    return conditions


def matches(attribute: Attribute, value: object, text: str) -> bool:
    """Whether the value of a series or an instance matches a key that `read` has accepted."""
    if attribute.matching == Matching.UIDS:
        return value in _BETWEEN.split(text)
    if attribute.matching == Matching.NUMBER:
        return value == int(text)
    # Unlike a plain regular expression, this does not backtrack: many stars would take hours.
    return fnmatchcase(str(value), text.replace("[", "[[]"))


def keys_of(level: Level) -> list[Attribute]:
    """The keys supported at a level."""
    return [each for each in ATTRIBUTES if level in each.paths]


def _key(name: str, level: Level) -> Attribute:
    attribute = BY_TAG.get(_tag_of(name))
    if attribute is None or level not in attribute.paths:
        known = ", ".join(each.keyword for each in keys_of(level))
        raise BadQuery(f"{_shown(name)} is not a key of this search. Keys are: {known}.")
    return attribute


def _tag_of(name: str) -> str:
    """The tag of an attribute given by keyword or tag; '' for one inside a sequence."""
    if "." in name:
        for part in name.split("."):
            _tag_of(part)
        return ""
    if _TAG.fullmatch(name):
        return name.upper()
    tag = tag_for_keyword(name)
    if tag is None:
        raise BadQuery(f"{_shown(name)} is neither a DICOM keyword nor a tag.")
    return f"{tag:08X}"


def _shown(name: str) -> str:
    """A parameter's name in a form safe to repeat in a response."""
    is_known = bool(tag_for_keyword(name)) or (
        _TAG.fullmatch(name) and keyword_for_tag(int(name, 16))
    )
    return name if is_known else "A query parameter"


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
            return _between(path, *_range(attribute, text, _date, _date, _DATES))
        case Matching.DAY:
            first, last = _range(attribute, text, _date, _date, _DATES)
            end = last + timedelta(days=1) if last and last < date.max else None
            return _between(path, first and _midnight(first), end and _midnight(end), "lt")
        case Matching.TIME:
            ends = _range(attribute, text, _earliest, _latest, _TIMES)
            return _between(f"{path}__time", *ends)
    raise TypeError(attribute.keyword)


def _text(path: str, text: str) -> Q:
    if "*" not in text and "?" not in text:
        return Q(**{path: text})
    return Q(**{f"{path}__regex": f"^({_pattern(text)})$"})


def _pattern(text: str) -> str:
    """Return a regular expression for a value with wildcards."""
    return "".join({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in text)


def _range(
    attribute: Attribute,
    text: str,
    first_of: Callable[[str], End],
    last_of: Callable[[str], End],
    form: str,
) -> tuple[End | None, End | None]:
    """Return both ends of a range or of a single value; None for an end left open."""
    first, dash, last = text.partition("-")
    if not dash:
        last = first
    try:
        ends = first_of(first) if first else None, last_of(last) if last else None
    except ValueError:
        ends = None, None
    if ends == (None, None):
        raise BadQuery(f"{attribute.keyword} must be {form}.")
    return ends


def _date(text: str) -> date:
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError
    return date(*map(int, found.groups()))


def _earliest(text: str) -> time:
    return _time(text, "00", "0")


def _latest(text: str) -> time:
    """The latest time that a value includes: 10 ends at 10:59:59."""
    return _time(text, "59", "9")


def _time(text: str, default: str, digit: str) -> time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError
    hour, minute, second, fraction = found.groups()
    return time(
        int(hour),
        int(minute or default),
        min(int(second or default), 59),
        int((fraction or "").ljust(6, digit)),
    )


def _between(path: str, first: object, last: object, last_lookup: str = "lte") -> Q:
    found = Q(**{f"{path}__isnull": False})
    if first is not None:
        found &= Q(**{f"{path}__gte": first})
    if last is not None:
        found &= Q(**{f"{path}__{last_lookup}": last})
    return found


def _midnight(day: date) -> datetime:
    """The start of a day in the portal's time zone."""
    return timezone.make_aware(datetime.combine(day, time()))
