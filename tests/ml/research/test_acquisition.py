"""How an image was acquired, separated from its findings."""

from pathlib import Path

import numpy as np

from ml.research.datasets.acquisition import acquisition_traits, misleading, propensities
from ml.research.datasets.radiographs import LabelledImage


def acquired_in_two_ways(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return noise images, 60 a class; four in five of one class are darker than the others."""
    targets = np.repeat([0.0, 1.0], 60)
    is_dark = np.where(np.arange(120) % 5 == 0, targets == 0, targets == 1)
    inputs = rng.integers(60, 200, (120, 64, 64))
    inputs[is_dark] -= 50
    return inputs.astype(np.uint8), targets, [f"p{i}" for i in range(120)]


def test_acquisition_alone_predicts_the_class() -> None:
    inputs, targets, patients = acquired_in_two_ways(np.random.default_rng(0))

    estimates = propensities(acquisition_traits(inputs), targets, patients)

    is_misled = np.arange(120) % 5 == 0
    assert estimates[(targets == 1) & ~is_misled].mean() > 0.7
    assert estimates[(targets == 0) & ~is_misled].mean() < 0.3
    assert estimates[(targets == 1) & is_misled].mean() < 0.4


def test_the_misleading_fold_has_normals_acquired_like_images_with_pneumonia() -> None:
    inputs, targets, patients = acquired_in_two_ways(np.random.default_rng(1))
    kinds = np.where(targets == 1, "virus", "normal")
    labelled = [
        LabelledImage(Path(patient), str(kind), patient, "", 0)
        for patient, kind in zip(patients, kinds, strict=True)
    ]

    chosen = np.flatnonzero(misleading(inputs, labelled, seed=0, share=0.2))

    assert list(chosen[chosen < 60]) == list(range(0, 60, 5))
    assert (chosen >= 60).sum() == 12


def test_sharpness_and_borders_are_measured() -> None:
    sharp = np.random.default_rng(2).integers(0, 256, (20, 64, 64)).astype(np.uint8)
    blurred = sharp.reshape(20, 32, 2, 32, 2).mean(axis=(2, 4)).astype(np.uint8)
    blurred = blurred.repeat(2, axis=1).repeat(2, axis=2)
    bordered = sharp.copy()
    bordered[:, :, :6] = 0

    plain, without_detail, with_border = np.split(
        acquisition_traits(np.concatenate([sharp, blurred, bordered])), 3
    )

    for changed in (without_detail, with_border):
        difference = np.abs(plain.mean(axis=0) - changed.mean(axis=0))
        assert (difference > 5 * plain.std(axis=0)).any()
