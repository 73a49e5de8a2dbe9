"""The rules for identifiers and names, shared by every interface."""

import pytest

from webportal.records.identifiers import (
    comparable,
    identifier_fault,
    name_fault,
    several_values,
)


@pytest.mark.parametrize(
    "text", ["", "P-1", "A 1", "MRN/2026.17", "Ä1", "रोगी-१२", "病人7", "a" * 64, "X^1", "=5"]
)
def test_an_identifier_has_only_visible_characters(text: str) -> None:
    assert identifier_fault(text) is None


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("P\u20101", "look_alike_letters", "U+2010"),
        ("12\u22121", "look_alike_letters", "U+2212"),
        ("P-\u04101", "look_alike_letters", "U+0410"),
        ("\u039fPD1", "look_alike_letters", "U+039F"),
        ("P  1", "look_alike_letters", "U+0020"),
        ("\u212b1", "decomposed_letters", "U+212B"),
        ("P\u200b1", "invisible_letters", "U+200B"),
        ("\u200eP1", "invisible_letters", "U+200E"),
        ("P1\ufeff", "invisible_letters", "U+FEFF"),
        ("P\u00ad1", "invisible_letters", "U+00AD"),
        ("P\u200d1", "invisible_letters", "U+200D"),
        ("P\u202e1", "invisible_letters", "U+202E"),
        ("P\u00a01", "invisible_letters", "U+00A0"),
        ("P\u202f1", "invisible_letters", "U+202F"),
        ("P\u3164", "invisible_letters", "U+3164"),
        ("P\ufe0f1", "invisible_letters", "U+FE0F"),
        ("P\U000e00411", "invisible_letters", "U+E0041"),
        ("P\ue000", "invisible_letters", "U+E000"),
        ("P\x001", "control_characters", "U+0000"),
        ("P\n1", "control_characters", "U+000A"),
        ("P\x1b1", "control_characters", "U+001B"),
        ("P\x851", "control_characters", "U+0085"),
        ("P\u20281", "control_characters", "U+2028"),
        ("P\ufffd1", "unreadable_letters", "U+FFFD"),
        ("A\u03081", "decomposed_letters", "U+0308"),
        ("a" * 65, "too_long", "64"),
    ],
)
def test_uncertain_characters_are_named_by_code_point(text: str, code: str, named: str) -> None:
    fault = identifier_fault(text)
    assert fault is not None
    assert fault.code == code
    assert named in fault.message


@pytest.mark.parametrize(
    "text",
    ["Phantom^One", "Jose\u0301", "क्\u200dष", "Zhang^X=张^小东", "Anne\u00a0Marie", "a" * 500],
)
def test_a_name_may_contain_what_its_script_needs(text: str) -> None:
    assert name_fault(text) is None


@pytest.mark.parametrize("text", ["A\x00B", "A\r\nB", "A\u202eB", "M\ufffdller", "a" * 501])
def test_invalid_names(text: str) -> None:
    assert name_fault(text) is not None


def test_a_backslash_separates_two_values() -> None:
    assert several_values("A\\B") is not None
    assert several_values("A/B") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jos\u00e9", "Jose\u0301"),
        ("JOSE\u0301", "jos\u00e9"),
        ("क्\u200dष", "क्ष"),
        ("Anne\u00a0Marie", "anne  marie"),
        ("A\u200bB", "ab"),
        ("STRASSE", "straße"),
        ("O\u2019Brien", "O'BRIEN"),
        ("O\u00b4Brien", "O'Brien"),
        ("Smith\u2010Jones", "Smith-Jones"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("ＹＡＭＡＤＡ", "Yamada"),
        ("AYDIN", "Aydın"),
        ("İnan", "inan"),
    ],
)
def test_names_that_look_alike_compare_equal(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


def test_accents_distinguish_names() -> None:
    assert comparable("Müller") != comparable("Muller")
