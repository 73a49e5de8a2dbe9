"""Decoding the pixels of a DICOM data set: choice of decoder and its input."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeVar

import gdcm
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_fragments
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut

from ml.errors import ImageError, truncated
from ml.images import grayscale, jpeg, raster, whole
from ml.images.elements import texts, unused_bits
from ml.images.parsing import JPEG_FAMILY, NATIVE, frame, is_encapsulated, uncompressed_length
from ml.images.types import GreyImage, StoredImage

PHOTOMETRIC_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
PHOTOMETRIC_LUMA = frozenset({"YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"})
# First bytes of a JPEG or JPEG-LS stream, and of JPEG 2000 with or without boxes.
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")
# Grey levels of 255; a photograph of a film has a colour cast.
_GREY, _COLOURED = 1, 4
_STEP = 4
_COSINE_SYNTAXES = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit})

Developed = TypeVar("Developed", GreyImage, StoredImage)
#: Converts stored values and their data set to greys.
Develop = Callable[[NDArray[Any], Dataset], Developed]


def decode(
    dataset: FileDataset, develop: Develop[Developed], side: int | None = None
) -> GreyImage | Developed:
    """Decode the pixels; greyscale ones are processed by `grayscale.render` or `keep`.

    With `side`, a JPEG whose greys are shown as they are stored may be decoded smaller, as by
    `raster.draft`. Raises ImageError, and whatever a decoder raises.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in NATIVE:
        _check_length(dataset)
        return _decode_by_pydicom(dataset, develop)
    if not is_encapsulated(dataset):
        raise ImageError("undecodable", variant="not_compressed")
    if syntax not in JPEG_FAMILY:
        return _decode_by_pydicom(dataset, develop)
    data = frame(dataset)
    stream = _codestream(data, dataset)
    if syntax in _COSINE_SYNTAXES and stream.process in jpeg.DCT:
        data = whole.completed(data)
        if stream.precision == 12:
            return _decode_12_bits(data, dataset, develop)
        photometric = str(dataset.PhotometricInterpretation)
        # Only RGB may in fact contain luma with these codestreams.
        if photometric != "RGB":
            return _decode_8_bits(data, dataset, develop, side)
    # The codestream takes precedence over the header (PS3.5 8.2).
    if stream.precision > 8 and dataset.BitsAllocated == 8:
        dataset.BitsAllocated = 16
    more = stream.precision > dataset.BitsStored
    return _decode_by_pydicom(dataset, develop, has_more_bits=more)


def check_frames(dataset: FileDataset, declared: int) -> None:
    """Raise ImageError unless the pixels are those of one frame, as the header says.

    `declared`: Number of Frames, 1 if absent. A file with fewer frames than it declares is refused
    although one could be shown: it is unknown which one it is, and what became of the others.
    """
    actual = _frames(dataset)
    if declared > 1 and actual not in (0, declared):
        raise ImageError("contradictory_pixels", variant="frames", said=declared, found=actual)
    if declared > 1 and actual:
        raise ImageError("multi_frame")
    # Uncompressed, they may equally belong to one larger image, see `_check_length`.
    if actual > 1 and is_encapsulated(dataset):
        raise ImageError("multi_frame", variant="unannounced", found=actual)


def _frames(dataset: FileDataset) -> int:
    """The number of frames in the pixel data; 0 if there is less than one, or it is uncertain."""
    if not is_encapsulated(dataset):
        is_native = dataset.file_meta.TransferSyntaxUID in NATIVE
        length = uncompressed_length(dataset)
        return len(dataset.PixelData) // length if is_native and length else 0
    fragments = list(generate_fragments(dataset.PixelData))[1:]
    is_rle = dataset.file_meta.TransferSyntaxUID == uid.RLELossless
    return sum(is_rle or each.startswith(_STARTS) for each in fragments)


def _check_length(dataset: FileDataset) -> None:
    """Raise ImageError if uncompressed pixel data is too short, or belongs to a larger image.

    A smaller excess is padding, as left by older programs (PS3.5 8.1.1).
    """
    actual, expected = len(dataset.PixelData), uncompressed_length(dataset)
    if (
        "YBR_FULL_422" in texts(dataset, "PhotometricInterpretation")
        and actual >= expected * 3 // 2
    ):
        # Not subsampled, contrary to its name.
        dataset.PhotometricInterpretation = "YBR_FULL"
        expected = uncompressed_length(dataset)
    if actual < expected:
        raise truncated()
    if actual >= 2 * expected or _is_of_another_size(dataset, expected):
        raise ImageError("contradictory_pixels")


def _is_of_another_size(dataset: FileDataset, expected: int) -> bool:
    """Whether the excess is image: whole additional rows or columns, and not all the same value."""
    length, excess = len(dataset.PixelData), dataset.PixelData[expected:]
    if len(excess) < 2 or len(set(excess)) < 3:
        return False
    pixel = dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    return bool(length % (dataset.Rows * pixel) == 0 or length % (dataset.Columns * pixel) == 0)


def cosine_stream(dataset: FileDataset) -> bytes | None:
    """Return the compressed frame if it is a JPEG that libjpeg can decode, else None."""
    if dataset.file_meta.TransferSyntaxUID not in _COSINE_SYNTAXES:
        return None
    data = frame(dataset)
    stream = jpeg.parse(data)
    return data if stream is not None and stream.process in jpeg.DCT else None


