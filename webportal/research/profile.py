"""The attributes of an image's header that a research export keeps; all others are removed.

The Basic Application Level Confidentiality Profile (PS3.15 E.2) lists what must be removed. This is
an allow list instead, so that whatever nobody thought of is removed as well: private and unknown
elements, and every sequence. No attribute kept here is in the profile's table (of DICOM 2026c), and
none holds free text: each is a number, or one of the values listed here.
"""

from typing import Any

from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

#: The version of these lists, stated in each image and in the manifest.
VERSION = "chestline-1"

SOP_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
#: Replaced by new UIDs, consistently within an export.
REPLACED = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
#: Kept as numbers.
NUMBERS = (
    "SamplesPerPixel",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelAspectRatio",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "PixelIntensityRelationshipSign",
    "PixelPaddingValue",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "LossyImageCompressionRatio",
    "KVP",
    "DistanceSourceToDetector",
    "ExposureTime",
    "XRayTubeCurrent",
    "Exposure",
)
_SIDES = ("L", "R", "U", "B")
_DIRECTIONS = ("A", "P", "R", "L", "H", "F", "")
#: Kept if every value is one of these.
VALUES: dict[str, tuple[str, ...]] = {
    "ImageType": ("ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY"),
    "Modality": ("CR", "DX", "RG", "OT"),
    "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2", "RGB"),
    "PresentationIntentType": ("FOR PRESENTATION", "FOR PROCESSING"),
    "ConversionType": ("DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"),
    "BodyPartExamined": ("CHEST",),
    "ViewPosition": ("AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO"),
    "ImageLaterality": _SIDES,
    "Laterality": _SIDES,
    "PatientOrientation": _DIRECTIONS,
    "BurnedInAnnotation": ("NO",),
    "PixelIntensityRelationship": ("LIN", "LOG", "DISP"),
    "PresentationLUTShape": ("IDENTITY", "INVERSE"),
    "VOILUTFunction": ("LINEAR", "LINEAR_EXACT", "SIGMOID"),
    "RescaleType": ("US", "OD"),
    "LossyImageCompression": ("00", "01"),
    "LossyImageCompressionMethod": ("ISO_10918_1", "ISO_14495_1", "ISO_15444_1"),
}
#: Type 2 attributes, written without a value.
EMPTY = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "Manufacturer",
    "ReferringPhysicianName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "SeriesNumber",
    "InstanceNumber",
)
#: Those of VALUES that an image of CR must have (type 2 or 2C): without a value, unless it is kept.
EMPTY_UNLESS_KEPT = ("BodyPartExamined", "ViewPosition", "Laterality", "PatientOrientation")
#: The profile, for De-identification Method Code Sequence (PS3.16 CID 7050).
METHOD = ("113100", "DCM", "Basic Application Confidentiality Profile")


def tag_of(keyword: str) -> BaseTag:
    """The tag of an attribute of the standard."""
    return Tag(keyword)


def procedure() -> dict[str, Any]:
    """The lists, in the form of the library that applies them."""
    kept = ("SOPClassUID", "PixelData", *NUMBERS, *VALUES)
    actions = {str(tag_of(keyword)): {"default": "K"} for keyword in kept}
    actions |= {str(tag_of(keyword)): {"default": "U"} for keyword in REPLACED}
    return {
        "default": "R",
        "version": VERSION,
        "sopClass": {uid: {"default": "X", "tag": actions} for uid in SOP_CLASSES},
    }
