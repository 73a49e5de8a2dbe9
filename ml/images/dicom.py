"""DICOM: which instances are radiographs we read, what their header says, and their pixels."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from io import BytesIO
from typing import Any, TypeVar

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import config as pydicom_config
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
from pydicom.multival import MultiValue
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut

from ml.images import grayscale, jpeg, letters, overlays, raster
from ml.images.types import (
    MAX_PIXELS,
    WRONG_MODALITY,
    GreyImage,
    ImageError,
    ImageFacts,
    Overlay,
    StoredImage,
)

#: Computed, digital and conventional radiography (PS3.3 C.7.3.1.1.1).
MODALITIES = frozenset({"CR", "DX", "RG"})

SOP_CLASSES = frozenset(
    {
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
        uid.SecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)

_NATIVE = frozenset(
    {uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian}
)
_JPEG_FAMILY = frozenset(
    {
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLSLossless,
        uid.JPEGLSNearLossless,
        uid.JPEG2000Lossless,
        uid.JPEG2000,
    }
)
TRANSFER_SYNTAXES = _NATIVE | _JPEG_FAMILY | {uid.RLELossless}

_PHOTOMETRIC_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_PHOTOMETRIC_LUMA = frozenset({"YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420"})
_PHOTOMETRIC = (
    _PHOTOMETRIC_GREY | _PHOTOMETRIC_LUMA | {"RGB", "YBR_ICT", "YBR_RCT", "PALETTE COLOR"}
)

#: What tells patients and their studies apart, as far as it is written in letters.
_IDENTIFYING = ("PatientID", "IssuerOfPatientID", "PatientName", "AccessionNumber")
# VR DA and TM (PS3.5 6.2), with the points and colons of ACR-NEMA too.
_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)

Developed = TypeVar("Developed", GreyImage, StoredImage)

# Values that break their VR's rules are common and harmless here, and pydicom's warnings would
# quote them (names, dates of birth) into the logs.
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE


def describe(data: bytes) -> ImageFacts:
    """Read the header of a DICOM file. Raises ImageError when it has none that can be read."""
    return _facts(_parse(data, stop_before_pixels=True))


def read(data: bytes) -> GreyImage:
    """Decode a DICOM radiograph. Raises ImageError when it is none, or cannot be decoded."""
    return _read(_parse(data), grayscale.render)


def read_stored(data: bytes) -> StoredImage:
    """Decode a DICOM radiograph at its full depth; raises as `read` does."""
    dataset = _parse(data)
    image = _read(dataset, grayscale.keep)
    if isinstance(image, GreyImage):
        image = StoredImage(image.pixels, 0, image.max_value)
    spacing, is_calibrated = _spacing(dataset)
    orientation = _orientation(dataset)
    return replace(
        image,
        spacing=spacing,
        is_calibrated=is_calibrated,
        orientation=orientation,
        overlay=overlays.read(dataset),
    )


def read_overlay(data: bytes) -> Overlay | None:
    """Return the overlay of a DICOM file, None when it has none; raises as `read` does."""
    dataset = _parse(data)
    check(_facts(dataset))
    return overlays.read(dataset)


def _read(dataset: FileDataset, develop: Callable[..., Developed]) -> GreyImage | Developed:
    """Decode the pixels; those of a grey image are developed by `grayscale.render` or `keep`."""
    check(_facts(dataset))
    if "PixelData" not in dataset:
        raise raster.truncated()
    try:
        return _decode(dataset, develop)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # the decoders raise whatever they like
        raise _undecodable(error) from None


def check(facts: ImageFacts) -> None:
    """Raise ImageError unless the header is that of one radiograph that can be decoded here."""
    if not facts.modality and not facts.rows:
        raise raster.truncated()
    if facts.modality not in MODALITIES:
        message = WRONG_MODALITY.format(modality=_known_word(facts.modality))
        raise ImageError("wrong_modality", message)
    if facts.sop_class_uid and facts.sop_class_uid not in SOP_CLASSES:
        raise ImageError(
            "wrong_modality",
            "The DICOM object is not a plain radiograph (its SOP class is another)."
            " Send the CR, DX or secondary capture images of the study.",
        )
    if facts.rows == 0 or facts.columns == 0:
        raise ImageError(
            "no_image",
            "The DICOM object holds no image, or ends before it."
            " Send the images of the study, not its reports or other objects.",
        )
    if facts.presentation_intent_type == "FOR PROCESSING":
        raise ImageError(
            "for_processing",
            "This is the detector's raw image ('for processing'), not made to be looked at."
            " Send the 'for presentation' image of the same exposure.",
        )
    if facts.number_of_frames > 1:
        raise ImageError(
            "multi_frame",
            "The file holds several frames. Send every radiograph as a single-frame image.",
        )
    if facts.rows * facts.columns > MAX_PIXELS:
        raise raster.too_many_pixels()
    if facts.transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise ImageError(
            "unsupported_compression",
            "The image is compressed in a way that is not supported."
            " Export it uncompressed, or as JPEG, JPEG-LS, JPEG 2000 or RLE.",
        )
    if (
        facts.photometric_interpretation not in _PHOTOMETRIC
        or facts.samples_per_pixel not in (1, 3)
        or not 2 <= facts.bits_stored <= 16
    ):
        raise ImageError(
            "unsupported_pixels",
            "The pixels are stored in a way that radiographs do not use."
            " Export the image as 8 to 16 bit greyscale.",
        )


def _parse(data: bytes, stop_before_pixels: bool = False) -> FileDataset:
    # Deflated files unpack as a whole while their header is read, to any size.
    if str(uid.DeflatedExplicitVRLittleEndian).encode() in data[132:2048]:
        raise ImageError(
            "unsupported_compression",
            "The DICOM file is deflated, which is not supported. Export it uncompressed.",
        )
    try:
        dataset = pydicom.dcmread(BytesIO(data), stop_before_pixels=stop_before_pixels)
    except EOFError:
        raise raster.truncated() from None
    except MemoryError:
        raise
    except Exception as error:  # pydicom raises many kinds for broken files
        raise _undecodable(error) from None
    if not len(dataset):
        raise raster.truncated()
    return dataset


def _decode(dataset: FileDataset, develop: Callable[..., Developed]) -> GreyImage | Developed:
    if _is_plain_jpeg(dataset):
        return _decode_jpeg(dataset, develop)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _NATIVE:
        _check_native_length(dataset)
    elif syntax in _JPEG_FAMILY:
        _check_codestream(_frame(dataset), dataset)
    pixels, properties = _decoder_array(dataset)
    photometric = str(properties["photometric_interpretation"])
    if photometric in _PHOTOMETRIC_GREY:
        return develop(pixels, dataset)
    return _colour_to_grey(pixels, photometric, dataset)


def _is_plain_jpeg(dataset: FileDataset) -> bool:
    """Whether the frame is a JPEG whose first component is wanted: the greys, or colour's luma."""
    return dataset.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit and (
        dataset.PhotometricInterpretation in _PHOTOMETRIC_GREY | _PHOTOMETRIC_LUMA
    )


