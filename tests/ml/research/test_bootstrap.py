"""Intervals by resampling patients."""

import numpy as np
import pytest

from ml.research.evaluation.bootstrap import intervals, resamples, widened


def share_interval(right: np.ndarray, patients: np.ndarray, **options: int) -> tuple[float, float]:
    def figures(positions: np.ndarray) -> dict[str, float]:
        return {"share": float(right[positions].mean())}

    return intervals(figures, patients, **options)["share"]


def test_images_of_one_patient_are_resampled_together() -> None:
    patients = np.array(["a", "b", "a", "c"])
    for positions in resamples(patients, 50, seed=0):
        assert (positions == 0).sum() == (positions == 2).sum()
        assert len(np.unique(patients[positions])) <= 3


def test_more_images_of_the_same_patients_add_no_certainty() -> None:
    right = np.repeat([1.0, 0.0], [80, 20])
    names = np.arange(100).astype(str)
    once = share_interval(right, names)
    ten_times = share_interval(np.tile(right, 10), np.tile(names, 10))
    assert ten_times == pytest.approx(once, abs=0.01)
    # As the normal approximation has it: 0.8 +- 1.96 * 0.04.
    assert once == pytest.approx((0.72, 0.88), abs=0.02)


def test_the_same_seed_gives_the_same_interval() -> None:
    right = np.repeat([1.0, 0.0], [80, 20])
    names = np.arange(100).astype(str)
    assert share_interval(right, names, seed=1) == share_interval(right, names, seed=1)
    assert share_interval(right, names, seed=1, replicates=50) != share_interval(right, names)


def test_a_figure_missing_in_some_replicates_gets_an_interval_from_the_others() -> None:
    values = np.array([np.nan, 1.0, 2.0])

    def figures(positions: np.ndarray) -> dict[str, float]:
        return {"some": float(values[positions].mean()), "none": float("nan")}

    found = intervals(figures, np.array(["a", "b", "c"]))
    assert 1 <= found["some"][0] <= found["some"][1] <= 2
    assert np.isnan(found["none"]).all()


def test_no_error_among_few_patients_is_no_certainty() -> None:
    low, high = widened((1.0, 1.0), 1.0, 100)
    assert (low, high) == pytest.approx((0.964, 1.0), abs=0.001)  # Clopper and Pearson's
    assert widened((0.0, 0.0), 0.0, 100) == pytest.approx((0.0, 0.036), abs=0.001)
    assert widened((0.7, 0.9), 0.8, 100) == (0.7, 0.9)
