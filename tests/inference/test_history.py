"""The figures of hours and days are those of the jobs, and each period is computed once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories import make_job, make_radiograph, make_study
from tests.inference.cases import queued
from webportal.inference import history
from webportal.inference.models import Job, JobState, PeriodLength, QueuePeriod
from webportal.records.choices import Priority

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def this_hour() -> datetime:
    return timezone.now().replace(minute=0, second=0, microsecond=0)


def finished(
    start: datetime,
    seconds: float = 10,
    worker: str = "a",
    priority: Priority = Priority.ROUTINE,
    **fields: Any,
) -> Job:
    """A job that was queued and started at that time, and took so long."""
    defaults: dict[str, Any] = {
        "state": JobState.DONE,
        "priority": priority,
        "queued_at": start,
        "started_at": start,
        "finished_at": start + timedelta(seconds=seconds),
        "worker": worker,
    }
    return make_job(make_radiograph(make_study(priority=priority)), **defaults | fields)


def summarise_all() -> None:
    history.summarise(60)


def figures(start: datetime, length: PeriodLength = PeriodLength.HOUR) -> dict[str, object]:
    found: dict[str, object] = QueuePeriod.objects.get(length=length, starts_at=start).figures
    return found


def test_an_hour_counts_arrivals_results_and_reasons() -> None:
    start = this_hour() - 2 * HOUR
    finished(start)
    finished(start, priority=Priority.STAT)
    finished(start, state=JobState.REFUSED, reason_code="no_contrast")
    finished(start, state=JobState.QUARANTINED, reason_code="worker_lost")
    finished(start, state=JobState.CANCELLED)
    finished(start + HOUR - timedelta(seconds=5))  # ends in the next hour
    waiting = queued(2, Priority.URGENT)
    Job.objects.filter(pk__in=[job.pk for job in waiting]).update(queued_at=start)
    summarise_all()
    hour = figures(start)
    assert hour["arrived"] == {"routine": 5, "stat": 1, "urgent": 2}
    assert hour["results"] == {"done": 2, "refused": 1, "quarantined": 1}
    assert hour["reasons"] == {"no_contrast": 1, "worker_lost": 1}
    assert figures(start + HOUR)["results"] == {"done": 1}


def test_times_from_arrival_to_result_by_priority() -> None:
    start = this_hour() - 2 * HOUR
    radiograph = make_radiograph()
    for seconds in range(1, 102):
        make_job(
            radiograph,
            JobState.DONE,
            queued_at=start,
            started_at=start,
            finished_at=start + timedelta(seconds=seconds),
        )
    finished(start, 3, priority=Priority.STAT)
    summarise_all()
    assert figures(start)["times"] == {"routine": [51, 96], "stat": [3, 3]}


def test_a_worker_is_busy_while_it_holds_any_job() -> None:
    start = this_hour() - 2 * HOUR
    finished(start + timedelta(seconds=100), 10)
    finished(start + timedelta(seconds=105), 10)  # claimed while the first was on the device
    finished(start + timedelta(seconds=200), 30)
    finished(start + timedelta(seconds=300), 1, worker="b")
    finished(start - timedelta(seconds=5), 20, worker="c")  # began in the hour before
    skewed = start + timedelta(seconds=400)
    finished(skewed, worker="d", finished_at=skewed - timedelta(seconds=2))  # clocks differ
    summarise_all()
    assert figures(start)["workers"] == {
        "a": [3, 45.0],
        "b": [1, 1.0],
        "c": [1, 15.0],
        "d": [1, 0.0],
    }


def test_a_period_that_is_over_is_computed_once_and_the_present_one_again_and_again() -> None:
    finished(this_hour() - 2 * HOUR)
    assert history.summarise(60) == 25 + 30
    # The present hour; just after an hour or a day has ended, that one too.
    assert history.summarise(60) in (1, 2, 3)
    finished(timezone.now() - timedelta(seconds=10))
    finished(this_hour() - 2 * HOUR)  # too late: that hour is kept as it was
    history.summarise(60)
    hours = history.periods(PeriodLength.HOUR)
    assert hours[-1].figures["results"] == {"done": 1}
    assert hours[-3].figures["results"] == {"done": 1}


def test_an_hour_that_was_left_unfinished_is_completed() -> None:
    start = this_hour() - 2 * HOUR
    summarise_all()
    QueuePeriod.objects.filter(starts_at=start).update(
        computed_at=start + timedelta(minutes=10), figures={"free_bytes": 7}
    )
    finished(start + timedelta(minutes=30))
    history.summarise(60)
    assert figures(start)["results"] == {"done": 1}
    assert figures(start)["free_bytes"] == 7  # as last measured within it


def test_figures_are_computed_little_by_little_the_present_first() -> None:
    assert history.summarise(0) == 1
    assert QueuePeriod.objects.get().starts_at == this_hour()


def test_periods_that_no_page_shows_are_removed() -> None:
    old = this_hour() - timedelta(days=40)
    for length in PeriodLength:
        QueuePeriod.objects.create(
            length=length, starts_at=old, ends_at=old + HOUR, computed_at=old, figures={}
        )
    history.summarise(60)
    assert not QueuePeriod.objects.filter(starts_at=old).exists()


def test_days_begin_at_midnight_in_the_time_zone_of_the_hospital(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    with timezone.override("Asia/Kathmandu"):
        summarise_all()
        starts = {each.starts_at for each in history.periods(PeriodLength.DAY)}
    assert {(start.astimezone(UTC).hour, start.astimezone(UTC).minute) for start in starts} == {
        (18, 15)
    }


def test_missing_periods_are_shown_empty() -> None:
    hours = history.periods(PeriodLength.HOUR)
    assert len(hours) == 25
    assert [hour.figures for hour in hours] == [{}] * 25
    assert hours[0].starts_at < hours[-1].starts_at
