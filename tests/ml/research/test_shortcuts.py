"""Held-out images made to look acquired like those of the other class."""

import numpy as np

from ml.research.evaluation.shortcuts import measure_shortcuts


def taken_and_ill(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return 40 images: those with pneumonia have a bright middle and are marked in a corner."""
    inputs = rng.integers(0, 60, (40, 64, 64)).astype(np.uint8)
    targets = np.arange(40) % 2.0
    inputs[targets == 1, 24:40, 24:40] += 100
    inputs[targets == 1, :8, :8] = 255
    return inputs, targets


def test_a_model_that_uses_the_lungs_is_not_misled_but_one_that_uses_the_marker_is() -> None:
    inputs, targets = taken_and_ill(np.random.default_rng(0))

    lungs = measure_shortcuts(inputs, targets, lambda x: x[:, 24:40, 24:40].mean(axis=(1, 2)))
    marker = measure_shortcuts(inputs, targets, lambda x: x[:, :8, :8].mean(axis=(1, 2)))

    assert lungs["nothing"] == lungs["corners"] == {"auroc": 1.0, "specificity": 1.0}
    assert marker["nothing"]["auroc"] == 1.0
    assert marker["corners"] == {"auroc": 0.0, "specificity": 0.0}


def test_greys_and_sharpness_are_transferred_too() -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(40) % 2.0
    detail = rng.normal(0, 1, (40, 64, 64)) * np.where(targets == 1, 12, 6)[:, None, None]
    sharper = (120 + detail).astype(np.uint8)
    brighter = (100 + detail[::2].repeat(2, axis=0) + 60 * targets[:, None, None]).astype(np.uint8)

    by_grey = measure_shortcuts(brighter, targets, lambda x: x.mean(axis=(1, 2)))
    by_detail = measure_shortcuts(sharper, targets, lambda x: x.std(axis=(1, 2)))

    assert by_grey["nothing"]["auroc"] == by_detail["nothing"]["auroc"] == 1.0
    assert by_grey["greys"]["auroc"] < 0.8
    assert by_detail["sharpness"]["auroc"] < 0.8
