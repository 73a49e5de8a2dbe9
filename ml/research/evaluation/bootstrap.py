"""Confidence intervals by resampling patients.

Efron and Tibshirani, *An Introduction to the Bootstrap* (1993): percentile intervals. Patients are
resampled, not images, because images of one patient are correlated; resampling images would give
intervals that are too narrow.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

REPLICATES = 1000
CONFIDENCE = 0.95

Interval = tuple[float, float]
# Figures of the images at these positions; an image may occur several times.
Figures = Callable[[NDArray[np.intp]], Mapping[str, float]]


def intervals(
    figures: Figures, patients: NDArray[np.str_], *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Interval]:
    """Return the 95 % interval of each figure that ``figures`` returns.

    ``patients`` (n,) names the patient of each image. Replicates in which a figure is NaN, because
    a class is missing, do not count for it; a figure that is NaN in all has the interval NaN, NaN.
    """
    drawn = [figures(positions) for positions in resamples(patients, replicates, seed)]
    tail = (1 - CONFIDENCE) / 2
    bounds = {}
    for name in figures(np.arange(len(patients))):
        values = np.array([replicate[name] for replicate in drawn])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, (tail, 1 - tail)) if len(values) else (np.nan, np.nan)
        bounds[name] = (float(low), float(high))
    return bounds


def resamples(patients: NDArray[np.str_], replicates: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Draw as many patients as there are, with replacement; yield their images' positions."""
    found, patient_of = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        drawn = rng.integers(0, len(found), len(found))
        times = np.bincount(drawn, minlength=len(found))
        yield np.repeat(np.arange(len(patients)), times[patient_of])


def widened(interval: Interval, share: float, n_patients: int) -> Interval:
    """Open the interval of a share of 0 or 1, for which resampling finds no spread at all.

    The far end is the exact one for independent patients (Clopper and Pearson, 1934): with no error
    among n patients, the share of errors may still be as high as 1 - 0.025 ** (1 / n).
    """
    if not n_patients or share not in (0.0, 1.0):
        return interval
    unseen = 1 - ((1 - CONFIDENCE) / 2) ** (1 / n_patients)
    return (0.0, unseen) if share == 0.0 else (1 - unseen, 1.0)
