"""Checking a heat map by occluding its hottest region."""

import numpy as np
import pytest
from PIL import Image

from ml.research.evaluation.occlusion import check_by_occlusion, cover, hottest_square

SIZE, SIDE = 224, 87  # 15 % of the area
SPOT = (slice(30, 80), slice(140, 190))


def pictures(n: int = 6) -> np.ndarray:
    """Return dim noise with a bright spot."""
    inputs = np.random.default_rng(0).integers(60, 100, (n, SIZE, SIZE), dtype=np.uint8)
    inputs[:, *SPOT] = 240
    return inputs


def spot_log_odds(inputs: np.ndarray) -> np.ndarray:
    """A model that looks at the spot alone."""
    return np.asarray(inputs[:, *SPOT].mean(axis=(1, 2)) / 10)


def heat_at(y: int, x: int) -> np.ndarray:
    """Return a 14 x 14 map that is hot at one place of the image and negative elsewhere."""
    heat = np.full((14, 14), -3.0)
    heat[y // 16, x // 16] = 5.0
    return heat


def test_a_map_that_shows_what_influenced_the_model_passes() -> None:
    inputs = pictures()
    found = check_by_occlusion(spot_log_odds, inputs, np.stack([heat_at(55, 165)] * len(inputs)))
    assert found["n"] == 6
    assert found["hottest_drops_more"] == 1.0
    assert found["median_drop_hottest"] > 5
    assert found["median_drop_hottest"] > 2 * found["median_drop_random"]
    assert found["median_difference"] == pytest.approx(
        found["median_drop_hottest"] - found["median_drop_random"], abs=2
    )


def test_a_map_that_shows_another_place_fails() -> None:
    inputs = pictures()
    found = check_by_occlusion(spot_log_odds, inputs, np.stack([heat_at(200, 20)] * len(inputs)))
    assert found["hottest_drops_more"] == 0.0
    assert found["median_drop_hottest"] == pytest.approx(0, abs=0.1)


def test_the_hottest_square_holds_the_heat_and_ignores_what_speaks_against() -> None:
    heat = heat_at(55, 165)
    heat[:4, 10:] -= 100 * (heat[:4, 10:] < 0)
    y, x = hottest_square(heat, SIZE, SIDE)
    assert y <= 48
    assert y + SIDE >= 64
    assert x <= 160
    assert x + SIDE >= 176


def test_a_cover_changes_its_square_alone_and_keeps_the_mean_grey() -> None:
    image = pictures(1)[0]
    covered = cover(image, (100, 20), SIDE)
    inside = covered[100 + 15 : 100 + SIDE - 15, 20 + 15 : 20 + SIDE - 15]
    assert np.ptp(inside) <= 1
    assert inside.mean() == pytest.approx(image[100:187, 20:107].mean(), abs=1)
    np.testing.assert_array_equal(covered[:80], image[:80])
    np.testing.assert_array_equal(covered[:, 130:], image[:, 130:])
    assert Image.fromarray(covered).size == (SIZE, SIZE)
