"""Phantoms for the benchmark: JPEG and PNG files, and DICOM files as made from them by intake."""

import hashlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webportal.demo.phantoms import draw_phantom
from webportal.intake.checks.wrapping import Header, make_uid, wrap

SMALLEST, LARGEST = 224, 2000


def draw(number: int, rows: int) -> NDArray[np.uint8]:
    """Draw phantom `number`, `rows` high, rows × columns greys."""
    return draw_phantom(number, (rows, round(rows * 0.85)), opacity=number % 2 == 0)


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode as baseline JPEG."""
    return _encode(Image.fromarray(pixels), "JPEG", quality=90)


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode as 8-bit PNG."""
    return _encode(Image.fromarray(pixels), "PNG", compress_level=1)


def as_deep_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode as 16-bit PNG."""
    deep = pixels.astype(np.uint16) * 257
    return _encode(Image.fromarray(deep), "PNG", compress_level=1)


def stored_files(count: int) -> list[bytes]:
    """Make `count` different DICOM files, from small to large, as intake would store them.

    Half contain a JPEG as received, a quarter 8-bit and a quarter 16-bit uncompressed pixels.
    """
    encoders = (as_jpeg, as_png, as_jpeg, as_deep_png)
    files = []
    for number in range(count):
        share = number / max(count - 1, 1)
        rows = round(SMALLEST * (LARGEST / SMALLEST) ** share)
        data = encoders[number % len(encoders)](draw(number, rows))
        digest = hashlib.sha256(data).hexdigest()
        header = Header(patient_id=str(number), study_instance_uid=make_uid("bench", digest))
        files.append(wrap(data, header, digest))
    return files


def _encode(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
