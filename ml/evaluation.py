"""Figures of merit of a classifier, from labels and calibrated probabilities."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ml.calibration import Floats
from ml.package import OperatingPoint


def auroc(targets: Floats, scores: Floats) -> float:
    """Area under the ROC curve, by the Mann-Whitney statistic; ties count one half.

    ``targets`` (n,) are 0 or 1, ``scores`` (n,) higher for 1. NaN when a class is missing.
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = targets == 1
    n_positive, n_negative = positive.sum(), (~positive).sum()
    if not n_positive or not n_negative:
        return float("nan")
    statistic = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(statistic / (n_positive * n_negative))


def expected_calibration_error(targets: Floats, probabilities: Floats, bins: int = 10) -> float:
    """Mean gap between probability and observed frequency, over equally wide bins.

    Naeini et al., *Obtaining Well Calibrated Probabilities Using Bayesian Binning* (AAAI 2015).
    """
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(index, probabilities - targets, bins)
    return float(np.abs(gaps).sum() / len(targets))


def sensitivity_and_specificity(
    targets: Floats, probabilities: Floats, threshold: float
) -> tuple[float, float]:
    """Return both at a threshold (positive: >= threshold); NaN where a class is missing."""
    called = probabilities >= threshold
    positive = targets == 1
    return _mean(called[positive]), _mean(~called[~positive])


def measure(
    targets: Floats, probabilities: Floats, thresholds: Mapping[str, OperatingPoint]
) -> dict[str, object]:
    """Return the figures of assessed images, for JSON.

    ``accuracy``, ``sensitivity`` and ``specificity`` are those at the operating point *decision*;
    ``operating_points`` has the latter two at each. NaN is given as None.
    """
    points = {}
    for name, point in thresholds.items():
        sensitivity, specificity = sensitivity_and_specificity(
            targets, probabilities, point.threshold
        )
        points[name] = {
            "threshold": point.threshold,
            "sensitivity": _number(sensitivity),
            "specificity": _number(specificity),
        }
    decision = thresholds["decision"].threshold
    return {
        "auroc": _number(auroc(targets, probabilities)),
        "accuracy": _number(_mean((probabilities >= decision) == (targets == 1))),
        "sensitivity": points["decision"]["sensitivity"],
        "specificity": points["decision"]["specificity"],
        "ece": _number(expected_calibration_error(targets, probabilities)),
        "operating_points": points,
    }


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
