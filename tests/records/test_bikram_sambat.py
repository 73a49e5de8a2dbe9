"""Dates in Bikram Sambat, compared with dates known in both calendars."""

from datetime import UTC, date, datetime

import pytest
from django.template import Context, Template
from django.utils import translation
from pytest_django.fixtures import Settings

from webportal.records.bikram_sambat import in_bikram_sambat, written_day


@pytest.mark.parametrize(
    ("common_era", "bikram_sambat"),
    [
        (date(2015, 4, 25), "2072-01-12"),  # the Gorkha earthquake
        (date(2015, 9, 20), "2072-06-03"),  # the Constitution of Nepal, so dated in its own text
        (date(2008, 5, 28), "2065-02-15"),  # Republic Day, 15 Jestha
        (date(1990, 11, 9), "2047-07-23"),  # the Constitution of 2047
        (date(2025, 4, 14), "2082-01-01"),  # New Year
        (date(1943, 4, 14), "2000-01-01"),
    ],
)
def test_dates_known_in_both_calendars(common_era: date, bikram_sambat: str) -> None:
    assert in_bikram_sambat(common_era) == f"वि.सं. {bikram_sambat}"


@pytest.mark.parametrize("outside", [date(1, 1, 1), date(1900, 1, 1), date(9999, 12, 31)])
def test_a_date_outside_the_tables_is_shown_in_the_common_era_only(outside: date) -> None:
    assert in_bikram_sambat(outside) == ""
    with translation.override("ne"):
        assert written_day(outside) == outside.isoformat()


def test_only_readers_of_nepali_see_both() -> None:
    with translation.override("en-gb"):
        assert written_day(date(2025, 6, 7)) == "2025-06-07"
    with translation.override("ne"):
        assert written_day(date(2025, 6, 7)) == "2025-06-07 (वि.सं. 2082-02-24)"


def test_a_time_is_in_the_portals_time_zone_in_both_calendars(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    late = datetime(2025, 6, 7, 20, 0, tzinfo=UTC)
    template = Template("{% load records %}{{ at|moment }}|{{ at|day }}|{{ none|day }}")
    with translation.override("ne"):
        shown = template.render(Context({"at": late, "none": None}))
    assert "2025-06-08 01:45" in shown
    assert "2082-02-25" in shown
    with translation.override("en-gb"):
        assert template.render(Context({"at": late})) == "2025-06-08 01:45|2025-06-08|"