def _codestream(data: bytes, dataset: Dataset) -> jpeg.Codestream:
    """Return the codestream's own header, before decoding.

    Raises ImageError if its size differs from the DICOM header.
    """
    stream = jpeg.parse(data)
    if stream is None or (stream.rows, stream.columns) != (dataset.Rows, dataset.Columns):
        raise ImageError("undecodable", variant="frame")
    if stream.process in jpeg.DCT and stream.precision not in (8, 12):
        raise ImageError("unsupported_compression", variant="frame")
    return stream


def _decode_8_bits(
    data: bytes, dataset: FileDataset, develop: Develop[Developed], side: int | None
) -> GreyImage | Developed:
    """Decode straight through Pillow, which is as fast as reading the plain JPEG file."""
    is_luma = dataset.PhotometricInterpretation not in PHOTOMETRIC_GREY
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        raster.draft(image, side if is_luma or grayscale.is_plain(dataset) else None)
        grey = raster.luma(image)
    if is_luma:
        return grey
    return develop(grey.pixels, dataset)


def _decode_12_bits(
    data: bytes, dataset: FileDataset, develop: Develop[Developed]
) -> GreyImage | Developed:
    """Decode by calling GDCM directly: pydicom assumes it cannot, as earlier versions could not."""
    if dataset.SamplesPerPixel != 1 or dataset.BitsAllocated != 16:
        raise ImageError("unsupported_pixels")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    image.SetDataElement(element)
    # GDCM returns the bytes as str.
    values = np.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), np.uint16)
    return develop(values.reshape(dataset.Rows, dataset.Columns), dataset)


def _decode_by_pydicom(
    dataset: FileDataset, develop: Develop[Developed], *, has_more_bits: bool = False
) -> GreyImage | Developed:
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    # No copy; the bits above Bits Stored are handled by the look-up.
    options: Any = {"view_only": True, "correct_unused_bits": False}
    # Without this GDCM clears the bits above the lowest.
    if unused_bits(dataset) or has_more_bits:
        options["bits_stored"] = dataset.BitsAllocated
    pixels, properties = decoder.as_array(dataset, index=0, raw=True, **options)
    photometric = str(properties["photometric_interpretation"])
    if photometric in PHOTOMETRIC_GREY:
        return develop(pixels, dataset)
    return _colour_to_grey(pixels, photometric, dataset)


def _colour_to_grey(pixels: NDArray[Any], photometric: str, dataset: Dataset) -> GreyImage:
    """Reduce rows × columns × 3 samples, or a palette's indices, to 8-bit luma."""
    bits = int(dataset.BitsStored) + unused_bits(dataset)
    if photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
        # Many 8-bit tables declare 16 bits.
        bits = 8 if int(pixels.max()) < 256 else pixels.dtype.itemsize * 8
    if bits > 8:
        pixels = pixels >> (bits - 8)
    samples = np.ascontiguousarray(pixels, dtype=np.uint8)
    if photometric == "RGB" and dataset.file_meta.TransferSyntaxUID in NATIVE:
        samples = _in_planes_that_agree(samples, int(dataset.PlanarConfiguration))
    if photometric in ("RGB", "PALETTE COLOR") and not _has_luma(samples):
        return raster.luma(Image.fromarray(samples))
    return GreyImage(np.ascontiguousarray(samples[..., 0]), 255)


def _has_luma(samples: NDArray[np.uint8]) -> bool:
    """Whether a file that declares RGB has luma in its first sample, and no colour in the others.

    Programs that decompress a JPEG without converting its colours leave it like that.
    """
    colours = samples[::_STEP, ::_STEP, 1:].astype(np.int16)
    return bool(np.abs(colours - 128).mean() < 2 and np.ptp(samples[::_STEP, ::_STEP, 0]) > 32)


def _in_planes_that_agree(samples: NDArray[np.uint8], planar: int) -> NDArray[np.uint8]:
    """Return rows × columns × 3 samples of a grey image, even if Planar Configuration is wrong.

    In the right order the samples of a pixel are the same, in the wrong one those of neighbours.
    """
    if _colour_of(samples) < _COLOURED:
        return samples
    shape = samples.shape
    if planar:
        reordered = samples.transpose(2, 0, 1).reshape(shape)
    else:
        reordered = samples.reshape(shape[2], *shape[:2]).transpose(1, 2, 0)
    is_grey = _colour_of(reordered) < _GREY and _roughness(reordered) < _roughness(samples)
    return np.ascontiguousarray(reordered) if is_grey else samples


def _colour_of(samples: NDArray[np.uint8]) -> float:
    """How far the samples of a pixel differ, on average."""
    some = samples[::_STEP, ::_STEP]
    return float((some.max(axis=2) - some.min(axis=2)).mean())


def _roughness(samples: NDArray[np.uint8]) -> float:
    """How far neighbouring pixels differ, along some rows and some columns."""
    rows, columns = samples[::_STEP, :, 0], samples[:, ::_STEP, 0]
    steps = [np.diff(rows.astype(np.int16), axis=1), np.diff(columns.astype(np.int16), axis=0)]
    return float(sum(np.abs(each).mean() for each in steps))
