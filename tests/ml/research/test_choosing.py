"""What decides between the upper stages for children and those for adults."""

from pathlib import Path

import numpy as np
import pytest

from ml.research.datasets.radiographs import LabelledImage
from ml.research.training.choosing import by_age, fit_chooser, measure_choice
from ml.serving.chooser import taken_for_adults

RNG = np.random.default_rng(0)
CHILD, YOUNG, ADULT = (-1, -1), (-1, 1), (1, 1)


def features(traits: tuple[int, int], n: int) -> np.ndarray:
    """Return features of which one shows the age and, more clearly, one the hospital."""
    return np.array(traits) * (1.0, 3.0) + RNG.normal(0, 0.4, (n, 2))


def test_a_few_children_of_the_adults_source_keep_it_from_telling_hospitals_apart() -> None:
    means = np.concatenate([features(CHILD, 600), features(YOUNG, 12), features(ADULT, 600)])
    is_child = np.arange(1212) < 600
    ages = np.concatenate([np.full(600, np.nan), np.full(12, 8.0), np.full(600, 40.0)])

    chooser = fit_chooser(means, is_child, ages)
    of_hospitals = fit_chooser(np.delete(means, range(600, 612), 0), is_child[12:], ages[12:])

    def called_adult(chosen_by: object, traits: tuple[int, int]) -> float:
        assert hasattr(chosen_by, "log_odds")
        layouts = features(traits, 200)[:, None, None]
        return float(taken_for_adults(chosen_by.log_odds(layouts)).mean())

    assert called_adult(chooser, YOUNG) < 0.1
    assert called_adult(of_hospitals, YOUNG) > 0.4
    assert called_adult(chooser, CHILD) < 0.05
    assert called_adult(chooser, ADULT) > 0.9


def test_an_image_without_an_age_is_not_fitted_to() -> None:
    means = np.concatenate([features(CHILD, 50), features(ADULT, 50)])
    is_child, ages = np.arange(100) < 50, np.full(100, 40.0)
    fitted = fit_chooser(means, is_child, ages)
    strange = np.concatenate([means, np.full((20, 2), 9.0)])
    again = fit_chooser(strange, np.arange(120) < 50, np.append(ages, np.full(20, np.nan)))
    np.testing.assert_allclose(again.weights, fitted.weights)
    assert again.bias == pytest.approx(fitted.bias)


def test_choice_is_measured_by_age_with_intervals_over_patients() -> None:
    ages = ("3", "8", "8", "", "70")
    images = [
        LabelledImage(Path(str(i)), "", f"p{i % 4}", "", i, {"age": age})
        for i, age in enumerate(ages)
    ]
    figures = by_age(np.array([False, True, False, True, True]), images)
    assert {name: (each["n"], each["as_adults"]) for name, each in figures.items()} == {
        "0 to 5 years": (1, 0.0),
        "6 to 11 years": (2, 0.5),
        "65 years and over": (1, 1.0),
    }
    many = measure_choice(np.arange(100) < 90, np.arange(100).astype(str))
    low, high = many["as_adults_interval"]
    assert low < 0.9 < high
    # Images of few patients say less.
    few_low, few_high = measure_choice(np.arange(100) < 90, (np.arange(100) // 10).astype(str))[
        "as_adults_interval"
    ]
    assert few_high - few_low > high - low
