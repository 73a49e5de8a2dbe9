"""HL7 v2 in its vertical-bar encoding (ER7): segments, fields, times and acknowledgements.

Fields are split only when they are read, so that the cost of a message is linear in its length.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from django.utils import timezone as django_timezone

from webportal.reasons import Reason

#: The single encodings of table 0211, with Python's name of each.
CHARACTER_SETS = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc-kr",
}
#: Two quotes delete a value; an empty field leaves it as it was (2.5.3.6 of HL7 v2.5.1).
DELETED = '""'

_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_TIME = re.compile(
    r"(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,4}))?)?)?)?([+-]\d{4})?"
)


class MessageError(Exception):
    """A message cannot be accepted: its acknowledgement code, the reason, and HL7's error code."""

    def __init__(
        self, code: str, *, answer: str = "AE", condition: int = 102, **params: object
    ) -> None:
        super().__init__(code)
        self.reason = Reason(code, params)
        self.answer, self.condition = answer, condition


@dataclass(frozen=True)
class Delimiters:
    """The delimiters of a message, from MSH-1 and MSH-2."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


class Segment:
    """One segment. Fields are numbered from 1, as in the standard; a missing one is empty."""

    def __init__(self, line: str, delimiters: Delimiters) -> None:
        self.name, self._delimiters = line[:3], delimiters
        self._fields = line.split(delimiters.field)
        if self.name == "MSH":
            # The first delimiter is a field itself.
            self._fields.insert(1, delimiters.field)

    def raw(self, number: int) -> str:
        """A whole field, with its escape sequences."""
        return self._fields[number] if number < len(self._fields) else ""

    def repetitions(self, number: int, *, heads: bool = False) -> list[list[str]]:
        """The non-empty repetitions of a field, each as its components.

        With `heads`, only the first subcomponent of each component. Without, the subcomponent
        delimiter is an ordinary character, because senders forget to escape it in texts.
        """
        parts = self.raw(number).split(self._delimiters.repetition)
        return [self._components(part, heads) for part in parts if part]

    def components(self, number: int) -> list[str]:
        """The components of the first repetition."""
        return self._components(self.raw(number).split(self._delimiters.repetition)[0], False)

    def component(self, number: int, component: int = 1) -> str:
        """One component of the first repetition, with escapes resolved, otherwise as received."""
        return nth(self.components(number), component)

    def text(self, number: int) -> str:
        """A plain-text field, in which other delimiters have no meaning."""
        return self._plain(self.raw(number))

    def _components(self, text: str, heads: bool) -> list[str]:
        parts = text.split(self._delimiters.component)
        if heads:
            parts = [part.split(self._delimiters.subcomponent)[0] for part in parts]
        return [self._plain(part) for part in parts]

    def _plain(self, text: str) -> str:
        """A text with its escapes resolved (2.7); of formatting, only line breaks are kept."""
        mark = self._delimiters.escape
        if not mark or mark not in text:
            return text
        known = {
            "F": self._delimiters.field,
            "S": self._delimiters.component,
            "T": self._delimiters.subcomponent,
            "R": self._delimiters.repetition,
            "E": mark,
            ".br": "\n",
            "H": "",
            "N": "",
        }
        sequence = re.compile(f"{re.escape(mark)}([^{re.escape(mark)}\n]{{1,20}}){re.escape(mark)}")
        return sequence.sub(lambda found: known.get(found[1], found[0]), text)


def nth(components: list[str], number: int) -> str:
    """A component, numbered from 1; empty if missing."""
    return components[number - 1] if number <= len(components) else ""


@dataclass(frozen=True)
class Message:
    """A message: its header, and the segments after it."""

    header: Segment
    segments: list[Segment]


def header_of(data: bytes) -> Segment | None:
    """The header, for the acknowledgement; read without its character set. None if malformed."""
    # Latin-1 maps every byte to a character, so the acknowledgement returns the same bytes.
    line = re.split(r"[\r\n]", data.decode("latin-1"), maxsplit=1)[0]
    found = _delimiters(line)
    return Segment(line, found) if found else None


def read(data: bytes, character_set: str) -> Message:
    """Read a message; `character_set` applies where MSH-18 names none. Raises MessageError."""
    header = header_of(data)
    if header is None:
        raise MessageError("message_unreadable", condition=100, line=1)
    named = header.repetitions(18)
    asked = named[0][0] if named else character_set or "ASCII"
    if len(named) > 1 or asked not in CHARACTER_SETS:
        raise MessageError("character_set", answer="AR")
    try:
        text = data.decode(CHARACTER_SETS[asked])
    except UnicodeDecodeError:
        raise MessageError("characters") from None
    lines = re.split(r"\r\n|\r|\n", text)
    found = _delimiters(lines[0])
    assert found is not None
    segments = []
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        if not _SEGMENT.fullmatch(line[:3]) or line[3:4] not in ("", found.field):
            raise MessageError("message_unreadable", condition=100, line=number)
        segments.append(Segment(line, found))
    return Message(Segment(lines[0], found), segments)


def _delimiters(line: str) -> Delimiters | None:
    if line[:3] != "MSH" or len(line) < 9:
        return None
    field = line[3]
    marks = line[4:].split(field, 1)[0]
    if not 4 <= len(marks) <= 5 or len({field, *marks}) != len(marks) + 1 or field.isalnum():
        return None
    return Delimiters(field, *marks[:4])


def moment(text: str, zone: tzinfo) -> datetime | None:
    """A time stamp (TS, DTM); without an offset it is in `zone`. None if malformed."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        at = datetime(
            *(int(year), int(month or 1), int(day or 1)),
            *(int(hour or 0), int(minute or 0), int(second or 0)),
            int((fraction or "0").ljust(6, "0")),
            tzinfo=offset_zone(offset) or zone,
        )
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at