def _decode_jpeg(dataset: FileDataset, develop: Callable[..., Developed]) -> GreyImage | Developed:
    """Decode straight through Pillow, which is as fast as reading the plain JPEG file."""
    frame = _frame(dataset)
    _check_codestream(frame, dataset)
    with Image.open(BytesIO(frame), formats=("JPEG",)) as image:
        image.draft("L", image.size)
        grey = raster.luma(image)
    if dataset.PhotometricInterpretation in _PHOTOMETRIC_LUMA:
        return grey
    return develop(grey.pixels, dataset)


def _frame(dataset: FileDataset) -> bytes:
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def _decoder_array(dataset: FileDataset) -> tuple[NDArray[Any], dict[str, Any]]:
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    # No copy, and the bits above Bits Stored are left to the look-up.
    options: Any = {"view_only": True, "correct_unused_bits": False}
    pixels, properties = decoder.as_array(dataset, index=0, raw=True, **options)
    return pixels, dict(properties)


def _check_native_length(dataset: FileDataset) -> None:
    bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        bits = bits * 2 // 3
    if len(dataset.PixelData) < bits // 8:
        raise raster.truncated()


def _check_codestream(frame: bytes, dataset: Dataset) -> None:
    """Refuse a codestream of another size than the header tells, before it is decoded."""
    stream = jpeg.parse(frame)
    if stream is None or (stream.rows, stream.columns) != (dataset.Rows, dataset.Columns):
        raise ImageError(
            "undecodable",
            "The compressed image is damaged, or its size is not the one in the DICOM header."
            " Export the image again.",
        )


