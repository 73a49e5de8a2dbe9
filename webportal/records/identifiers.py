"""Rules for identifiers and names: one set for files, forms, sheet and API.

An identifier is stored as received or not at all. Nothing is truncated, cleaned or guessed, because
identifiers that look or become alike would merge two patients. Independent of Django's settings and
the database, so that the file check sandbox can use it.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from ml.errors import translatable

#: Maximum length of a Patient ID, its issuer (VR LO) and an accession number. VR SH allows 16
#: characters for accession numbers; longer ones are common, and are accepted.
LONGEST = 64
#: Maximum length of a name with all its component groups; PS3.5 allows 64 for each of three.
LONGEST_NAME = 500

UNREADABLE = "\N{REPLACEMENT CHARACTER}"

CONTROL_CHARACTERS = translatable(
    "It contains line breaks or other control characters ({letters}), so it is ambiguous."
)
DECOMPOSED = translatable(
    "It contains decomposed accents ({letters}), so that it only looks like another. Enter "
    "it again."
)
INVISIBLE = translatable(
    "It contains invisible characters or non-standard spaces ({letters}), so that it only "
    "looks like another. Enter it again."
)
LOOK_ALIKE = translatable(
    "It contains characters that only look like others ({letters}), or several spaces in a row."
    " Enter it again."
)
SEVERAL_VALUES = translatable(
    "It contains a backslash, which separates two values, so it is ambiguous."
)
TOO_LONG = translatable("It is longer than {longest} characters.")
UNREADABLE_LETTERS = translatable("It contains characters that could not be read ({letters}).")

# Characters without a visible glyph.
_BLANKS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    "\u180b\u180c\u180d\u180f"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
# They change the writing direction of everything that follows.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Hyphens and the minus sign, which many fonts draw like the one of the keyboard.
_HYPHENS = frozenset("\u2010\u2011\u2012\u2043\u2212\ufe63\uff0d")
# As typed by hand, by word processors and in capitals; the last are the Turkish I.
_SAME_IN_NAMES = str.maketrans(
    dict.fromkeys(_HYPHENS, "-")
    | dict.fromkeys("\u2018\u2019\u02bc\u02b9\u00b4\u0060\u2032", "'")
    | {"\u0130": "i", "\u0131": "i"}
)
# Cyrillic and Greek letters drawn like Latin ones: by mistake where they stand beside these.
_LIKE_LATIN = frozenset("АВЕЅІЈКМНОРСТУХаеоріјсухѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο")

# Placeholders that people and programs enter for an unknown identifier.
_PLACEHOLDERS = frozenset({
    *("n/a", "n.a.", "na", "nan", "nat", "none", "null", "nil", "<na>", "<null>", "(null)"),
    *("(none)", "(blank)", "unknown", "unk", "undefined", "unidentified", "unassigned", "missing"),
    *("unknown patient", "unknown male", "unknown female", "unbekannt", "inconnu", "desconocido"),
    *("not available", "not known", "not applicable", "no id", "noid", "no_id", "no-id", "tbd"),
    *("patient", "patientid", "patient id", "patient_id", "test", "dummy", "default", "empty"),
    *("anonymous", "anonymized", "anonymised", "anon", "anonymous patient", "[object object]"),
    "emergency",
})  # fmt: skip
# The same sign over and over, however often.
_UID = re.compile(r"[0-9.]{1,64}")
_FILLED = re.compile(r"0+|9{6,}|x{2,}|[-.?*_]+")


@dataclass(frozen=True)
class Fault:
    """Why a text is rejected: `code` for programs, `template` with `values` for people."""

    code: str
    template: str
    values: tuple[tuple[str, str], ...] = ()

    @property
    def message(self) -> str:
        """The reason in English."""
        return self.template.format(**dict(self.values))


def identifier_fault(text: str) -> Fault | None:
    """Return the fault of a Patient ID, issuer or accession number; None if valid."""
    return (
        _too_long(text, LONGEST)
        or _fault(text, _is_control, "control_characters", CONTROL_CHARACTERS)
        or _fault(text, _is_unreadable, "unreadable_letters", UNREADABLE_LETTERS)
        or _fault(text, _is_invisible, "invisible_letters", INVISIBLE)
        or _decomposed(text)
        or _look_alike(text)
    )


def name_fault(text: str) -> Fault | None:
    """Return the fault of a person's name; None if valid.

    Joiners, which Nepali and Persian need, and other scripts' spaces are allowed in a name: names
    are compared without them.
    """
    return (
        _too_long(text, LONGEST_NAME)
        or _fault(text, _is_control, "control_characters", CONTROL_CHARACTERS)
        or _fault(text, _is_unreadable, "unreadable_letters", UNREADABLE_LETTERS)
        or _fault(text, _TURNING.__contains__, "invisible_letters", INVISIBLE)
    )


def several_values(text: str) -> Fault | None:
    """Return the fault of a text that contains a backslash, which separates values in DICOM."""
    return Fault("several_values", SEVERAL_VALUES) if "\\" in text else None


def is_uid(text: str) -> bool:
    """Whether a text has the characters and the length of a DICOM UID."""
    return bool(_UID.fullmatch(text))


def is_placeholder_identifier(text: str) -> bool:
    """Whether a text is a placeholder shared by patients without an identifier."""
    word = " ".join(text.split()).casefold()
    return word in _PLACEHOLDERS or _FILLED.fullmatch(word) is not None


def validate_identifier(text: str) -> None:
    """Raise ValidationError, in the page's language, for an invalid identifier."""
    _raise(identifier_fault(text))