def offset_zone(offset: str | None) -> tzinfo | None:
    """The time zone of an offset such as +0545; None without one. Raises ValueError."""
    if not offset:
        return None
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return timezone(-ahead if offset[0] == "-" else ahead)


def zone_of(text: str) -> tzinfo:
    """The time zone of a time stamp; by default that of the hospital (TIME_ZONE)."""
    found = _TIME.fullmatch(text)
    try:
        return (offset_zone(found[8]) if found else None) or django_timezone.get_default_timezone()
    except ValueError:
        return django_timezone.get_default_timezone()


def acknowledgement(
    header: Segment | None,
    answer: str,
    reason: Reason,
    condition: int,
    *,
    control_id: str,
    sender: str,
    moment: Callable[[], str],
) -> bytes:
    """The acknowledgement (ACK) of a message, with the reason, in English, if it is not accepted.

    In enhanced mode, where MSH-15 requests an accept acknowledgement, its codes are CA, CE and CR.
    """
    field = header.raw(1) if header else "|"
    marks = header.raw(2) if header else "^~\\&"
    asked = header or Segment("MSH|^~\\&|", Delimiters("|", "^", "~", "\\", "&"))
    if asked.raw(15) in ("AL", "ER", "SU"):
        answer = "C" + answer[1]
    trigger = asked.component(9, 2)
    kind = marks[0].join(["ACK", trigger, "ACK"]) if trigger else "ACK"
    version = asked.component(12) or "2.5.1"
    words = reason.english if reason else ""
    for mark in (field, *marks):
        words = words.replace(mark, " ")
    segments = [
        [
            *(f"MSH{field}{marks}", sender, "", asked.raw(3), asked.raw(4), moment(), "", kind),
            *(control_id, asked.raw(11) or "P", version, *[""] * 5, asked.raw(18)),
        ],
        ["MSA", answer, asked.raw(10), words],
    ]
    if reason:
        coded = marks[0].join([str(condition), reason.code, "HL70357"])
        # Before version 2.5, the code is in ERR-1.
        old = version.startswith(("2.1", "2.2", "2.3", "2.4"))
        segments.append(
            ["ERR", marks[0].join(["", "", "", str(condition)])]
            if old
            else ["ERR", "", "", coded, "E", "", "", "", words]
        )
    lines = (field.join(segment).rstrip(field) + "\r" for segment in segments)
    return "".join(lines).encode("latin-1", errors="replace")
