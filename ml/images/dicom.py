"""DICOM: supported radiograph instances, their header metadata, and their pixels."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from typing import Any

from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue

from ml.errors import ImageError
from ml.images import geometry, grayscale, letters, overlays, raster, shutters, unshown
from ml.images.codes import header_codes
from ml.images.decoding import (
    PHOTOMETRIC_GREY,
    PHOTOMETRIC_LUMA,
    Develop,
    Developed,
    check_frames,
    cosine_stream,
    decode,
)
from ml.images.parsing import TRANSFER_SYNTAXES, meta_text, parse, undecodable
from ml.images.types import (
    MAX_PIXELS,
    GreyImage,
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
        uid.SecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)

_PHOTOMETRIC = PHOTOMETRIC_GREY | PHOTOMETRIC_LUMA | {"RGB", "YBR_ICT", "YBR_RCT", "PALETTE COLOR"}

#: Text elements that identify patients and studies; webportal.reasons names each.
IDENTIFYING = ("PatientID", "IssuerOfPatientID", "PatientName", "AccessionNumber")
# VR DA and TM (PS3.5 6.2), with the points and colons of ACR-NEMA too, and ISO 8601.
_DATE = re.compile(r"(\d{4})[./-]?(\d\d)[./-]?(\d\d)", re.ASCII)
_DIGIT = re.compile(r"\d")
# VR DT; its offset from UTC can be ignored, because the local date of the image counts.
_DATE_TIME = re.compile(r"(\d{8})(\d*(?:\.\d*)?)(?:[+-]\d{4})?", re.ASCII)
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6})\d*)?)?)?", re.ASCII)


def describe(data: bytes) -> ImageFacts:
    """Read the header of a DICOM file. Raises ImageError if it is unreadable."""
    return _facts(parse(data, stop_before_pixels=True))


def pixel_shape(data: bytes) -> geometry.PixelShape:
    """Return the pixel spacing and aspect ratio of a DICOM file; raises as `describe` does."""
    return geometry.of(parse(data, stop_before_pixels=True))


def orientation(data: bytes) -> tuple[str, str]:
    """Return the Patient Orientation of a DICOM file's rows and columns; raises as `describe`."""
    return geometry.orientation(parse(data, stop_before_pixels=True))


def read(data: bytes, side: int | None = None) -> GreyImage:
    """Decode a DICOM radiograph. Raises ImageError if it is not one, or cannot be decoded.

    `side` as for `decode`.
    """
    dataset = parse(data)
    return replace(_read(dataset, grayscale.render, side), aspect=geometry.of(dataset).aspect)


def read_stored(data: bytes) -> StoredImage:
    """Decode a DICOM radiograph at its full depth; raises as `read` does."""
    dataset = parse(data)
    image = _read(dataset, grayscale.keep)
    if isinstance(image, GreyImage):
        image = StoredImage(image.pixels, 0, image.max_value)
    shape = geometry.of(dataset)
    return replace(
        image,
        spacing=shape.spacing,
        is_calibrated=shape.is_calibrated,
        orientation=geometry.orientation(dataset),
        aspect=shape.aspect,
        overlay=overlays.read(dataset),
        shutter=shutters.read(dataset),
        notes=image.notes + shape.notes + unshown.notes(dataset),
    )


def read_overlay(data: bytes) -> Overlay | None:
    """Return the overlay of a DICOM file, None when it has none; raises as `read` does."""
    dataset = parse(data)
    check(_facts(dataset))
    return overlays.read(dataset)


def cosine_jpeg(data: bytes) -> bytes | None:
    """Return the JPEG in a DICOM file that `read` accepts, None if its image is not one."""
    return cosine_stream(parse(data))


def _read(
    dataset: FileDataset, develop: Develop[Developed], side: int | None = None
) -> GreyImage | Developed:
    """Decode the pixels; greyscale ones are processed by `grayscale.render` or `keep`."""
    facts = _facts(dataset)
    check(facts)
    if "PixelData" not in dataset:
        raise _no_image()
    try:
        check_frames(dataset, facts.number_of_frames)
        return decode(dataset, develop, side)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise arbitrary exceptions
        raise undecodable(error) from None


