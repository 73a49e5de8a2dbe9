"""Augmentation for training."""

import numpy as np

from ml.augmentation import augment


def test_augmented_images_differ_but_repeat_with_the_seed() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)
    rngs = [np.random.default_rng(seed) for seed in (1, 1, 2)]
    first, again, other = (augment(image, rng) for rng in rngs)
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_left_stays_left() -> None:
    image = np.zeros((224, 224), np.uint8)
    image[60:160, 140:180] = 200
    rng = np.random.default_rng(0)
    for _ in range(30):
        changed = augment(image, rng)[70:150, 40:190].astype(float)
        assert changed[:, 75:].mean() > changed[:, :75].mean()
