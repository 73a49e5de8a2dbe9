"""What the benchmark of the capacity planner computes from its jobs."""

import math
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bench.capacity import Comparison, throughput
from webportal.inference.models import JobState
from webportal.operations.capacity.measured import ClosedJob
from webportal.records.choices import Priority

BEGAN = datetime(2026, 12, 1, tzinfo=UTC)
CLOSE = Comparison(1, "80%", 80.0, 3200, "to result", "p95", 0.5, 0.56, 0.7, 2.5)


def test_throughput_counts_from_the_results_of_the_first_batch() -> None:
    # Four images after 10 s, most of it queueing, then four every 2 s.
    ends = [10, 12, 14]
    jobs = [
        ClosedJob(
            worker="worker@1",
            priority=Priority.ROUTINE,
            attempt=1,
            state=JobState.DONE,
            study=uuid.uuid4(),
            queued_at=BEGAN,
            started_at=BEGAN,
            finished_at=BEGAN + timedelta(seconds=end),
        )
        for end in ends
        for _ in range(4)
    ]
    assert throughput(jobs) == pytest.approx(2.0)


def test_a_comparison_is_met_within_15_percent_of_the_time_to_the_result() -> None:
    assert CLOSE.is_met
    assert CLOSE.cells()[5:10] == ("500", "560", "+12%", "700", "+40%")
    assert not replace(CLOSE, own=0.58).is_met
    assert not replace(CLOSE, own=0.42).is_met
    assert replace(CLOSE, own=0.42, kind="wait").is_met


def test_what_could_not_be_simulated_is_shown_and_not_met() -> None:
    unknown = replace(CLOSE, own=math.nan)
    assert not unknown.is_met
    assert unknown.cells()[6:8] == ("too few batches", "")
