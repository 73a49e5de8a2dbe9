"""Grey pixels to network input."""

import numpy as np
import pytest

from ml.images import GreyImage
from ml.serving.preprocessing import network_input


def radiograph(height: int, width: int) -> np.ndarray:
    """Return a smooth grey picture, brighter downwards and to the right."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    values: np.ndarray = (40 + 120 * y + 60 * x).round().astype(np.uint8)
    return values


def test_eight_and_sixteen_bits_give_the_same_input() -> None:
    pixels = radiograph(1000, 1400)
    eight = network_input(GreyImage(pixels, 255), 224)
    sixteen = network_input(GreyImage(pixels.astype(np.uint16) * 257, 65535), 224)
    assert eight.dtype == np.uint8
    assert eight.shape == (224, 224)
    np.testing.assert_array_equal(eight, sixteen)


@pytest.mark.parametrize("shape", [(300, 224), (1000, 1400), (2100, 1700)])
def test_size_does_not_matter(shape: tuple[int, int]) -> None:
    squeezed = network_input(GreyImage(radiograph(*shape), 255), 224)
    np.testing.assert_allclose(squeezed.astype(int), radiograph(224, 224), atol=2)


def test_fine_detail_is_averaged_and_not_sampled() -> None:
    stripes = np.zeros((1792, 1792), np.uint8)
    stripes[:, ::2] = 200
    squeezed = network_input(GreyImage(stripes, 255), 224)
    np.testing.assert_allclose(squeezed.astype(int), 100, atol=2)
