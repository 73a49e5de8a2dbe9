"""Preview of a held file, which is not a radiograph yet; independent of the database."""

from io import BytesIO

import numpy as np
from PIL import Image

from ml import images

LONGEST_SIDE = 1000


def png(data: bytes) -> bytes:
    """Return an image file as an 8-bit grey PNG of at most LONGEST_SIDE pixels a side.

    Raises ImageError.
    """
    grey = images.read(data)
    pixels = grey.pixels if grey.max_value == 255 else (grey.pixels >> 8).astype(np.uint8)
    buffer = BytesIO()
    images.fit(Image.fromarray(pixels), grey.aspect, LONGEST_SIDE).save(buffer, "PNG")
    return buffer.getvalue()
