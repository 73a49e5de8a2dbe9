"""What spreadsheets make of entered or pasted identifiers.

Two Patient IDs of twelve digits both become 1.23457E+11, which would merge two patients. Such
values come in sheets, and in headers of files that were de-identified with one. Independent of
Django's settings.
"""

import re

# An error value, in any language, or a column that is too narrow.
_ERROR = r"\#(?!\d)\S*\s?[!?] | \#(?:[^\W\d_]|/0?|_)+(\sN/A)? | \#{2,} | Err:\d{3}"
_ROUNDED = r"""
    [+-]?\d+([.,]\d*)?E[+-]\d+      # a long number, rounded: 1.23457E+11
    | [+-]?\d+[.,]\d*E\d+            # the same as programs write it: 1.23457E11
    | \d{15}0{2,}                    # and with its last digits lost: 123456789012345000
"""
_ENGLISH = "jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec"
# German, French, Spanish and Portuguese, Italian, Dutch, Polish, Russian.
_OTHERS = """
    jän|märz?|mrz|mai|okt|dez|janv|févr|mars|avr|juin|juil|août|déc|ene|abr|ago|dic|mrt|mei
    |fev|set|out|gen|mag|giu|lug|ott|sty|lut|kwi|maj|cze|lip|sie|wrz|paź|lis|gru
    |янв|фев|мар|апр|май|июн|июл|авг|сен|окт|ноя|дек
"""
# A month first may also be a word of an identifier: OUT-12.
_FIRST = f"{_ENGLISH}|mai|okt|dez|mrz|avr|juin|juil|déc|ene|abr|dic"
_DAMAGE = rf"""{_ROUNDED} | {_ERROR}
    | \d+[.,]0+                      # a number that became a decimal: 1234.0
    | \d{{1,3}}(,\d{{3}})+(\.\d+)? | \d{{1,3}}(\.\d{{3}})+,\d+  # 1,234 or 1.234,00
    | '.*                            # the mark of a text, left in it
    | TRUE | FALSE | WAHR | FALSCH | VRAI | FAUX | VERDADERO | FALSO | VERO | VERDADEIRO
    | ИСТИНА | ЛОЖЬ
    # A date: 3-4 became 03-Apr
    | \d{{1,2}}[-.\s]{{1,2}}({_ENGLISH}|{_OTHERS})\.?([-.\s]{{1,2}}\d{{2,4}})?
    | ({_FIRST})\.?[-\s]\d{{2}}
    | \d{{4}}-\d\d-\d\d(\s[\d:]+)? | \d{{1,2}}/\d{{1,2}}/\d{{2,4}} | \d{{1,2}}:\d\d(:\d\d)?
"""
_FLAGS = re.IGNORECASE | re.VERBOSE
_IS_ERROR = re.compile(_ERROR, _FLAGS)
_IS_LOST = re.compile(f"{_ROUNDED} | {_ERROR}", _FLAGS)
_IS_DAMAGED = re.compile(_DAMAGE, _FLAGS)


def is_error(text: str) -> bool:
    """Whether a value is an error of a spreadsheet, such as #N/A."""
    return _IS_ERROR.fullmatch(text) is not None


def is_damaged(identifier: str) -> bool:
    """Whether an identifier in a sheet is what a spreadsheet made of another."""
    return _IS_DAMAGED.fullmatch(identifier) is not None


def has_lost_digits(identifier: str) -> bool:
    """Whether an identifier is a rounded number or an error, which several may have become."""
    return _IS_LOST.fullmatch(identifier) is not None