def check(facts: ImageFacts) -> None:
    """Raise ImageError unless the header describes a radiograph that can be decoded.

    How many frames there are is asked of the pixels, by `decoding.check_frames`.
    """
    if not facts.modality and not facts.rows:
        raise _no_image()
    if facts.modality not in MODALITIES:
        raise ImageError("wrong_modality", modality=_known_word(facts.modality))
    if (
        facts.sop_class_uid == uid.DigitalXRayImageStorageForProcessing
        or facts.presentation_intent_type.upper().replace("_", " ") == "FOR PROCESSING"
    ):
        raise ImageError("for_processing")
    if facts.sop_class_uid and facts.sop_class_uid not in SOP_CLASSES:
        raise ImageError("wrong_modality", variant="sop_class")
    if facts.rows == 0 or facts.columns == 0:
        raise _no_image()
    if facts.rows * facts.columns > MAX_PIXELS:
        raise raster.too_many_pixels()
    if facts.transfer_syntax_uid and facts.transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise ImageError("unsupported_compression")
    is_grey = facts.photometric_interpretation in PHOTOMETRIC_GREY
    if not facts.photometric_interpretation or (is_grey and facts.samples_per_pixel == 3):
        raise ImageError("contradictory_pixels", variant="photometric")
    if (
        facts.photometric_interpretation not in _PHOTOMETRIC
        or facts.samples_per_pixel not in (1, 3)
        or not 2 <= facts.bits_stored <= 16
    ):
        raise ImageError("unsupported_pixels")


def _facts(dataset: FileDataset) -> ImageFacts:
    text = _text_reader(dataset)
    day_acquired, time_acquired = _date_and_time(dataset, "AcquisitionDateTime")
    return ImageFacts(
        kind="dicom",
        rows=_number(dataset, "Rows"),
        columns=_number(dataset, "Columns"),
        bits_stored=_number(dataset, "BitsStored"),
        samples_per_pixel=_number(dataset, "SamplesPerPixel"),
        number_of_frames=_number(dataset, "NumberOfFrames") or 1,
        photometric_interpretation=text("PhotometricInterpretation"),
        transfer_syntax_uid=meta_text(dataset, "TransferSyntaxUID"),
        sop_class_uid=_identifier(dataset, "SOPClassUID"),
        sop_instance_uid=_identifier(dataset, "SOPInstanceUID"),
        study_instance_uid=_identifier(dataset, "StudyInstanceUID"),
        series_instance_uid=_identifier(dataset, "SeriesInstanceUID"),
        series_number=_integer(dataset, "SeriesNumber"),
        series_description=text("SeriesDescription"),
        instance_number=_integer(dataset, "InstanceNumber"),
        modality=text("Modality").upper(),
        view_position=_all_of(dataset, "ViewPosition"),
        image_laterality=text("ImageLaterality") or text("Laterality"),
        body_part_examined=_all_of(dataset, "BodyPartExamined"),
        codes=header_codes(dataset),
        presentation_intent_type=text("PresentationIntentType"),
        patient_id=_identifier(dataset, "PatientID"),
        issuer_of_patient_id=_identifier(dataset, "IssuerOfPatientID"),
        patient_name=_identifier(dataset, "PatientName"),
        patient_birth_date=_date(dataset, "PatientBirthDate"),
        unreadable_birth_date=_unreadable_date(dataset, "PatientBirthDate"),
        patient_sex=_identifier(dataset, "PatientSex"),
        accession_number=_identifier(dataset, "AccessionNumber"),
        patient_age=text("PatientAge"),
        study_date=_date(dataset, "StudyDate"),
        study_time=_time(dataset, "StudyTime"),
        study_description=_identifier(dataset, "StudyDescription").replace("\0", ""),
        referring_physician_name=_identifier(dataset, "ReferringPhysicianName").replace("\0", ""),
        acquisition_date=_date(dataset, "AcquisitionDate") or day_acquired,
        acquisition_time=_time(dataset, "AcquisitionTime") or time_acquired,
        content_date=_date(dataset, "ContentDate"),
        content_time=_time(dataset, "ContentTime"),
        manufacturer=text("Manufacturer"),
        manufacturer_model_name=text("ManufacturerModelName"),
        station_name=text("StationName"),
        institution_name=text("InstitutionName"),
        source_ae_title=meta_text(dataset, "SourceApplicationEntityTitle")
        .replace("\0", "")
        .strip(),
        doubtful_letters=tuple(
            keyword for keyword in IDENTIFYING if not _letters(dataset, keyword).are_sure
        ),
        character_set=letters.known_terms(_character_sets(dataset)),
    )


