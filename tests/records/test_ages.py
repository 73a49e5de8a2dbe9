"""Ages are computed in one place, and impossible ones are rejected."""

from datetime import date

import pytest

from tests.factories import make_patient, make_study
from webportal.inference.purpose.reasons import format_age
from webportal.records.ages import age_in_months, contradicts, examined_on
from webportal.review.templatetags.review import age, age_then, age_today


@pytest.mark.parametrize(
    ("born", "on", "months"),
    [
        (date(2024, 1, 15), date(2024, 1, 15), 0),
        (date(2024, 1, 15), date(2026, 1, 14), 23),
        (date(2024, 1, 15), date(2026, 1, 15), 24),
        (date(2024, 2, 29), date(2025, 2, 28), 11),
        (date(1900, 6, 1), date(2030, 6, 1), 130 * 12),
    ],
)
def test_whole_months(born: date, on: date, months: int) -> None:
    assert age_in_months(born, on) == months
    assert not contradicts(born, on)


@pytest.mark.parametrize(
    ("born", "on"),
    [
        (date(2025, 1, 15), date(1901, 1, 1)),
        (date(2026, 4, 1), date(2026, 3, 1)),
        (date(1, 1, 1), date(2026, 3, 1)),
        (date(1890, 1, 1), date(2026, 3, 1)),
    ],
)
def test_impossible_ages_are_none(born: date, on: date) -> None:
    assert age_in_months(born, on) is None
    assert contradicts(born, on)
    assert age(born, on) == "age unclear: dates contradict"


@pytest.mark.parametrize(
    ("born", "on"), [(None, None), (None, date(2026, 3, 1)), (date(2024, 1, 15), None)]
)
def test_there_is_no_age_without_both_dates(born: date | None, on: date | None) -> None:
    assert age_in_months(born, on) is None
    assert not contradicts(born, on)
    assert age(born, on) == ""


def test_the_age_today_of_an_impossible_birth_date_is_not_known() -> None:
    assert age_today(date(1, 1, 1)) == ""


@pytest.mark.django_db
def test_the_upload_date_is_not_the_study_date() -> None:
    assert examined_on(make_study(performed_at=None)) is None


@pytest.mark.parametrize(
    ("on", "said"),
    [
        (date(2024, 1, 15), "0 d"),
        (date(2024, 1, 18), "3 d"),
        (date(2024, 2, 14), "30 d"),
        (date(2024, 2, 15), "1 mo"),
        (date(2026, 1, 14), "23 mo"),
        (date(2026, 1, 15), "2 y"),
        (date(2125, 1, 15), "101 y"),
    ],
)
def test_newborns_are_so_many_days_old(on: date, said: str) -> None:
    assert age(date(2024, 1, 15), on) == said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("003D", "under 1 mo"),
        ("003W", "under 1 mo"),
        ("006W", "1 mo"),
        ("000Y", "under 1 y"),
        ("001Y", "1 y"),
        ("018M", "18 mo"),
        ("102Y", "102 y"),
        ("045", ""),
    ],
)
def test_an_age_that_a_file_states_is_shown_no_more_exactly(stated: str, said: str) -> None:
    study = make_study(patient=make_patient(birth_date=None))
    assert age_then(study, stated) == said


def test_nobody_is_0_months_old() -> None:
    assert format_age(0) == "less than 1 month"