def _colour_to_grey(pixels: NDArray[Any], photometric: str, dataset: Dataset) -> GreyImage:
    """Reduce rows × columns × 3 samples, or a palette's indices, to 8-bit luma."""
    bits = int(dataset.BitsStored)
    if photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
        bits = pixels.dtype.itemsize * 8
    if bits > 8:
        pixels = pixels >> (bits - 8)
    samples = np.ascontiguousarray(pixels, dtype=np.uint8)
    if photometric in _PHOTOMETRIC_LUMA:
        return GreyImage(np.ascontiguousarray(samples[..., 0]), 255)
    return raster.luma(Image.fromarray(samples))


def _facts(dataset: FileDataset) -> ImageFacts:
    meta = dataset.file_meta
    text = _text_reader(dataset)
    return ImageFacts(
        kind="dicom",
        rows=_number(dataset, "Rows"),
        columns=_number(dataset, "Columns"),
        bits_stored=_number(dataset, "BitsStored"),
        samples_per_pixel=_number(dataset, "SamplesPerPixel"),
        number_of_frames=_number(dataset, "NumberOfFrames") or 1,
        photometric_interpretation=text("PhotometricInterpretation"),
        transfer_syntax_uid=str(meta.get("TransferSyntaxUID", "")),
        sop_class_uid=_identifier(dataset, "SOPClassUID"),
        sop_instance_uid=_identifier(dataset, "SOPInstanceUID"),
        study_instance_uid=_identifier(dataset, "StudyInstanceUID"),
        series_instance_uid=_identifier(dataset, "SeriesInstanceUID"),
        modality=text("Modality"),
        view_position=text("ViewPosition"),
        image_laterality=text("ImageLaterality"),
        body_part_examined=text("BodyPartExamined"),
        presentation_intent_type=text("PresentationIntentType"),
        patient_id=_identifier(dataset, "PatientID"),
        issuer_of_patient_id=_identifier(dataset, "IssuerOfPatientID"),
        patient_name=_identifier(dataset, "PatientName"),
        patient_birth_date=_date(dataset, "PatientBirthDate"),
        patient_sex=_identifier(dataset, "PatientSex"),
        accession_number=_identifier(dataset, "AccessionNumber"),
        study_id=text("StudyID"),
        study_date=_date(dataset, "StudyDate"),
        study_time=_time(dataset, "StudyTime"),
        study_description=_identifier(dataset, "StudyDescription").replace("\0", ""),
        referring_physician_name=_identifier(dataset, "ReferringPhysicianName").replace("\0", ""),
        acquisition_date=_date(dataset, "AcquisitionDate"),
        acquisition_time=_time(dataset, "AcquisitionTime"),
        content_date=_date(dataset, "ContentDate"),
        content_time=_time(dataset, "ContentTime"),
        institution_name=text("InstitutionName"),
        manufacturer=text("Manufacturer"),
        doubtful_letters=tuple(
            keyword for keyword in _IDENTIFYING if not _letters(dataset, keyword).are_sure
        ),
        character_set=letters.known_terms(_character_sets(dataset)),
    )


