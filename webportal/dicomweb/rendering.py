"""Renders images with the requested window, size and media type (PS3.18 8.3.5)."""

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from django.http import QueryDict
from PIL import Image

from ml import images
from ml.images import StoredImage
from webportal.dicomweb.errors import BadQuery
from webportal.review.study.rendering import draw_overlay, radiograph_picture

_LONGEST_SIDE = 8192
_QUALITY = 90
_UNSUPPORTED = ("annotation", "iccprofile")
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
_WINDOW = "window must be center,width,function with the function linear or linear-exact."
_VIEWPORT = "viewport must be width,height or width,height,x,y,width,height in pixels."


@dataclass(frozen=True)
class RequestedRendering:
    """The requested rendering; None where the file decides."""

    window: tuple[float, float] | None = None
    size: tuple[int, int] | None = None
    source: tuple[float, float, float, float] | None = None
    quality: int = _QUALITY


def read(parameters: QueryDict) -> RequestedRendering:
    """Parse the rendering parameters. Raises BadQuery."""
    for name in parameters:
        if name in _UNSUPPORTED:
            raise BadQuery(f"{name} is not supported; leave it out.")
        if name not in ("accept", "window", "viewport", "quality"):
            raise BadQuery("Unknown parameter; supported are window, viewport, quality and accept.")
    size, source = _viewport(parameters.get("viewport", ""))
    return RequestedRendering(
        _window(parameters.get("window", "")), size, source, _quality(parameters.get("quality", ""))
    )


def render(data: bytes, wanted: RequestedRendering, media_type: str) -> bytes:
    """Render a DICOM file. Raises ImageError, or BadQuery for an invalid viewport."""
    if wanted.window is None:
        picture = radiograph_picture(data, _LONGEST_SIDE)
    else:
        stored = images.read_stored(data)
        picture = _windowed(stored, *wanted.window)
        draw_overlay(picture, stored.overlay)
        picture = images.fit(picture, stored.aspect, _LONGEST_SIDE)
    if wanted.source is not None:
        picture = picture.crop(_box(picture, wanted.source))
    if wanted.size is not None:
        scale = min(wanted.size[0] / picture.width, wanted.size[1] / picture.height)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = BytesIO()
    options = {"quality": wanted.quality} if media_type == "image/jpeg" else {"compress_level": 1}
    picture.save(buffer, _FORMATS[media_type], **options)
    return buffer.getvalue()


def _windowed(stored: StoredImage, center: float, width: float) -> Image.Image:
    if not stored.has_stored_values:
        raise BadQuery(
            "The image has no values that a window applies to: it is in colour, or has a table of"
            " its own. Leave window out."
        )
    lower, upper = center - width / 2, center + width / 2
    greys = np.interp(stored.pixels, [lower, max(upper, np.nextafter(lower, np.inf))], [0, 255])
    if stored.is_inverted:
        greys = 255 - greys
    return Image.fromarray(greys.round().astype(np.uint8))


def _box(
    picture: Image.Image, source: tuple[float, float, float, float]
) -> tuple[int, int, int, int]:
    left, top, width, height = source
    box = (
        max(0, round(left)),
        max(0, round(top)),
        min(picture.width, round(left + width)),
        min(picture.height, round(top + height)),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise BadQuery("The viewport lies outside the image.")
    return box


def _window(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    center, width, function = (*text.split(","), "", "")[:3]
    numbers = _numbers([center, width], _WINDOW)
    function = function.lower()
    if text.count(",") != 2 or function not in ("linear", "linear-exact"):
        raise BadQuery(_WINDOW)
    if (numbers[1] < 1 and function == "linear") or numbers[1] <= 0:
        raise BadQuery(_WINDOW)
    # PS3.3 C.11.2.1.2.1: LINEAR spans the width minus 1, centred half a unit below the center.
    if function == "linear":
        return numbers[0] - 0.5, numbers[1] - 1
    return numbers[0], numbers[1]


def _viewport(
    text: str,
) -> tuple[tuple[int, int] | None, tuple[float, float, float, float] | None]:
    if not text:
        return None, None
    numbers = _numbers(text.split(","), _VIEWPORT)
    width, height = numbers[:2] if len(numbers) in (2, 6) else (0.0, 0.0)
    if not (1 <= width <= _LONGEST_SIDE and 1 <= height <= _LONGEST_SIDE):
        raise BadQuery(_VIEWPORT)
    size = (int(width), int(height))
    if len(numbers) == 2:
        return size, None
    return size, (numbers[2], numbers[3], numbers[4], numbers[5])


def _quality(text: str) -> int:
    if not text:
        return _QUALITY
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:4]) <= 100:
        raise BadQuery("quality must be a number from 1 to 100.")
    return int(text)


def _numbers(texts: list[str], message: str) -> list[float]:
    try:
        found = [float(text) for text in texts]
    except ValueError:
        raise BadQuery(message) from None
    if not all(math.isfinite(each) for each in found):
        raise BadQuery(message)
    return found
