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
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

from ml import images
from ml.images import jpeg

WRAPPED_MODALITY = "DX"
_IMPLEMENTATION_UID = uid.UID("2.25.193456070265131786394041312164364512107")
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
    had none; anything else is stored
    uncompressed in grey. The SOP Instance UID follows from `sha256`, the hash of `data`, and the
    result holds no time of day, so that wrapping twice makes the same file.
    """
    facts = images.describe(data)
    stream = jpeg.parse(data) if facts.kind == "jpeg" else None
    ds = _new_instance(header, sha256)
    with Image.open(BytesIO(data), formats=(facts.kind.upper(),)) as image:
        upright = image.getexif().get(_EXIF_ORIENTATION, _EXIF_UPRIGHT) == _EXIF_UPRIGHT
        if stream and stream.process == jpeg.BASELINE and stream.components in (1, 3) and upright:
            _keep_jpeg(ds, images.complete_jpeg(data), image)
        elif facts.bits_stored == 16 and facts.samples_per_pixel == 1 and upright:
            image.load()
            _store_pixels(ds, np.asarray(image, dtype=np.uint16))
        else:
            _store_pixels(ds, images.read(data).pixels)
    if facts.kind == "jpeg":
        ds.LossyImageCompression = "01"
        ds.LossyImageCompressionMethod = "ISO_10918_1"
        ratio = facts.rows * facts.columns * facts.samples_per_pixel / len(data)
        ds.LossyImageCompressionRatio = f"{max(ratio, 0.01):.2f}"
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


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


def _new_instance(header: Header, sha256: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = uid.UID(make_uid("instance", sha256))
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    meta.ImplementationVersionName = "CHESTLINE"

    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = _ISO_10646_UTF8
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyDate = _date(header.study_date)
    ds.StudyTime = ""
    ds.AccessionNumber = header.accession_number
    ds.Modality = WRAPPED_MODALITY
    ds.ConversionType = "WSD"  # from a workstation
    ds.ReferringPhysicianName = header.referring_physician_name
    ds.StudyDescription = header.study_description
    ds.PatientName = header.patient_name
    ds.PatientID = header.patient_id
    if header.issuer_of_patient_id:
        ds.IssuerOfPatientID = header.issuer_of_patient_id
    ds.PatientBirthDate = _date(header.patient_birth_date)
    ds.PatientSex = header.patient_sex
    ds.StudyInstanceUID = header.study_instance_uid
    ds.SeriesInstanceUID = make_uid("series", header.study_instance_uid)
    # Type 2C: empty means that the side is unknown, as is the body part.
    ds.Laterality = ""
    ds.StudyID = ""
    ds.SeriesNumber = 1
    ds.InstanceNumber = None
    ds.PatientOrientation = None
    return ds


def _date(value: date | None) -> str:
    return f"{value:%Y%m%d}" if value else ""


def _keep_jpeg(ds: FileDataset, data: bytes, image: Image.Image) -> None:
    ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    _describe_pixels(ds, image.height, image.width, bits=8)
    if image.mode != "L":
        ds.SamplesPerPixel = 3
        ds.PlanarConfiguration = 0
        ds.PhotometricInterpretation = _jpeg_photometric(image)
    ds.PixelData = encapsulate([data])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def _jpeg_photometric(image: Image.Image) -> str:
    """Return the colour space of a three-component JPEG as PS3.5 8.2.1 wants it named."""
    components: list[tuple[int, int, int, int]] = getattr(image, "layer", [])
    identifiers = bytes(component[0] for component in components)
    if image.info.get("adobe_transform") == _ADOBE_RGB or identifiers == b"RGB":
        return "RGB"
    subsampled = any(component[1:3] != (1, 1) for component in components)
    return "YBR_FULL_422" if subsampled else "YBR_FULL"


def _store_pixels(ds: FileDataset, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    rows, columns = pixels.shape
    _describe_pixels(ds, rows, columns, bits=pixels.dtype.itemsize * 8)
    if pixels.dtype.itemsize == 2:
        # The window that ml.images would use, stored for other viewers.
        low, high = int(pixels.min()), int(pixels.max())
        ds.WindowCenter = f"{(low + high + 1) / 2}"
        ds.WindowWidth = f"{max(high - low, 1) + 1}"
    raw = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"


def _describe_pixels(ds: FileDataset, rows: int, columns: int, bits: int) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = 0