def _value(dataset: Dataset, keyword: str) -> Any:
    """Return an element's value, the first of several, or None if absent, empty or unreadable."""
    try:
        value = dataset.get(keyword)
    except Exception:  # one unreadable element must not cost the file
        return None
    if isinstance(value, (list, tuple, MultiValue)):
        return value[0] if value else None
    return value


def _spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, bool]:
    """Return mm between rows and columns, and whether that holds in the patient (PS3.3 10.7.1)."""
    at_detector = _pair(dataset, "ImagerPixelSpacing")
    spacing = _pair(dataset, "PixelSpacing")
    magnification = _value(dataset, "EstimatedRadiographicMagnificationFactor")
    if spacing is not None and spacing != at_detector:
        calibration = dataset.get("PixelSpacingCalibrationType")
        return spacing, at_detector is not None or bool(calibration)
    if at_detector is not None and magnification:
        factor = float(magnification)
        return (at_detector[0] / factor, at_detector[1] / factor), True
    return at_detector or spacing or _pair(dataset, "NominalScannedPixelSpacing"), False


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two positive numbers, or None."""
    try:
        first, second = (float(value) for value in dataset.get(keyword) or ())
    except (TypeError, ValueError):
        return None
    return (first, second) if first > 0 and second > 0 else None


def _orientation(dataset: Dataset) -> tuple[str, str]:
    """The sides that rows and columns run to, each one to three of the letters A F H L P R."""
    sides = [str(value) for value in dataset.get("PatientOrientation") or ()]
    if len(sides) != 2 or any(not side or set(side) - set("AFHLPR") for side in sides):
        return "", ""
    return sides[0][:3], sides[1][:3]


def _text_reader(dataset: Dataset) -> Callable[[str], str]:
    def text(keyword: str) -> str:
        first, _, _ = _letters(dataset, keyword).text.partition("\\")
        # PostgreSQL stores no NUL, and some modalities pad with it.
        return first.replace("\0", "").strip()

    return text


def _identifier(dataset: Dataset, keyword: str) -> str:
    """Return text as it is written, several values too, without its padding alone."""
    return _letters(dataset, keyword).text.rstrip("\0 ").lstrip(" ")


def _letters(dataset: Dataset, keyword: str) -> letters.Letters:
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    return letters.decode(value if isinstance(value, bytes) else b"", _character_sets(dataset))


def _character_sets(dataset: Dataset) -> list[str]:
    try:
        value = dataset.get("SpecificCharacterSet")
    except Exception:  # as above
        return ["unreadable"]
    return [str(term) for term in value] if isinstance(value, MultiValue) else [str(value or "")]


def _number(dataset: Dataset, keyword: str) -> int:
    try:
        return int(_value(dataset, keyword) or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def _date(dataset: Dataset, keyword: str) -> date | None:
    found = _DATE.fullmatch(_identifier(dataset, keyword))
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def _time(dataset: Dataset, keyword: str) -> time | None:
    found = _TIME.fullmatch(_identifier(dataset, keyword))
    if found is None:
        return None
    hour, minute, second, fraction = (part or "0" for part in found.groups())
    try:
        # 60 is a leap second.
        return time(int(hour), int(minute), min(int(second), 59), int(fraction.ljust(6, "0")))
    except ValueError:
        return None


def _known_word(modality: str) -> str:
    """Return the modality if it is a code word: a broken file could have anything in its place."""
    return modality if modality.isalpha() and len(modality) <= 4 else "not given"


def _undecodable(error: Exception) -> ImageError:
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return raster.truncated()
    return ImageError(
        "undecodable",
        "The DICOM file is damaged or of a kind that cannot be decoded. Export the image again.",
    )
