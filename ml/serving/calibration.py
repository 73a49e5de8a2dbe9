"""From the network's log-odds to calibrated probabilities and operating points."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class Calibration(NamedTuple):
    """Calibrated log-odds = slope * log-odds + offset.

    ``margin`` keeps stated probabilities between margin and 1 - margin, preserving order: the most
    extreme values that the fitted images support.
    """

    slope: float
    offset: float
    margin: float = 0.0

    def log_odds(self, logits: Floats) -> Floats:
        """Return calibrated log-odds of any shape, before the margin."""
        return self.slope * logits + self.offset

    def probabilities(self, logits: Floats) -> Floats:
        """Return calibrated probabilities of any shape, float64."""
        certain = sigmoid(self.log_odds(np.asarray(logits, np.float64)))
        return self.margin + (1 - 2 * self.margin) * certain


def sigmoid(log_odds: Floats) -> Floats:
    """Return the probability for given log-odds."""
    return 1 / (1 + np.exp(-log_odds))


def fit_calibration(logits: Floats, targets: Floats, prevalence: float) -> Calibration:
    """Fit Platt scaling by Newton's method, weighted to the given ``prevalence`` of positives.

    Platt, *Probabilistic outputs for support vector machines* (1999), with his smoothed targets,
    which keep the fit finite when the classes are separable. The classes of ``targets`` (n,) are
    weighted, because their mix in a fold is arbitrary: the resulting probabilities assume
    ``prevalence``. The margin is 1 / (n + 2), which Laplace's rule of succession assigns to an
    event never seen in n images.
    """
    positive = targets == 1
    n_positive, n_negative = positive.sum(), (~positive).sum()
    wanted = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    importance = np.where(positive, prevalence / n_positive, (1 - prevalence) / n_negative)
    design = np.stack([logits, np.ones_like(logits)], axis=1).astype(np.float64)
    weights = np.array([1.0, 0.0])
    for _ in range(100):
        probability = sigmoid(design @ weights)
        gradient = design.T @ (importance * (probability - wanted))
        curvature = importance * probability * (1 - probability)
        hessian = (design * curvature[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights -= step * min(1.0, 1.0 / np.abs(step).max())
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(float(weights[0]), float(weights[1]), 1 / (len(targets) + 2))


def threshold_for_sensitivity(probabilities: Floats, targets: Floats, wanted: float) -> float:
    """Return the highest threshold with at least this sensitivity (positive: >= threshold)."""
    positives = np.sort(probabilities[targets == 1])
    missed = int(np.floor((1 - wanted) * len(positives) + 1e-9))
    return float(positives[missed])


def threshold_for_specificity(probabilities: Floats, targets: Floats, wanted: float) -> float:
    """Return the lowest threshold with at least this specificity (positive: >= threshold)."""
    negatives = np.sort(probabilities[targets == 0])[::-1]
    wrong = int(np.floor((1 - wanted) * len(negatives) + 1e-9))
    return float(np.nextafter(negatives[wrong], 1.0))
