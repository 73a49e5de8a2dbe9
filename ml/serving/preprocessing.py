"""Grey pixels -> network input, shared by training and serving."""

import numpy as np
from PIL import Image

from ml import images
from ml.images import GreyImage

# A JPEG is decoded smaller if its shorter side remains this many times the network's input. With
# twice, probabilities of real radiographs change by up to 0.03 (docs/model.md).
_TIMES_THE_INPUT = 3
#: The side of the network's input in every package so far.
USUAL_SIZE = 224


def shortest_side(size: int) -> int:
    """Return how many pixels an image has to keep if it is decoded smaller for that input."""
    return _TIMES_THE_INPUT * size


def read_input(data: bytes, size: int) -> np.ndarray:
    """Decode an image file into the network's input; see `network_input`. Raises ImageError."""
    return network_input(images.read_smaller(data, shortest_side(size)), size)


def network_input(image: GreyImage, size: int) -> np.ndarray:
    """Resize a radiograph to the network's square input.

    The aspect ratio is not preserved, as in the images that the network was trained on, so
    non-square pixels do not matter either. The filter is an antialiasing triangle after a box
    reduction, of Pillow's filters the closest to the one used for those images. Returns (size,
    size) uint8, 0 black to 255 white, whatever the depth of ``image``.
    """
    return np.asarray(squeeze(eight_bits(image), size))


def eight_bits(image: GreyImage) -> np.ndarray:
    """Return the pixels as uint8, scaled so that ``image.max_value`` is 255."""
    if image.max_value == 255:
        return image.pixels.astype(np.uint8, copy=False)
    levels = np.arange(image.max_value + 1) * (255 / image.max_value)
    return np.asarray(levels.round().astype(np.uint8)[image.pixels])


def squeeze(pixels: np.ndarray, size: int) -> Image.Image:
    """Resize (height, width) uint8 to (size, size); Pillow releases the GIL meanwhile."""
    return Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
