"""JPEG and PNG."""

import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ml.errors import ImageError, truncated
from ml.images import jpeg, whole
from ml.images.types import (
    MAX_PIXELS,
    GreyImage,
    ImageFacts,
    ImageKind,
)

# Pillow then refuses a larger image while it reads the header, wherever in this process it is used.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)

_ORIENTATION = 0x0112
_EXIF_UPRIGHT = 1
# Where they are in a PNG file, behind its signature and the length, name, width and height of IHDR.
_PNG_HEADER, _PNG_BIT_DEPTH, _PNG_COLOUR_TYPE, _PNG_CHECKSUM = 12, 24, 25, 29
_PNG_GREY_ALPHA, _PNG_RGBA = 4, 6
_LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601


def describe(data: bytes, kind: ImageKind) -> ImageFacts:
    """Read size and depth from the header of a JPEG or PNG. Raises ImageError."""
    with _open(data, kind) as image:
        return ImageFacts(
            kind=kind,
            rows=image.height,
            columns=image.width,
            bits_stored=data[_PNG_BIT_DEPTH] if kind == "png" else 8,
            samples_per_pixel=1 if image.mode in ("1", "L", "I;16") else 3,
            number_of_frames=getattr(image, "n_frames", 1) if kind == "png" else 1,
        )


def check(data: bytes, kind: ImageKind) -> None:
    """Raise the ImageError that `read` would raise.

    All of a JPEG's code is read, but its pixels are computed at an eighth of the size, by the part
    of the cosine transform that no data can harm: half of the time.
    """
    _decode(data, kind, 1)


def is_plain(data: bytes) -> bool:
    """Whether a JPEG is grey or in colour, and upright: all that is left to do is to decode it."""
    with _open(data, "jpeg") as image:
        return image.mode in ("L", "RGB") and is_upright(image)


def read(data: bytes, kind: ImageKind, side: int | None = None) -> GreyImage:
    """Decode a JPEG or PNG to grey. Raises ImageError.

    Colour becomes luma (ITU-R BT.601), transparency is laid on black, the EXIF orientation is
    applied. A 16-bit PNG is stretched from its darkest to its brightest pixel, like a DICOM image
    of more than 8 bits that brings no window: such files often hold 10 or 12 bits of 16.
    `side` as for `draft`.
    """
    return _decode(data, kind, side)


def draft(image: Image.Image, side: int | None) -> None:
    """Have the luma alone of an opened JPEG decoded.

    With `side`, at a half, a quarter or an eighth of its size, by the part of the cosine transform
    that is left then, as long as its shorter side keeps `side` pixels.
    """
    image.draft("L", image.size if side is None else (side, side))


def _decode(data: bytes, kind: ImageKind, side: int | None) -> GreyImage:
    if kind == "jpeg":
        _check_process(data)
        data = whole.completed(data)
    with _open(data, kind) as opened:
        image: Image.Image = opened
        if kind == "png" and getattr(image, "n_frames", 1) > 1:
            raise multi_frame()
        draft(image, side)
        try:
            image.load()
            if kind == "png" and data[_PNG_BIT_DEPTH] == 16 and not image.mode.startswith("I;16"):
                image = _deep_grey(data, image)
            if not is_upright(image):
                image = ImageOps.exif_transpose(image)
            return _grey(image)
        except _DECODING_ERRORS as error:
            raise _undecodable(error) from None


def _check_process(data: bytes) -> None:
    """Raise ImageError for a sound JPEG of a kind that only DICOM files have, such as lossless."""
    stream = jpeg.parse(data)
    if stream is not None and stream.process not in jpeg.DCT:
        raise ImageError("unsupported_compression", variant="jpeg")


def is_upright(image: Image.Image) -> bool:
    """Whether the pixels are stored as they are to be shown (no EXIF rotation or mirroring)."""
    return bool(image.getexif().get(_ORIENTATION, _EXIF_UPRIGHT) == _EXIF_UPRIGHT)


