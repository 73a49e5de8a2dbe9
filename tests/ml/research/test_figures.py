"""Performance figures, and what they include."""

from typing import Any

import numpy as np
import pytest

from ml.research.evaluation.figures import (
    Cases,
    auroc,
    average_precision,
    expected_calibration_error,
    measure,
    operating_point,
)

THRESHOLDS = {"unlikely": 0.2, "decision": 0.5, "likely": 0.8}


def figures_of(cases: Cases) -> Any:
    return measure(cases, THRESHOLDS, replicates=100)


def test_auroc_counts_pairs() -> None:
    targets = np.array([0, 0, 1, 1])
    assert auroc(targets, np.array([0.1, 0.4, 0.35, 0.8])) == pytest.approx(0.75)
    assert auroc(targets, np.array([0.1, 0.5, 0.5, 0.8])) == pytest.approx(0.875)
    assert np.isnan(auroc(np.ones(4), np.arange(4.0)))


def test_average_precision_weighs_precision_by_recall_gained() -> None:
    targets = np.array([0.0, 0, 1, 1])
    assert average_precision(targets, np.array([0.1, 0.4, 0.35, 0.8])) == pytest.approx(
        0.5 * 1 + 0.5 * 2 / 3
    )
    # Ties are one threshold: all four at once have precision one half.
    assert average_precision(targets, np.full(4, 0.3)) == pytest.approx(0.5)
    assert np.isnan(average_precision(np.ones(4), np.arange(4.0)))


def test_expected_calibration_error() -> None:
    targets, stated = np.array([0.0, 1, 1, 1]), np.array([0.22, 0.72, 0.75, 0.78])
    # Two bins: one image scored 0.22, not ill; three scored 0.75 on average, all ill.
    assert expected_calibration_error(targets, stated) == pytest.approx((0.22 + 3 * 0.25) / 4)
    assert np.isnan(expected_calibration_error(np.array([]), np.array([])))


def cases() -> Cases:
    """Return ten images of ten patients: two refused, one normal and one bacterial one wrong."""
    kinds = ["normal"] * 4 + ["bacteria"] * 4 + ["virus"] * 2
    nan = np.nan
    return Cases(
        np.array(kinds),
        np.arange(10).astype(str),
        np.array([0.1, 0.1, 0.6, nan, 0.9, 0.7, 0.4, nan, 0.9, 0.6]),
        np.array([0.9, 0.9, 0.9, nan, 0.9, 0.8, 0.4, nan, 0.3, 0.1]),
    )


def test_refused_images_are_left_out_or_counted_as_wrong() -> None:
    figures = figures_of(cases())
    assert figures["n"] == 10
    assert figures["n_pneumonia"] == 6
    assert figures["refused"] == 0.2
    assert figures["accuracy"] == 0.75  # 6 of the 8 assessed
    assert figures["accuracy_refused_as_wrong"] == 0.6
    assert figures["sensitivity"] == 0.8
    assert figures["specificity"] == pytest.approx(2 / 3, abs=1e-4)
    low, high = figures["accuracy_interval"]
    assert 0 <= low < 0.75 < high <= 1


def test_each_operating_point_and_subtype_has_its_own_figures() -> None:
    figures = figures_of(cases())
    points = figures["operating_points"]
    assert points["unlikely"]["sensitivity"] == 1.0
    assert points["likely"]["sensitivity"] == 0.4
    assert points["likely"]["specificity"] == 1.0
    assert points["likely"]["threshold"] == 0.8
    # Three normals, none called: resampling alone would say that it can never happen.
    assert points["likely"]["specificity_interval"][0] < 0.5
    assert figures["subtypes"]["bacteria"]["n"] == 3
    assert figures["subtypes"]["bacteria"]["sensitivity"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["subtypes"]["virus"]["sensitivity"] == 1.0


def test_bacterial_pattern_is_measured_only_on_assessed_pneumonia() -> None:
    told = figures_of(cases())["bacterial_against_viral"]
    assert told["n"] == 5
    assert told["auroc"] == 1.0
    assert told["accuracy"] == 0.8  # 0.4 for a bacterial one is below one half
    assert told["accuracy_of_the_commoner"] == 0.6


def test_a_model_without_patterns_and_a_set_without_a_class_have_no_such_figures() -> None:
    only_normal = Cases(np.array(["normal"] * 3), np.array(["a", "b", "c"]), np.array([0.1] * 3))
    figures = figures_of(only_normal)
    assert figures["bacterial_against_viral"] is None
    assert figures["auroc"] is None
    assert figures["sensitivity"] is None
    assert figures["sensitivity_interval"] == [None, None]
    assert figures["specificity"] == 1.0


def test_all_refused_is_no_error() -> None:
    refused = Cases(np.array(["normal", "virus"]), np.array(["a", "b"]), np.full(2, np.nan))
    figures = figures_of(refused)
    assert figures["refused"] == 1.0
    assert figures["accuracy"] is None
    assert figures["accuracy_refused_as_wrong"] == 0.0


def test_an_operating_point_comes_with_its_intervals() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(["normal", "virus"], 200)
    scores = np.where(kinds == "virus", 0.6, 0.4) + rng.normal(0, 0.1, 400)
    point = operating_point(Cases(kinds, np.arange(400).astype(str), scores), 0.5, "a try")
    assert point.sensitivity == pytest.approx((scores[200:] >= 0.5).mean())
    for share, (low, high) in (
        (point.sensitivity, point.sensitivity_interval),
        (point.specificity, point.specificity_interval),
    ):
        assert low < share < high
        assert high - low == pytest.approx(2 * 1.96 * (share * (1 - share) / 200) ** 0.5, rel=0.2)
