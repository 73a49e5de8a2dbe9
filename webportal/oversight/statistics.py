"""Intervals and comparisons, in a few lines of NumPy each, with their sources."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NORMAL_975 = 1.959963984540054  # the 97.5 % point of the normal distribution
REPLICATES = 1000

Interval = tuple[float, float]
Floats = NDArray[np.float64]


def wilson(count: int, of: int) -> Interval:
    """The 95 % interval of a share, `count` out of `of` (at least 1).

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22 (1927) 209-212.
    """
    share, z = count / of, NORMAL_975
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


class Auroc:
    """The area under the ROC curve of some scores, for any weights of the cases.

    It is the share of pairs of a positive and a negative case in which the positive one scores
    higher; ties count half (D. Bamber, The area above the ordinal dominance graph and the area
    below the receiver operating characteristic graph, Journal of Mathematical Psychology 12 (1975)
    387-415).
    """

    def __init__(self, scores: Floats, is_positive: NDArray[np.bool_]) -> None:
        _, self._places = np.unique(scores, return_inverse=True)
        self._is_positive = is_positive

    def of(self, weights: Floats) -> float:
        """The area with these weights; NaN if a class has none."""
        length = int(self._places.max()) + 1
        positive = np.bincount(self._places, weights * self._is_positive, length)
        negative = np.bincount(self._places, weights * ~self._is_positive, length)
        pairs = positive.sum() * negative.sum()
        if not pairs:
            return math.nan
        below = np.cumsum(negative) - negative
        return float((positive * (below + negative / 2)).sum() / pairs)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    interval: Interval


def resamples(groups: NDArray[np.intp], replicates: int = REPLICATES) -> Iterator[Floats]:
    """How often each case occurs when whole groups (patients) are drawn with replacement.

    Cases of one patient are correlated, so that drawing cases would give intervals that are too
    narrow: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993). The seed is fixed.
    """
    count = int(groups.max()) + 1
    random = np.random.default_rng(0)
    for _ in range(replicates):
        drawn = random.integers(0, count, count)
        yield np.bincount(drawn, minlength=count)[groups].astype(np.float64)


def percentile_interval(values: list[float]) -> Interval:
    """The interval between the 2.5 % and 97.5 % points of replicates; NaN do not count."""
    known = np.array([value for value in values if not math.isnan(value)])
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


@dataclass(frozen=True)
class PairedAuroc:
    """The areas of two scores of the same cases, and of the second less the first."""

    first: Estimate
    second: Estimate
    difference: Estimate


def paired_auroc(
    first: Floats, second: Floats, is_positive: NDArray[np.bool_], patients: NDArray[np.intp]
) -> PairedAuroc:
    """Compare two scores; both are resampled together, so that their difference is paired.

    `patients` numbers the patient of each case from 0.
    """
    areas = Auroc(first, is_positive), Auroc(second, is_positive)
    drawn = [[area.of(weights) for area in areas] for weights in resamples(patients)]
    ones = np.ones(len(first))
    one, other = (area.of(ones) for area in areas)
    return PairedAuroc(
        Estimate(one, percentile_interval([each[0] for each in drawn])),
        Estimate(other, percentile_interval([each[1] for each in drawn])),
        Estimate(other - one, percentile_interval([each[1] - each[0] for each in drawn])),
    )


def mean_difference(first: Floats, second: Floats, patients: NDArray[np.intp]) -> Estimate:
    """The mean of the second less the first, with its interval by resampling patients."""
    apart = second - first
    drawn = [float(weights @ apart / weights.sum()) for weights in resamples(patients)]
    return Estimate(float(apart.mean()), percentile_interval(drawn))


def population_stability(reference: Floats, present: Floats) -> float:
    """The population stability index of scores, over the tenths of the reference.

    N. Siddiqi, Credit Risk Scorecards (2006), whose rule of thumb calls less than 0.1 little and
    more than 0.25 much. Without any change it is about 9 (1/n + 1/m): with 200 of each, 0.09 (B.
    Yurdakul and J. Naranjo, Statistical properties of the population stability index, Journal of
    Risk Model Validation 14 (2020) 89-100).
    """
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10))
    counts = [
        np.bincount(np.searchsorted(edges, scores, "right"), minlength=len(edges) + 1)
        for scores in (reference, present)
    ]
    return stability_of_counts(*counts)


def stability_of_counts(reference: NDArray[np.intp], present: NDArray[np.intp]) -> float:
    """The population stability index of counts by group; half an image is added to each group."""
    expected, found = (counts + 0.5 for counts in (reference, present))
    expected, found = expected / expected.sum(), found / found.sum()
    return float(((found - expected) * np.log(found / expected)).sum())


def kolmogorov_smirnov(reference: Floats, present: Floats) -> float:
    """The largest distance between the two distribution functions.

    N. V. Smirnov, Table for estimating the goodness of fit of empirical distributions, Annals of
    Mathematical Statistics 19 (1948) 279-281.
    """
    values = np.concatenate([reference, present])
    shares = [
        np.searchsorted(np.sort(scores), values, "right") / len(scores)
        for scores in (reference, present)
    ]
    return float(np.abs(shares[0] - shares[1]).max())


def smirnov_limit(reference: int, present: int) -> float:
    """What the distance exceeds for about 5 % of pairs of samples from one distribution."""
    return 1.358 * math.sqrt((reference + present) / (reference * present))
