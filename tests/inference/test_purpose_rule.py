"""The purpose rule: withheld, outside, unconfirmed or within, with the reasons."""

import re
from datetime import date
from typing import Any

import pytest

from ml.images.codes import MAX_LENGTH
from webportal.inference.purpose.ages import by_header
from webportal.inference.purpose.reasons import in_short, sentences
from webportal.inference.purpose.rule import DESCRIPTION_LENGTH, Judgement, KnownFacts, judge
from webportal.records.choices import Purpose

CHILDREN = {"prevalence": 0.5, "youngest_years": 1, "oldest_years": 5, "views": ["AP"]}
TAKEN, RECEIVED = date(2026, 3, 1), date(2026, 3, 2)
LATERAL = {"of": "view", "value": "399067008", "scheme": "SCT", "meaning": "lateral"}
KNOWN = {
    "received": RECEIVED,
    "taken": TAKEN,
    "birth_date": date(2023, 1, 1),
    "view_position": "AP",
    "body_part": "CHEST",
}


def judged(population: dict[str, Any] = CHILDREN, assessed_as: str = "", **said: Any) -> Judgement:
    return judge(population, KnownFacts(**{**KNOWN, **said}), assessed_as)


def told(judgement: Judgement) -> str:
    return " ".join(sentences(judgement.stored))


def test_a_child_in_the_declared_view_is_within_the_purpose() -> None:
    judgement = judged()
    assert judgement.purpose == Purpose.WITHIN
    assert judgement.stored == []


@pytest.mark.parametrize(
    ("given", "months"),
    [
        ("045Y", 540),
        ("003M", 3),
        ("006W", 1),
        ("010D", 0),
        ("3Y", 36),
        ("003y", 36),
        ("045", None),
        ("", None),
        ("ABC", None),
        ("-12Y", None),
        ("999Y", None),
        ("045X", None),
    ],
)
def test_patients_age_is_read_as_written_and_never_guessed(given: str, months: int | None) -> None:
    found = by_header(given)
    assert (found and found.months) == months


@pytest.mark.parametrize(
    ("said", "purpose", "words"),
    [
        ({}, Purpose.WITHIN, ""),
        (
            {"birth_date": date(1980, 6, 1)},
            Purpose.OUTSIDE,
            "The patient was 45 years old; the model is intended for ages 1 to 5.",
        ),
        (
            {"birth_date": None, "patient_age": "045Y"},
            Purpose.OUTSIDE,
            "The patient was 45 years old; the model is intended for ages 1 to 5.",
        ),
        (
            {"birth_date": None, "patient_age": "003M"},
            Purpose.OUTSIDE,
            "The patient was 3 months old; the model is intended for ages 1 to 5 years.",
        ),
        ({"birth_date": None, "patient_age": "005Y"}, Purpose.WITHIN, ""),
        ({"birth_date": date(2020, 3, 2)}, Purpose.WITHIN, ""),
        ({"birth_date": date(2020, 3, 1)}, Purpose.OUTSIDE, "6 years old"),
        ({"birth_date": date(2025, 3, 2)}, Purpose.OUTSIDE, "11 months old"),
        ({"birth_date": None}, Purpose.UNCONFIRMED, "age is not known"),
        ({"birth_date": None, "patient_age": "45"}, Purpose.UNCONFIRMED, "“45”, which is not"),
        # Both agree, one of them rounded.
        ({"birth_date": date(2020, 9, 1), "patient_age": "006Y"}, Purpose.WITHIN, ""),
        (
            {"patient_age": "045Y"},
            Purpose.OUTSIDE,
            "3 years old by the date of birth, but 45 years by the file’s Patient Age",
        ),
        (
            {"birth_date": date(2024, 12, 1), "patient_age": "005Y"},
            Purpose.UNCONFIRMED,
            "15 months old by the date of birth, but 5 years by the file’s Patient Age",
        ),
        # What cannot be is not known, whatever number it would make.
        (
            {"birth_date": date(2026, 4, 1)},
            Purpose.UNCONFIRMED,
            "Born on 2026-04-01 and examined on 2026-03-01 cannot both be right",
        ),
        ({"taken": date(1901, 1, 1)}, Purpose.UNCONFIRMED, "cannot both be right"),
        ({"taken": date(2082, 8, 10)}, Purpose.UNCONFIRMED, "cannot both be right"),
        ({"birth_date": date(1900, 1, 1)}, Purpose.UNCONFIRMED, "cannot both be right"),
        ({"birth_date": date(1, 1, 1)}, Purpose.UNCONFIRMED, "cannot both be right"),
        (
            {"birth_date": date(2026, 4, 1), "patient_age": "045Y"},
            Purpose.OUTSIDE,
            "45 years old",
        ),
        ({"taken": None}, Purpose.UNCONFIRMED, "The study has no date"),
        ({"taken": None, "birth_date": date(1980, 1, 1)}, Purpose.OUTSIDE, "46 years"),
        # Too young on the day of the upload, and younger before.
        ({"taken": None, "birth_date": date(2025, 12, 1)}, Purpose.OUTSIDE, "3 months"),
        ({"taken": None, "patient_age": "003Y"}, Purpose.WITHIN, ""),
    ],
)
def test_ages(said: dict[str, Any], purpose: Purpose, words: str) -> None:
    judgement = judged(**said)
    assert judgement.purpose == purpose
    assert words in told(judgement)
    assert not re.search(r"(?<!\d)-\d", told(judgement)), "a negative age"