def stretch(pixels: "np.ndarray[tuple[int, int], np.dtype[np.uint16]]") -> GreyImage:
    """Map the darkest value of a rows × columns uint16 image to 0 and the brightest to 65535."""
    low, high = int(pixels.min()), int(pixels.max())
    values = np.arange(65536, dtype=np.float32)
    table = np.clip((values - low) * (65535 / max(high - low, 1)) + 0.5, 0, 65535)
    return GreyImage(table.astype(np.uint16)[pixels], 65535)


def luma(image: Image.Image) -> GreyImage:
    """Turn an image of any 8-bit mode into grey (ITU-R BT.601)."""
    if image.mode != "L":
        image = image.convert("L")
    return GreyImage(np.asarray(image), 255)


def fit(picture: Image.Image, aspect: float, longest: int) -> Image.Image:
    """Return an image in its true proportions, at most `longest` pixels a side.

    `aspect`: the height of a pixel divided by its width. Pixels that are square within a hundredth
    are left as they are.
    """
    if abs(aspect - 1) < 0.01:
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        return picture
    width, height = picture.width, picture.height * aspect
    scale = min(1.0, longest / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _open(data: bytes, kind: ImageKind) -> Image.Image:
    try:
        image = Image.open(BytesIO(data), formats=(kind.upper(),))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels() from None
    except _DECODING_ERRORS as error:
        raise _undecodable(error) from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise too_many_pixels()
    return image


def _grey(image: Image.Image) -> GreyImage:
    if image.mode.startswith("I;16"):
        return stretch(np.asarray(image, dtype=np.uint16))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
    elif image.mode in ("P", "CMYK"):
        image = image.convert("RGB")
    return luma(image)


def _deep_grey(data: bytes, image: Image.Image) -> Image.Image:
    """Return a PNG of 16 bits with colour or transparency in grey; Pillow itself keeps 8 bits."""
    samples = _deep_samples(data, image)
    channels = samples.shape[2]
    if channels >= 3:
        grey = samples[..., :3].astype(np.float32) @ np.array(_LUMA_WEIGHTS, np.float32)
    else:
        grey = samples[..., 0].astype(np.float32)
    if channels in (2, 4):
        grey *= samples[..., -1].astype(np.float32) / 65535
    deep = Image.fromarray(np.rint(grey).astype(np.uint16))
    deep.info = image.info
    return deep


def _deep_samples(data: bytes, image: Image.Image) -> NDArray[np.uint16]:
    """Return rows × columns × channels of 16 bits: grey or colour, and transparency."""
    if data[_PNG_COLOUR_TYPE] == _PNG_GREY_ALPHA:
        # Two channels of two bytes lie in the file as four of one do.
        header = data[_PNG_HEADER:_PNG_BIT_DEPTH] + bytes([8, _PNG_RGBA])
        header += data[_PNG_COLOUR_TYPE + 1 : _PNG_CHECKSUM]
        checksum = struct.pack(">I", zlib.crc32(header))
        named = data[:_PNG_HEADER] + header + checksum + data[_PNG_CHECKSUM + 4 :]
        with Image.open(BytesIO(named), formats=("PNG",)) as pairs:
            deep: NDArray[np.uint16] = np.asarray(pairs).copy().view(">u2")
            return deep
    with Image.open(BytesIO(data), formats=("PNG",)) as lower:
        # Unpacked as little endian, the byte that Pillow keeps is the lower one.
        lower.tile = [
            tile._replace(args=str(tile.args).replace("16B", "16L")) for tile in lower.tile
        ]
        low = np.asarray(lower)
    samples: NDArray[np.uint16] = (np.asarray(image).astype(np.uint16) << 8) | low
    return samples


# Pillow raises these for broken data, and struct.error where a chunk is cut short.
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error)


def multi_frame() -> ImageError:
    """Return the error for a multi-frame file."""
    return ImageError("multi_frame", variant="pictures")


def too_many_pixels() -> ImageError:
    """Return the error for an image beyond MAX_PIXELS."""
    return ImageError("too_many_pixels", millions=MAX_PIXELS // 1_000_000)


def _undecodable(error: Exception) -> ImageError:
    if "truncated" in str(error).lower() or isinstance(error, (EOFError, struct.error)):
        return truncated()
    return ImageError("undecodable")