def validate_name(text: str) -> None:
    """Raise ValidationError, in the page's language, for an invalid name."""
    _raise(name_fault(text))


def comparable(name: str) -> str:
    """Return a name, or a part of one, normalised for comparison.

    Ignores composition, case, width, the kind of space, hyphen and apostrophe, and invisible
    characters.
    """
    alike = unicodedata.normalize("NFKC", name.translate(_SAME_IN_NAMES))
    visible = "".join(letter for letter in alike if not _is_formatting(letter))
    return unicodedata.normalize("NFC", " ".join(visible.split()).casefold())


def _raise(fault: Fault | None) -> None:
    if fault is not None:
        raise ValidationError(_(fault.template).format(**dict(fault.values)), code=fault.code)


def _too_long(text: str, longest: int) -> Fault | None:
    if len(text) <= longest:
        return None
    return Fault("too_long", TOO_LONG, (("longest", str(longest)),))


def _fault(text: str, is_bad: Callable[[str], bool], code: str, template: str) -> Fault | None:
    bad = list(dict.fromkeys(letter for letter in text if is_bad(letter)))
    return Fault(code, template, (("letters", _code_points(bad)),)) if bad else None


def _decomposed(text: str) -> Fault | None:
    if unicodedata.is_normalized("NFC", text):
        return None
    composed = unicodedata.normalize("NFC", text)
    given = list(dict.fromkeys(text))
    changed = [letter for letter in given if unicodedata.category(letter) == "Mn"]
    changed = changed or [letter for letter in given if letter not in composed]
    return Fault("decomposed_letters", DECOMPOSED, (("letters", _code_points(changed)),))


def _look_alike(text: str) -> Fault | None:
    has_latin = any(letter.isascii() and letter.isalpha() for letter in text)
    alike = _HYPHENS | _LIKE_LATIN if has_latin else _HYPHENS
    bad = [letter for letter in dict.fromkeys(text) if letter in alike]
    if not bad and "  " not in text:
        return None
    return Fault("look_alike_letters", LOOK_ALIKE, (("letters", _code_points(bad or [" "])),))


def _code_points(letters: list[str]) -> str:
    """List characters as 'U+200B', at most the first few."""
    return ", ".join(f"U+{ord(letter):04X}" for letter in letters[:5])


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs")


def _is_unreadable(letter: str) -> bool:
    return letter == UNREADABLE


def _is_formatting(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" or letter in _BLANKS


def _is_invisible(letter: str) -> bool:
    is_other_space = unicodedata.category(letter) == "Zs" and letter != " "
    # Private-use and unassigned characters look like nothing, or different on every machine.
    return is_other_space or _is_formatting(letter) or unicodedata.category(letter) in ("Co", "Cn")
