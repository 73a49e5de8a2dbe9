"""Image files: format detection, header metadata, and greyscale pixels.

Supports DICOM radiographs, JPEG and PNG. Works on bytes, stateless and thread-safe.
"""

from typing import IO, Literal

from ml.errors import ImageError
from ml.images import dicom, png, raster, whole
from ml.images.geometry import PixelShape
from ml.images.parsing import begins_like_dicom
from ml.images.raster import fit
from ml.images.types import (
    MAX_PIXELS,
    GreyImage,
    HeaderCode,
    ImageFacts,
    ImageKind,
    Kind,
    Overlay,
    Shutter,
    StoredImage,
)

__all__ = [
    "MAX_PIXELS",
    "GreyImage",
    "HeaderCode",
    "ImageError",
    "ImageFacts",
    "Overlay",
    "PixelShape",
    "Shutter",
    "StoredImage",
    "check",
    "check_decodes",
    "check_pixels",
    "check_whole",
    "complete_jpeg",
    "describe",
    "fit",
    "orientation",
    "pixel_shape",
    "read",
    "read_overlay",
    "read_smaller",
    "read_stored",
    "sniff",
    "sniff_file",
]

_SNIFFED_BYTES = 132
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def sniff(data: bytes) -> Kind | None:
    """Return the file type from its first 132 bytes, or None if unsupported."""
    if begins_like_dicom(data):
        return "dicom"
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:4] in _ZIP_SIGNATURES:
        return "zip"
    return None


def sniff_file(file: IO[bytes]) -> Kind | None:
    """Return `sniff` of an open file, and leave it at its beginning."""
    file.seek(0)
    kind = sniff(file.read(_SNIFFED_BYTES))
    file.seek(0)
    return kind


def describe(data: bytes) -> ImageFacts:
    """Return the header metadata of an image file without decoding pixels. Raises ImageError."""
    kind = _image_kind(data)
    return dicom.describe(data) if kind == "dicom" else raster.describe(data, kind)


def pixel_shape(data: bytes) -> PixelShape:
    """Return the pixel size and aspect ratio of a DICOM file. Raises ImageError."""
    return dicom.pixel_shape(data)


def orientation(data: bytes) -> tuple[str, str]:
    """Return `StoredImage.orientation` of a DICOM file from its header. Raises ImageError."""
    return dicom.orientation(data)


def check(facts: ImageFacts) -> None:
    """Raise ImageError if the header alone shows that `read` will reject the file."""
    if facts.kind == "dicom":
        dicom.check(facts)
    elif facts.number_of_frames > 1:
        raise raster.multi_frame()


def read(data: bytes) -> GreyImage:
    """Decode an image file into display-ready greys. Raises ImageError."""
    kind = _image_kind(data)
    return dicom.read(data) if kind == "dicom" else raster.read(data, kind)


def read_smaller(data: bytes, side: int) -> GreyImage:
    """Decode an image that will be reduced to much less than `side`; otherwise like `read`.

    A JPEG is decoded at a half, a quarter or an eighth of its size, as long as its shorter side
    keeps `side` pixels; anything else at its full size. Not for display or measurements.
    """
    kind = _image_kind(data)
    return dicom.read(data, side) if kind == "dicom" else raster.read(data, kind, side)


def check_pixels(data: bytes, side: int) -> GreyImage | None:
    """Raise the ImageError that `read` or `check_whole` would raise, in less time than both.

    Returns what `read_smaller` would, or None where that would take another decoding.
    """
    kind = _image_kind(data)
    if kind == "jpeg":
        greys = whole.flawless_greys(data, side)
        if greys is not None and raster.is_plain(data):
            return GreyImage(greys, 255)
    image = None
    if kind == "dicom":
        image = dicom.read(data, side)
    else:
        check_decodes(data)
    check_whole(data)
    return image


def check_decodes(data: bytes) -> None:
    """Raise the ImageError that `read` would raise, where possible in less time."""
    kind = _image_kind(data)
    if kind == "dicom":
        dicom.read(data)
    else:
        raster.check(data, kind)


def read_stored(data: bytes) -> StoredImage:
    """Decode a DICOM file at full bit depth, for a viewer. Raises ImageError."""
    return dicom.read_stored(data)


def read_overlay(data: bytes) -> Overlay | None:
    """Return the overlay of a DICOM file, None if it has none.

    For people only: `read`, and so the model, never includes it. Raises ImageError.
    """
    return dicom.read_overlay(data)


def check_whole(data: bytes) -> None:
    """Raise ImageError if image data is missing from a PNG or a JPEG, standalone or within DICOM.

    For a file that `read` accepts; `read` accepts some damaged ones and fills the damage with black
    or grey.
    """
    kind = _image_kind(data)
    if kind == "png":
        png.check(data)
    stream = dicom.cosine_jpeg(data) if kind == "dicom" else data if kind == "jpeg" else None
    if stream is not None:
        whole.check(stream)


def complete_jpeg(data: bytes) -> bytes:
    """Return a JPEG file that `read` accepts, with the end marker added if missing."""
    return whole.completed(data)


def _image_kind(data: bytes) -> Literal["dicom", "jpeg", "png"]:
    if not data:
        raise ImageError("empty")
    kind: Kind | None = sniff(data)
    if kind is None or kind == "zip":
        raise ImageError("not_an_image")
    image_kind: ImageKind = kind
    return image_kind
