"""Wrapping a JPEG or PNG as a DICOM instance, so that everything internal is DICOM.

The instance is a Secondary Capture Image (PS3.3 A.8.1), because the attributes required of a DX or
CR image (detector, exposure, anatomic region ...) are unknown for a JPEG or PNG and must not be
invented. Its Modality is DX: by PS3.3 C.7.3.1.1.1 it states how the image was acquired, not how it
was imported.
"""

import uuid
from dataclasses import dataclass
from datetime import date
from io import BytesIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid

from ml import images
from ml.images import jpeg
from webportal.intake.checks import part10

WRAPPED_MODALITY = "DX"
IMPLEMENTATION_UID = uid.UID("2.25.193456070265131786394041312164364512107")
_UID_NAMESPACE = uuid.UUID("5c4b8c1e-5f0a-4df7-9a2b-8f0f5d3f1a77")
_ISO_10646_UTF8 = "ISO_IR 192"
_EXIF_ORIENTATION, _EXIF_UPRIGHT = 0x0112, 1
_ADOBE_RGB = 0


@dataclass(frozen=True)
class Header:
    """The patient and study attributes of an instance, each within the limits of its VR."""

    patient_id: str
    study_instance_uid: str
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: date | None = None
    patient_sex: str = ""
    accession_number: str = ""
    study_description: str = ""
    referring_physician_name: str = ""
    study_date: date | None = None


def make_uid(*names: str) -> str:
    """Return the UID (PS3.5 B.2) that always belongs to these names."""
    return f"2.25.{uuid.uuid5(_UID_NAMESPACE, '/'.join(names)).int}"


def wrap(data: bytes, header: Header, sha256: str) -> bytes:
    """Return a JPEG or PNG as a DICOM file. Raises ImageError.

    An upright baseline JPEG keeps its bytes as encapsulated pixel data, with the end marker if it
    had none; anything else is stored uncompressed in grey. The SOP Instance UID follows from
    `sha256`, the hash of `data`, and the result holds no time of day, so that wrapping twice makes
    the same file.
    """
    facts = images.describe(data)
    stream = jpeg.parse(data) if facts.kind == "jpeg" else None
    elements = _new_instance(header, sha256)
    with Image.open(BytesIO(data), formats=(facts.kind.upper(),)) as image:
        upright = image.getexif().get(_EXIF_ORIENTATION, _EXIF_UPRIGHT) == _EXIF_UPRIGHT
        if stream and stream.process == jpeg.BASELINE and stream.components in (1, 3) and upright:
            syntax, pixels = uid.JPEGBaseline8Bit, _keep_jpeg(elements, data, image)
        elif facts.bits_stored == 16 and facts.samples_per_pixel == 1 and upright:
            image.load()
            deep = np.asarray(image, dtype=np.uint16)
            syntax, pixels = uid.ExplicitVRLittleEndian, _store_pixels(elements, deep)
        else:
            grey = images.read(data).pixels
            syntax, pixels = uid.ExplicitVRLittleEndian, _store_pixels(elements, grey)
    if facts.kind == "jpeg":
        elements["LossyImageCompression"] = "01"
        elements["LossyImageCompressionMethod"] = "ISO_10918_1"
        ratio = facts.rows * facts.columns * facts.samples_per_pixel / len(data)
        elements["LossyImageCompressionRatio"] = f"{max(ratio, 0.01):.2f}"
    meta = {
        "MediaStorageSOPClassUID": elements["SOPClassUID"],
        "MediaStorageSOPInstanceUID": elements["SOPInstanceUID"],
        "TransferSyntaxUID": syntax,
        "ImplementationClassUID": IMPLEMENTATION_UID,
        "ImplementationVersionName": "CHESTLINE",
    }
    return part10.file_of(meta, elements, pixels)


def as_own_instance(data: bytes, sha256: str) -> bytes:
    """Return a DICOM file as a separate image, for when its SOP Instance UID is taken.

    Only that UID changes; the new one follows from `sha256`, the hash of `data`.
    """
    ds = pydicom.dcmread(BytesIO(data), force=True)
    ds.SOPInstanceUID = uid.UID(make_uid("instance", sha256))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def _new_instance(header: Header, sha256: str) -> dict[str, part10.Value]:
    elements: dict[str, part10.Value] = {
        "SpecificCharacterSet": _ISO_10646_UTF8,
        "ImageType": "DERIVED\\SECONDARY",
        "SOPClassUID": uid.SecondaryCaptureImageStorage,
        "SOPInstanceUID": make_uid("instance", sha256),
        "StudyDate": _date(header.study_date),
        "StudyTime": "",
        "AccessionNumber": header.accession_number,
        "Modality": WRAPPED_MODALITY,
        "ConversionType": "WSD",  # from a workstation
        "ReferringPhysicianName": _person(header.referring_physician_name),
        "StudyDescription": header.study_description,
        "PatientName": _person(header.patient_name),
        "PatientID": header.patient_id,
        "PatientBirthDate": _date(header.patient_birth_date),
        "PatientSex": header.patient_sex,
        "StudyInstanceUID": header.study_instance_uid,
        "SeriesInstanceUID": make_uid("series", header.study_instance_uid),
        # Type 2C: empty means that the side is unknown, as is the body part.
        "Laterality": "",
        "StudyID": "",
        "SeriesNumber": "1",
        "InstanceNumber": "",
        "PatientOrientation": "",
    }
    if header.issuer_of_patient_id:
        elements["IssuerOfPatientID"] = header.issuer_of_patient_id
    return elements


def _person(name: str) -> str:
    """The name without empty representations at its end (PS3.5 6.2.1.1)."""
    return name.rstrip("=")


def _date(value: date | None) -> str:
    return f"{value:%Y%m%d}" if value else ""


def _keep_jpeg(elements: dict[str, part10.Value], data: bytes, image: Image.Image) -> list[bytes]:
    _describe_pixels(elements, image.height, image.width, bits=8)
    if image.mode != "L":
        elements["SamplesPerPixel"] = 3
        elements["PlanarConfiguration"] = 0
        elements["PhotometricInterpretation"] = _jpeg_photometric(image)
    return part10.encapsulated(images.complete_jpeg(data))


def _jpeg_photometric(image: Image.Image) -> str:
    """Return the colour space of a three-component JPEG as PS3.5 8.2.1 wants it named."""
    components: list[tuple[int, int, int, int]] = getattr(image, "layer", [])
    identifiers = bytes(component[0] for component in components)
    if image.info.get("adobe_transform") == _ADOBE_RGB or identifiers == b"RGB":
        return "RGB"
    subsampled = any(component[1:3] != (1, 1) for component in components)
    return "YBR_FULL_422" if subsampled else "YBR_FULL"


def _store_pixels(
    elements: dict[str, part10.Value], pixels: NDArray[np.uint8] | NDArray[np.uint16]
) -> list[bytes]:
    rows, columns = pixels.shape
    _describe_pixels(elements, rows, columns, bits=pixels.dtype.itemsize * 8)
    if pixels.dtype.itemsize == 2:
        # The window that ml.images would use, stored for other viewers.
        low, high = int(pixels.min()), int(pixels.max())
        elements["WindowCenter"] = f"{(low + high + 1) / 2}"
        elements["WindowWidth"] = f"{max(high - low, 1) + 1}"
    raw = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    return part10.native(raw, "OB" if pixels.dtype.itemsize == 1 else "OW")


def _describe_pixels(elements: dict[str, part10.Value], rows: int, columns: int, bits: int) -> None:
    elements |= {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
    }