@pytest.mark.parametrize(
    ("said", "purpose", "words"),
    [
        ({"view_position": "LAT"}, Purpose.WITHHELD, "not a frontal view (LAT)"),
        ({"view_position": "", "codes": [LATERAL]}, Purpose.WITHHELD, "(lateral)"),
        ({"view_position": "LL", "codes": [LATERAL]}, Purpose.WITHHELD, "(LL)"),
        ({"view_position": "FOO", "codes": [LATERAL]}, Purpose.WITHHELD, "(lateral)"),
        ({"codes": [LATERAL]}, Purpose.OUTSIDE, "two different views (AP and lateral)"),
        (
            {"view_position": "PA"},
            Purpose.UNCONFIRMED,
            "This view is PA; the model is intended for",
        ),
        ({"view_position": ""}, Purpose.UNCONFIRMED, "does not say which view"),
        ({"view_position": "FRONTAL"}, Purpose.UNCONFIRMED, "does not say which view"),
        ({"view_position": "FOO"}, Purpose.UNCONFIRMED, "“FOO”, which is not a known term"),
        (
            {"codes": [{"of": "view", "value": "272479007", "scheme": "SCT", "meaning": "PA"}]},
            Purpose.UNCONFIRMED,
            "two different views (AP and PA)",
        ),
        ({"body_part": "HAND"}, Purpose.WITHHELD, "this shows HAND"),
        ({"body_part": "RIBS"}, Purpose.WITHHELD, "shows part of the chest (RIBS)"),
        ({"body_part": "LEFT LUNG"}, Purpose.WITHHELD, "shows part of the chest (LEFT LUNG)"),
        ({"body_part": "FOO"}, Purpose.UNCONFIRMED, "“FOO”"),
        ({"body_part": ""}, Purpose.WITHIN, ""),
        ({"body_part": "HALF CHEST"}, Purpose.WITHHELD, "shows part of the chest (HALF CHEST)"),
        ({"laterality": "L"}, Purpose.UNCONFIRMED, "only one side"),
        ({"laterality": "left"}, Purpose.UNCONFIRMED, "(Image Laterality L)"),
        ({"laterality": "RT"}, Purpose.UNCONFIRMED, "(Image Laterality R)"),
        ({"laterality": "U"}, Purpose.WITHIN, ""),
        (
            {"codes": [{"of": "procedure", "value": "1", "scheme": "", "meaning": "XR HAND"}]},
            Purpose.OUTSIDE,
            "two different body parts (CHEST and XR HAND)",
        ),
    ],
)
def test_views_and_body_parts(said: dict[str, Any], purpose: Purpose, words: str) -> None:
    judgement = judged(**said)
    assert judgement.purpose == purpose
    assert words in told(judgement)


