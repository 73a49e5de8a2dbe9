"""Augmentation for training."""

import numpy as np

from ml.research.datasets.augmentation import augment, transfer_grey_levels, transfer_sharpness


def test_augmented_images_differ_but_are_reproducible_by_seed() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)
    donor = np.random.default_rng(1).integers(0, 256, (224, 224), dtype=np.uint8)
    rngs = [np.random.default_rng(seed) for seed in (1, 1, 2)]
    first, again, other = (augment(image, donor, rng) for rng in rngs)
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_images_are_never_mirrored() -> None:
    image = np.zeros((224, 224), np.uint8)
    image[60:160, 140:180] = 200
    rng = np.random.default_rng(0)
    for _ in range(30):
        changed = augment(image, image, rng)[70:150, 40:190].astype(float)
        assert changed[:, 75:].mean() > changed[:, :75].mean()


def test_a_donor_transfers_greys_and_sharpness_but_not_content() -> None:
    rng = np.random.default_rng(0)
    image = np.tile(np.linspace(20, 120, 224), (224, 1)).astype(np.uint8)
    donor = rng.integers(100, 256, (224, 224)).astype(np.uint8)

    greys = transfer_grey_levels(image, donor, rng).astype(float)
    sharp = transfer_sharpness(image, donor).astype(float)

    assert greys.mean() > image.mean() + 20
    assert (np.diff(greys, axis=1) >= 0).all()
    assert np.corrcoef(sharp.ravel(), image.ravel())[0, 1] > 0.95
    smooth = np.tile(np.linspace(0, 255, 224), (224, 1)).astype(np.uint8)
    assert transfer_sharpness(donor, smooth).std() < 0.7 * donor.std()
