"""Is the result the same for every file format? One radiograph, sent in several formats."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from tqdm import tqdm

from ml import images
from ml.research.datasets.radiographs import DatasetError, find_images
from ml.serving.assessment import Assessment
from ml.serving.predictor import Predictor
from ml.serving.preprocessing import eight_bits, read_input

TOLERANCE = 0.05
ORIGINAL = "original"
SMALL = 224
KINDS = (ORIGINAL, f"{SMALL}-pixel copy", "JPEG quality 60", "PNG", "DICOM")
# Stricter than required, and reported separately: compression affects every pixel.
EXTRA = (f"{SMALL}-pixel copy, JPEG quality 60",)


def find_originals(folder: Path) -> list[Path]:
    """Find full-size radiographs in folders NORMAL and PNEUMONIA. Raises DatasetError."""
    return [image.path for image in find_images(folder)]


def compare_kinds_of_file(paths: Sequence[Path], predictor: Predictor) -> dict[str, Any]:
    """Assess each radiograph as every kind of file, and return how much the results differ.

    An image counts as the same when its probabilities of all ``KINDS`` are within ``TOLERANCE``;
    one that is refused as one kind and assessed as another is not the same. Raises DatasetError
    when a file cannot be read. The figures are for JSON.
    """
    size = predictor.package.input_size
    probabilities: dict[str, list[float]] = {kind: [] for kind in (*KINDS, *EXTRA)}
    for path in tqdm(paths, "kinds of file", unit="image", disable=None):
        try:
            files = kinds_of_file(path.read_bytes())
        except images.ImageError as error:
            raise DatasetError(f"{path}: {error}") from error
        inputs = np.stack([read_input(data, size) for data in files.values()])
        for kind, assessment in zip(files, predictor.predict(inputs), strict=True):
            probabilities[kind].append(_number(assessment))
    return spread({kind: np.array(values) for kind, values in probabilities.items()})


def _number(assessment: Assessment) -> float:
    return np.nan if assessment.probability is None else assessment.probability


def spread(probabilities: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return the shares of images with the same result: among all formats, and for each alone.

    ``probabilities`` (n,) of each format are NaN where the image was refused.
    """
    original = probabilities[ORIGINAL]
    every = np.stack([probabilities[kind] for kind in KINDS])
    refused = np.isnan(every)
    assessed = ~refused.any(axis=0)
    apart = np.full(len(original), np.inf)
    apart[assessed] = np.ptp(every[:, assessed], axis=0)
    apart[refused.all(axis=0)] = 0.0

    def against_original(kind: str) -> dict[str, Any]:
        values = probabilities[kind]
        both = ~np.isnan(values) & ~np.isnan(original)
        difference = np.abs(values - original)
        same = np.where(both, difference < TOLERANCE, np.isnan(values) & np.isnan(original))
        return {
            "same": round(float(same.mean()), 4),
            "largest_difference": round(float(difference[both].max()), 4) if both.any() else None,
            "refused": int(np.isnan(values).sum()),
        }

    return {
        "n": len(original),
        "tolerance": TOLERANCE,
        "same": round(float(np.mean(apart < TOLERANCE)), 4),
        "against_original": {kind: against_original(kind) for kind in KINDS[1:]},
        "extra": {kind: against_original(kind) for kind in EXTRA},
    }


def kinds_of_file(original: bytes) -> dict[str, bytes]:
    """Return one radiograph in every file format; the copies are made from its 8-bit greys.

    The small copy is resized and compressed like the published copies of the training images: JPEG
    of quality 75, without preserving the aspect ratio.
    """
    grey = eight_bits(images.read(original))
    picture = Image.fromarray(grey)
    small = picture.resize((SMALL, SMALL), Image.Resampling.BICUBIC)
    files = (
        original,
        _encoded(small, "JPEG", quality=75),
        _encoded(picture, "JPEG", quality=60),
        _encoded(picture, "PNG", compress_level=1),
        _dicom(grey),
        _encoded(small, "JPEG", quality=60),
    )
    return dict(zip((*KINDS, *EXTRA), files, strict=True))


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _dicom(grey: NDArray[np.uint8]) -> bytes:
    """Return the greys as an uncompressed computed radiograph without a patient."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = uid.ComputedRadiographyImageStorage
    ds.SOPInstanceUID = uid.generate_uid()
    ds.StudyInstanceUID = uid.generate_uid()
    ds.SeriesInstanceUID = uid.generate_uid()
    ds.Modality = "CR"
    ds.PatientID = ds.PatientName = ""
    ds.Rows, ds.Columns = grey.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    pixels = grey.tobytes()
    ds.PixelData = pixels + b"\0" * (len(pixels) % 2)
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
