"""Intervals and areas against worked examples, and against counting by hand."""

from itertools import product

import numpy as np
import pytest

from webportal.oversight.statistics import Auroc, mean_difference, paired_auroc, wilson


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_of_a_share(count: int, of: int, low: float, high: float) -> None:
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    random = np.random.default_rng(1)
    scores = random.integers(0, 12, 60) / 12
    is_positive = random.random(60) < 0.4
    times = random.integers(0, 3, 60)
    right = total = 0.0
    for one, other in product(np.flatnonzero(is_positive), np.flatnonzero(~is_positive)):
        pairs = times[one] * times[other]
        total += pairs
        right += pairs * ((scores[one] > scores[other]) + (scores[one] == scores[other]) / 2)
    found = Auroc(scores, is_positive).of(times.astype(float))
    assert found == pytest.approx(right / total)


def test_a_version_compared_with_itself_does_not_differ() -> None:
    random = np.random.default_rng(2)
    scores, is_positive = random.random(80), random.random(80) < 0.5
    found = paired_auroc(scores, scores, is_positive, np.arange(80))
    assert found.first == found.second
    assert (found.difference.value, found.difference.interval) == (0.0, (0.0, 0.0))


def test_a_better_score_has_a_larger_area_and_the_difference_is_paired() -> None:
    random = np.random.default_rng(3)
    is_positive = np.arange(300) < 120
    noise = random.normal(size=300)
    worse, better = 0.5 * is_positive + noise, 1.5 * is_positive + noise
    found = paired_auroc(worse, better, is_positive, np.arange(300))
    assert found.difference.value == pytest.approx(found.second.value - found.first.value)
    low, high = found.difference.interval
    assert low > 0.05
    wide = [each.interval[1] - each.interval[0] for each in (found.first, found.second)]
    assert high - low < sum(wide)


def test_images_of_one_patient_do_not_narrow_an_interval() -> None:
    random = np.random.default_rng(4)
    apart = random.normal(size=50)
    once = mean_difference(np.zeros(50), apart, np.arange(50))
    repeated = mean_difference(np.zeros(500), np.repeat(apart, 10), np.repeat(np.arange(50), 10))
    assert repeated.value == pytest.approx(once.value)
    assert repeated.interval == pytest.approx(once.interval, abs=1e-9)