@pytest.mark.parametrize(
    ("assessed_as", "said", "purpose", "words", "short"),
    [
        ("child", {}, Purpose.WITHIN, "", ""),
        (
            "adult",
            {},
            Purpose.UNCONFIRMED,
            "looks like an adult’s and was assessed as one, but the patient was 3 years old",
            "looks like an adult, 3 years old",
        ),
        (
            "adult",
            {"birth_date": None},
            Purpose.UNCONFIRMED,
            "was assessed as one; the model is intended for ages 1 to 5 years",
            "looks like an adult",
        ),
        ("child", {"birth_date": None}, Purpose.UNCONFIRMED, "age is not known", "age not known"),
        (
            "child",
            {"birth_date": date(1980, 6, 1)},
            Purpose.OUTSIDE,
            "looks like a child’s and was assessed as one, but the patient was 45 years old",
            "looks like a child, 45 years old",
        ),
    ],
)
def test_whose_image_it_looks_like_is_compared_with_the_age(
    assessed_as: str, said: dict[str, Any], purpose: Purpose, words: str, short: str
) -> None:
    judgement = judged(assessed_as=assessed_as, **said)
    assert judgement.purpose == purpose
    assert words in told(judgement)
    assert short in ", ".join(in_short(judgement.stored))


@pytest.mark.parametrize(
    ("assessed_as", "born"), [("adult", date(1980, 6, 1)), ("child", date(2014, 6, 1))]
)
def test_an_age_that_agrees_or_is_neither_says_enough(assessed_as: str, born: date) -> None:
    judgement = judged(assessed_as=assessed_as, birth_date=born)
    assert [reason.code for reason in judgement.reasons] == ["age_outside"]


def test_an_infant_who_looks_like_an_adult_is_doubted_too() -> None:
    judgement = judged(assessed_as="adult", birth_date=date(2025, 9, 1))
    assert judgement.purpose == Purpose.OUTSIDE
    assert [reason.code for reason in judgement.reasons] == ["age_outside", "adult_unlike_age"]


@pytest.mark.parametrize(("born", "is_doubted"), [(TAKEN.year - 45, False), (TAKEN.year - 5, True)])
def test_an_adult_is_not_doubted_where_a_package_is_for_all_ages(
    born: int, is_doubted: bool
) -> None:
    everybody = {"youngest_years": 0, "oldest_years": 100, "views": ["AP"]}
    judgement = judged(everybody, "adult", birth_date=date(born, 1, 1))
    codes = [reason.code for reason in judgement.reasons]
    assert codes == (["adult_unlike_age"] if is_doubted else [])


def test_a_withheld_result_does_not_say_whose_image_it_looks_like() -> None:
    withheld = judged(assessed_as="adult", view_position="LAT")
    assert withheld == judged(view_position="LAT")


def test_undeclared_limits_of_a_package_are_not_checked() -> None:
    assert judged({}, birth_date=None, view_position="").purpose == Purpose.WITHIN
    assert judged({}, birth_date=date(1950, 1, 1), view_position="PA").purpose == Purpose.WITHIN
    # All packages are for frontal radiographs of whole chests.
    assert judged({}, view_position="LAT").purpose == Purpose.WITHHELD
    assert judged({}, body_part="HAND").purpose == Purpose.WITHHELD


def test_a_package_for_adults_accepts_adults() -> None:
    adults = {"youngest_years": 18, "oldest_years": 100, "views": ["PA", "AP"]}
    assert judged(adults, birth_date=date(1980, 1, 1), view_position="PA").purpose == Purpose.WITHIN
    assert judged(adults).purpose == Purpose.OUTSIDE


def test_a_reason_of_a_later_release_is_named_by_its_code() -> None:
    stored = [
        ["age_outside", {"months": 240, "youngest": 1, "oldest": 5}],
        ["too_new", {"months": 3}],
    ]
    assert sentences(stored)[1] == "too_new"
    assert in_short(stored) == ["20 years old", "too_new"]


def test_the_most_serious_reason_decides_and_comes_first() -> None:
    judgement = judged(birth_date=None, view_position="LAT")
    assert judgement.purpose == Purpose.WITHHELD
    assert judgement.reasons[0].code == "not_frontal_view"
    assert in_short(judgement.stored) == ["not a frontal view", "age not known"]


def test_descriptions_are_judged_at_the_length_at_which_they_are_stored() -> None:
    assert DESCRIPTION_LENGTH == MAX_LENGTH
