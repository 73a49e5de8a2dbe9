"""Calibration and the choice of thresholds."""

import numpy as np
import pytest

from ml.assessment import categorise
from ml.calibration import (
    fit_calibration,
    sigmoid,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from ml.evaluation import auroc, expected_calibration_error, sensitivity_and_specificity
from ml.packaging import operating_points


def scores(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Return true log-odds and labels drawn from them."""
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0.5, 3, n)
    return log_odds, (rng.random(n) < sigmoid(log_odds)).astype(float)


def test_calibration_undoes_overconfidence() -> None:
    log_odds, targets = scores()
    overconfident = 3 * log_odds - 2
    fitted = fit_calibration(overconfident, targets)
    assert fitted.slope == pytest.approx(1 / 3, rel=0.1)
    np.testing.assert_allclose(fitted.log_odds(overconfident), log_odds, atol=0.6)
    before = expected_calibration_error(targets, sigmoid(overconfident))
    after = expected_calibration_error(targets, fitted.probabilities(overconfident))
    assert after < 0.02 < before


def test_calibration_stays_finite_when_the_classes_are_separable() -> None:
    fitted = fit_calibration(np.array([-4.0, -3, 3, 4]), np.array([0.0, 0, 1, 1]))
    assert 0 < fitted.slope < 5


def test_thresholds_keep_what_they_promise_and_no_more() -> None:
    log_odds, targets = scores()
    probabilities = sigmoid(log_odds)
    for_sensitivity = threshold_for_sensitivity(probabilities, targets, 0.9)
    for_specificity = threshold_for_specificity(probabilities, targets, 0.9)
    sensitivity, _ = sensitivity_and_specificity(targets, probabilities, for_sensitivity)
    _, specificity = sensitivity_and_specificity(targets, probabilities, for_specificity)
    assert 0.9 <= sensitivity < 0.902
    assert 0.9 <= specificity < 0.902


@pytest.mark.parametrize("spread", [0.3, 1, 100])
def test_operating_points_never_cross(spread: float) -> None:
    targets = np.repeat([0.0, 1.0], 500)
    noise = np.random.default_rng(0).standard_normal(1000)
    points = operating_points(sigmoid(spread * (2 * targets - 1) + noise), targets)
    order = [points[name].threshold for name in ("unlikely", "decision", "likely")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("probability", "category"),
    [
        (0.0, "unlikely"),
        (0.2, "indeterminate"),
        (0.79, "indeterminate"),
        (0.8, "likely"),
        (1.0, "likely"),
    ],
)
def test_category_by_threshold(probability: float, category: str) -> None:
    assert categorise(probability, unlikely_below=0.2, likely_from=0.8) == category


def test_auroc_counts_pairs() -> None:
    targets = np.array([0, 0, 1, 1])
    assert auroc(targets, np.array([0.1, 0.4, 0.35, 0.8])) == pytest.approx(0.75)
    assert auroc(targets, np.array([0.1, 0.5, 0.5, 0.8])) == pytest.approx(0.875)
    assert np.isnan(auroc(np.ones(4), np.arange(4.0)))
