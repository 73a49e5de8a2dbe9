"""Calibration and the choice of thresholds."""

import numpy as np
import pytest

from ml.research.evaluation.figures import (
    Cases,
    expected_calibration_error,
)
from ml.research.evaluation.operating_points import operating_points
from ml.serving.assessment import categorise
from ml.serving.calibration import (
    fit_calibration,
    sigmoid,
    threshold_for_sensitivity,
    threshold_for_specificity,
)


def scores(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Return true log-odds and labels drawn from them."""
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0.5, 3, n)
    return log_odds, (rng.random(n) < sigmoid(log_odds)).astype(float)


def test_calibration_undoes_overconfidence() -> None:
    log_odds, targets = scores()
    overconfident = 3 * log_odds - 2
    fitted = fit_calibration(overconfident, targets, targets.mean())
    assert fitted.slope == pytest.approx(1 / 3, rel=0.1)
    np.testing.assert_allclose(fitted.log_odds(overconfident), log_odds, atol=0.6)
    before = expected_calibration_error(targets, sigmoid(overconfident))
    after = expected_calibration_error(targets, fitted.probabilities(overconfident))
    assert after < 0.02 < before


def test_calibration_stays_finite_when_the_classes_are_separable() -> None:
    fitted = fit_calibration(np.array([-4.0, -3, 3, 4]), np.array([0.0, 0, 1, 1]), 0.5)
    assert 0 < fitted.slope < 5


def test_probabilities_assume_the_prevalence_not_the_mix_of_the_fold() -> None:
    log_odds, targets = scores()
    rare = np.flatnonzero((targets == 0) | (np.arange(len(targets)) % 10 == 0))
    whole = fit_calibration(log_odds, targets, 0.55)
    thinned = fit_calibration(log_odds[rare], targets[rare], 0.55)
    np.testing.assert_allclose(
        thinned.probabilities(log_odds), whole.probabilities(log_odds), atol=0.05
    )
    rarer = fit_calibration(log_odds, targets, 0.1)
    assert rarer.probabilities(log_odds).mean() < whole.probabilities(log_odds).mean() - 0.2


def test_no_probability_is_more_certain_than_the_images_of_the_fit_support() -> None:
    log_odds, targets = scores(998)
    fitted = fit_calibration(log_odds, targets, 0.5)
    stated = fitted.probabilities(np.array([-100.0, -10, 0, 10, 30], np.float32))
    assert stated[0] == pytest.approx(1 / 1000)
    assert stated[-1] == pytest.approx(1 - 1 / 1000)
    assert (np.diff(stated) > 0).all()  # the order is kept


def test_thresholds_meet_their_criterion_tightly() -> None:
    log_odds, targets = scores()
    probabilities = sigmoid(log_odds)
    for_sensitivity = threshold_for_sensitivity(probabilities, targets, 0.9)
    for_specificity = threshold_for_specificity(probabilities, targets, 0.9)
    sensitivity = (probabilities[targets == 1] >= for_sensitivity).mean()
    specificity = (probabilities[targets == 0] < for_specificity).mean()
    assert 0.9 <= sensitivity < 0.902
    assert 0.9 <= specificity < 0.902


@pytest.mark.parametrize("spread", [0.3, 1, 100])
def test_operating_points_never_cross(spread: float) -> None:
    targets = np.repeat([0.0, 1.0], 500)
    noise = np.random.default_rng(0).standard_normal(1000)
    cases = Cases(
        np.where(targets == 1, "virus", "normal"),
        np.arange(1000).astype(str),
        sigmoid(spread * (2 * targets - 1) + noise),
    )
    points = operating_points(cases)
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


def test_the_decision_is_the_highest_threshold_that_keeps_the_sensitivity() -> None:
    """Normals of another hospital score higher: room is left above these."""
    probabilities = np.concatenate([np.linspace(0.0, 0.1, 100), np.linspace(0.5, 1.0, 101)])
    kinds = np.repeat(["normal", "virus"], [100, 101])
    points = operating_points(Cases(kinds, np.arange(201).astype(str), probabilities))
    assert points["decision"].threshold == pytest.approx(0.515)  # 3 of 101 are below
    assert points["unlikely"].threshold == pytest.approx(0.505)
    assert points["likely"].threshold == points["decision"].threshold
