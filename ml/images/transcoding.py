"""Converting a stored DICOM file into another encoding of the same data set."""

from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset

from ml.errors import ImageError
from ml.images.decoding import PHOTOMETRIC_GREY, decode
from ml.images.elements import texts
from ml.images.parsing import NATIVE, frame, uncompressed_length, undecodable
from ml.images.types import StoredImage

_WORDS = {1: "OB", 2: "OW"}


def explicit_little_endian(dataset: FileDataset) -> None:
    """Change a parsed data set to Explicit VR Little Endian, its pixels uncompressed.

    Greyscale values stay as they are stored; colour becomes RGB. Raises ImageError.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if syntax == uid.ExplicitVRBigEndian:
            _swap_bytes(dataset)
        elif syntax not in NATIVE:
            _decompress(dataset)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise arbitrary exceptions
        raise undecodable(error) from None
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian


def as_file(dataset: FileDataset) -> bytes:
    """Return a parsed data set as a DICOM file in its transfer syntax, with preamble and meta."""
    meta = dataset.file_meta
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def stored_frame(dataset: FileDataset) -> bytes:
    """Return the frame of a parsed data set as it lies in its pixel data, without padding."""
    if dataset.file_meta.TransferSyntaxUID not in NATIVE:
        return frame(dataset)
    return bytes(dataset.PixelData[: uncompressed_length(dataset)])


def _decompress(dataset: FileDataset) -> None:
    if texts(dataset, "PhotometricInterpretation")[:1][0] not in PHOTOMETRIC_GREY:
        dataset.decompress()
        return
    found: list[NDArray[Any]] = []

    def keep(values: NDArray[Any], _dataset: Dataset) -> StoredImage:
        found.append(values)
        return StoredImage(values, 0, 1)

    decode(dataset, keep)
    values = np.ascontiguousarray(found[0])
    _set_pixels(dataset, values)


def _set_pixels(dataset: FileDataset, values: NDArray[Any]) -> None:
    dataset.BitsAllocated = values.dtype.itemsize * 8
    raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = _WORDS[values.dtype.itemsize]
    dataset["PixelData"].is_undefined_length = False


def _swap_bytes(dataset: Dataset) -> None:
    """Turn round the words of binary elements; of other elements pydicom does it."""
    for element in dataset:
        if element.VR == "OW":
            element.value = np.frombuffer(element.value, ">u2").astype("<u2").tobytes()
        elif element.VR == "SQ":
            for item in element.value:
                _swap_bytes(item)