def _value(dataset: Dataset, keyword: str) -> Any:
    """Return an element's value, the first of several, or None if absent, empty or unreadable."""
    try:
        value = dataset.get(keyword)
    except Exception:  # one unreadable element must not make the file unreadable
        return None
    if isinstance(value, (list, tuple, MultiValue)):
        return value[0] if value else None
    return value


def _text_reader(dataset: Dataset) -> Callable[[str], str]:
    def text(keyword: str) -> str:
        first, _, _ = _letters(dataset, keyword).text.partition("\\")
        # PostgreSQL stores no NUL, and some modalities pad with it.
        return first.replace("\0", "").strip()

    return text


def _all_of(dataset: Dataset, keyword: str) -> str:
    """Return all values of an element that should be single-valued, joined."""
    try:
        value = dataset.get(keyword)
    except Exception:  # one unreadable element must not make the file unreadable
        return ""
    values = value if isinstance(value, (list, tuple, MultiValue)) else [value]
    return " ".join(str(each).replace("\0", "").strip() for each in values if each)


def _identifier(dataset: Dataset, keyword: str) -> str:
    """Return text as written, including multiple values, with only the padding removed."""
    return _letters(dataset, keyword).text.rstrip("\0 ").lstrip(" ")


def _letters(dataset: Dataset, keyword: str) -> letters.Letters:
    # No element is deferred. pydicom takes an empty one of unknown VR for deferred, and fails.
    element = dataset.get_item(keyword, keep_deferred=True)
    value = None if element is None else element.value
    if isinstance(value, bytes):
        return letters.decode(value, _character_sets(dataset))
    # The element was accessed before, so pydicom has already decoded it.
    values = value if isinstance(value, MultiValue) else [value or ""]
    text = "\\".join(str(each) for each in values)
    return letters.Letters(text, are_sure=letters.UNREADABLE not in text)


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


def _integer(dataset: Dataset, keyword: str) -> int | None:
    """Return a number of VR IS, None where there is none or it is beyond the VR's 32 bits."""
    value = _value(dataset, keyword)
    try:
        number = None if value in (None, "") else int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and -(2**31) <= number < 2**31 else None


def _date(dataset: Dataset, keyword: str) -> date | None:
    return _as_date(_identifier(dataset, keyword))


def _unreadable_date(dataset: Dataset, keyword: str) -> str:
    """Return what is written in place of a date; '' for a date, and for what names no day.

    That is zeros, nines and dashes, or a word such as UNKNOWN.
    """
    text = _identifier(dataset, keyword).replace("\0", "")
    names_a_day = len(set(_DIGIT.findall(text))) > 1
    return text if names_a_day and _as_date(text) is None else ""


def _time(dataset: Dataset, keyword: str) -> time | None:
    return _as_time(_identifier(dataset, keyword))


def _date_and_time(dataset: Dataset, keyword: str) -> tuple[date | None, time | None]:
    match = _DATE_TIME.fullmatch(_identifier(dataset, keyword))
    return (_as_date(match[1]), _as_time(match[2])) if match else (None, None)


def _as_date(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def _as_time(text: str) -> time | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second, fraction = (part or "0" for part in match.groups())
    try:
        # 60 is a leap second.
        return time(int(hour), int(minute), min(int(second), 59), int(fraction.ljust(6, "0")))
    except ValueError:
        return None


def _known_word(modality: str) -> str:
    """Return the modality if it is a valid code string: a broken file could contain anything."""
    return modality if modality.isalpha() and len(modality) <= 4 else "not given"


def _no_image() -> ImageError:
    return ImageError("no_image")
