"""Decoding DICOM text by its Specific Character Set (PS3.5 6.1.2), with its certainty.

Not done with pydicom, which leaves escape sequences of ISO 2022 IR 58 in the text, rejects
undeclared ones, and reports lost characters only by a warning.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

#: Replaces each character that could not be decoded.
UNREADABLE = "\N{REPLACEMENT CHARACTER}"

_GB_18030, _GBK = "gb18030", "gbk"
_ENCODINGS = {
    "6": "ascii",
    "13": "shift_jis",  # JIS X 0201, of which it is a superset
    "58": "gb2312",
    "87": "ascii",  # until its escape sequence
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "149": "euc_kr",
    "159": "ascii",  # until its escape sequence
    "166": "tis_620",
    "192": "utf_8",
    "203": "iso8859_15",
}
# These have no escape sequences, and their letters may contain the bytes of a delimiter.
_STAND_ALONE = {"utf_8", _GB_18030, _GBK}
# Text in these is almost never valid UTF-8 by chance.
_LATIN = {"ascii", "latin_1", "iso8859_2", "iso8859_3", "iso8859_4", "iso8859_9", "iso8859_15"}
# In the others short words may be valid UTF-8, but give letters of another alphabet.
_CHINESE = ("CJK",)
_ALPHABETS = {
    "iso8859_5": ("CYRILLIC",),
    "iso8859_6": ("ARABIC",),
    "iso8859_7": ("GREEK",),
    "iso8859_8": ("HEBREW",),
    "tis_620": ("THAI",),
    "euc_kr": ("HANGUL", "CJK"),
    "gb2312": _CHINESE,
    _GBK: _CHINESE,
    _GB_18030: _CHINESE,
    "shift_jis": ("HIRAGANA", "KATAKANA", "CJK"),
}
# Western European names have at most two accented letters in a row, no word of these only, and
# no signs; names in other alphabets and in Chinese, read as Latin-1, nearly always do.
_WESTERN = {"latin_1", "iso8859_15"}
_ACCENTED = "[^\x00-\x7f]"
_NOT_WESTERN = re.compile(
    rf"{_ACCENTED}{{3}}|(?<![^\s^=,.'\\-]){_ACCENTED}{{2}}(?![^\s^=,.'\\-])"
    "|[\xa1-\xa6\xa8\xa9\xac-\xae\xb1-\xb3\xb5\xb6\xb8\xb9\xbc-\xbf\xd7\xf7]"
)

# Escape sequences (PS3.3 C.12.1.1.2), whether or not the file declares their set: each says by
# itself what follows. Those of the upper half of the bytes (G1) ...
_UPPER = {
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "tis_620",
    b"\x1b-b": "iso8859_15",
    b"\x1b)I": "shift_jis",
    b"\x1b$)A": "gb2312",
    b"\x1b$)C": "euc_kr",
}
# ... and of the lower half (G0): ASCII and JIS X 0201, or two bytes a letter.
_LOWER_SINGLE = {b"\x1b(B", b"\x1b(J"}
_LOWER_DOUBLE = {b"\x1b$@": "iso2022_jp", b"\x1b$B": "iso2022_jp", b"\x1b$(D": "iso2022_jp_2"}
_PIECE = re.compile(rb"\x1b\$[()][A-D]|\x1b\$[@B]|\x1b[()\-][A-Zb]|\x1b|[^\x1b]+")
# After each of these the sets are again those at the beginning (PS3.5 6.1.2.5.3).
_DELIMITER = re.compile(rb"([\\^=\t\n\f\r])")
# A stray escape, and the C1 control characters, which occur in no name.
_NO_LETTERS = re.compile("[\x1b\x80-\x9f]")
_TERM = re.compile(r"ISO[ _-]?(?:2022[ _-]?)?(?:IR[ _-]?)?(\d{1,3})")


@dataclass(frozen=True)
class Letters:
    """A text, `text`, with UNREADABLE in place of each character that could not be decoded.

    `are_sure` is also False if the bytes are clearly in another character set than declared.
    """

    text: str
    are_sure: bool


def decode(raw: bytes, declared: Sequence[str]) -> Letters:
    """Return the text of an element's value; `declared`: the values of Specific Character Set."""
    first = _encoding(declared[0]) if declared else "ascii"
    if b"\x1b" in raw and first not in _STAND_ALONE:
        return _checked(_decode_escaped(raw, first))
    if first != "utf_8" and not raw.isascii() and _is_utf_8(raw, first):
        return Letters(raw.decode(), are_sure=False)
    if first == "ascii" and not any(declared):
        # Other programs use this too if nothing is declared; no character is lost.
        first = "latin_1"
    letters = _checked(raw.decode(first, "replace"))
    is_another = first in _WESTERN and _NOT_WESTERN.search(letters.text) is not None
    if is_another or (first == "utf_8" and _is_twice_utf_8(letters.text)):
        return Letters(letters.text, are_sure=False)
    return letters


def known_terms(declared: Sequence[str]) -> str:
    """Return the declared sets that the standard defines; '' if there are none.

    A file may contain anything there, even a patient's name.
    """
    return ", ".join(term for term in declared if _name(term))


def _checked(text: str) -> Letters:
    text = _NO_LETTERS.sub(UNREADABLE, text)
    return Letters(text, are_sure=UNREADABLE not in text)


def _decode_escaped(raw: bytes, first: str) -> str:
    upper, double, text = first, b"", ""
    for piece in _PIECE.findall(raw):
        if piece in _UPPER:
            upper = _UPPER[piece]
        elif piece in _LOWER_SINGLE:
            double = b""
        elif piece in _LOWER_DOUBLE:
            double = piece
        elif double:
            text += (double + piece).decode(_LOWER_DOUBLE[double], "replace")
        else:
            for part in _DELIMITER.split(piece):
                text += part.decode(upper, "replace")
                upper = first if _DELIMITER.fullmatch(part) else upper
    return text


def _is_utf_8(raw: bytes, declared: str) -> bool:
    """Whether text is UTF-8 contrary to the declared encoding."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    if declared in _LATIN:
        return True
    alphabet = _ALPHABETS[declared]
    names = [unicodedata.name(letter, "") for letter in text if not letter.isascii()]
    return all(name.startswith(alphabet) for name in names)


def _is_twice_utf_8(text: str) -> bool:
    """Whether UTF-8 was read as Windows-1252 and encoded again: `MÃ¼ller`."""
    try:
        return not text.isascii() and bool(text.encode("cp1252").decode())
    except UnicodeError:
        return False


def _encoding(term: str) -> str:
    """Return Python's name for a defined term; ASCII for one that is not known."""
    name = _name(term)
    return {"GB18030": _GB_18030, "GBK": _GBK}.get(name) or _ENCODINGS.get(name, "ascii")


def _name(term: str) -> str:
    """Return the number of a set, 'GB18030' or 'GBK', also of common misspellings."""
    term = term.strip().upper()
    if term in ("GB18030", "GBK", "ISO 2022 GBK"):
        return term.removeprefix("ISO 2022 ")
    if term in ("UTF-8", "UTF8"):
        return "192"
    if term in ("GB2312", "ISO 2022 58"):
        return "58"
    match = _TERM.fullmatch(term)
    return match[1] if match and match[1] in _ENCODINGS else ""
