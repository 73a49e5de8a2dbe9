"""De-identifies images: each becomes a new, flat, uncompressed DICOM file, or is left out.

The file is not edited but rewritten. Otherwise the preamble, file meta information, bytes after the
pixels, and markers in a compressed frame would carry along whatever somebody put there.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from grand_challenge_dicom_de_identifier.deidentifier import DicomDeidentifier
from grand_challenge_dicom_de_identifier.exceptions import RejectedDICOMFileError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from webportal.research import profile
from webportal.research.burnt_text import has_text


class LeftOutError(Exception):
    """The image is not exported; `code` is one of REASONS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Deidentifier:
    """De-identifies the images of one export.

    The new UIDs are random, and exist only in this object: nobody can trace them back.
    """

    def __init__(self, *, with_unstated: bool) -> None:
        """`with_unstated`: include images that do not state whether text is burnt in."""
        self._with_unstated = with_unstated
        self._library = DicomDeidentifier(procedure=profile.procedure())
        # UIDs made by the library would be below its authors' root.
        self._library.uid_map = defaultdict(lambda: generate_uid(prefix=None))

    def uid_for(self, uid: str) -> str:
        """The UID that replaces `uid` in the export."""
        return str(self._library.uid_map[uid])

    def deidentify(self, data: bytes, pseudonym: str) -> Dataset:
        """Return the image without identifying data. Raises LeftOutError."""
        try:
            ds = pydicom.dcmread(BytesIO(data), force=True)
            _drop_damaged(ds)
            _refuse_annotated(ds, with_unstated=self._with_unstated)
            _refuse_unfit(ds)
            pixels = _pixels(ds)
            _refuse_text(ds, pixels)
            self._library.deidentify_dataset(ds)
        except RejectedDICOMFileError as error:
            raise LeftOutError("kind") from error
        except (LeftOutError, MemoryError):
            raise
        except Exception as error:  # pydicom and decoders raise many kinds for damaged elements
            raise LeftOutError("unreadable") from error
        return _written_anew(ds, pixels, pseudonym)


def as_file(ds: Dataset) -> bytes:
    """The DICOM file of a de-identified image."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def _drop_damaged(ds: Dataset) -> None:
    """Remove elements whose value cannot be read, such as an exposure time of 12.5 in an IS."""
    for tag in list(ds.keys()):
        try:
            ds[tag]
        except Exception:  # pydicom raises many kinds
            del ds[tag]


def _refuse_annotated(ds: Dataset, *, with_unstated: bool) -> None:
    said = str(ds.get("BurnedInAnnotation") or "").strip().upper()
    if said == "NO":
        return
    if said:
        raise LeftOutError("burned_in")
    # A secondary capture may be a screenshot or a scanned film with the name on it.
    if ds.get("SOPClassUID") == SecondaryCaptureImageStorage or not with_unstated:
        raise LeftOutError("not_stated")


def _refuse_unfit(ds: Dataset) -> None:
    if str(ds.get("RecognizableVisualFeatures") or "").strip().upper() == "YES":
        raise LeftOutError("recognisable")
    if int(ds.get("NumberOfFrames") or 1) != 1 or "ModalityLUTSequence" in ds:
        raise LeftOutError("kind")
    if not all(isinstance(ds.get(name), str) and ds.get(name) for name in profile.REPLACED):
        raise LeftOutError("unreadable")
    if "PixelData" not in ds or ds.file_meta.TransferSyntaxUID.is_little_endian is False:
        raise LeftOutError("kind")


def _pixels(ds: Dataset) -> bytes:
    """The pixels alone, uncompressed. Raises LeftOutError if anything is hidden beside them."""
    if ds.file_meta.TransferSyntaxUID.is_compressed:
        ds.decompress(generate_instance_uid=False)
    if ds.BitsAllocated not in (8, 16) or ds.HighBit != ds.BitsStored - 1:
        raise LeftOutError("kind")
    length: int = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated // 8
    pixels: bytes = bytes(ds.PixelData[:length])
    if len(pixels) != length:
        raise LeftOutError("unreadable")
    _refuse_hidden_bits(ds, pixels)
    return pixels + b"\0" * (length % 2)


def _refuse_hidden_bits(ds: Dataset, pixels: bytes) -> None:
    """Raise LeftOutError if bits above the pixels' are used: old overlays, which may be text."""
    spare = ds.BitsAllocated - ds.BitsStored
    values = np.frombuffer(pixels, f"<u{ds.BitsAllocated // 8}")
    # After shifting up and down again, unused bits are zeros, or copies of the sign.
    kinds = "ui" if ds.PixelRepresentation else "u"
    for kind in kinds:
        shifted = (values << spare).view(f"<{kind}{ds.BitsAllocated // 8}") >> spare
        if np.array_equal(shifted.view(values.dtype), values):
            return
    raise LeftOutError("hidden_bits")


def _refuse_text(ds: Dataset, pixels: bytes) -> None:
    """Raise LeftOutError if text is found, whatever the header states: devices set it blindly."""
    values = np.frombuffer(
        pixels, f"<{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}"
    )
    count = ds.Rows * ds.Columns * ds.SamplesPerPixel
    shape = (ds.Rows, ds.Columns, ds.SamplesPerPixel)
    if ds.SamplesPerPixel > 1 and ds.PlanarConfiguration:
        picture = values[:count].reshape(shape[2], *shape[:2]).transpose(1, 2, 0)
    else:
        picture = values[:count].reshape(shape)
    if has_text(picture):
        raise LeftOutError("text")


def _written_anew(kept: Dataset, pixels: bytes, pseudonym: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.preamble = b"\0" * 128
    for keyword in ("SOPClassUID", *profile.REPLACED):
        setattr(ds, keyword, kept[keyword].value)
    for keyword in profile.EMPTY:
        setattr(ds, keyword, None)
    ds.PatientID = ds.PatientName = pseudonym
    if "ImageType" in kept:
        # Only the first two values are defined by the standard.
        kept.ImageType = list(kept.ImageType)[:2] if kept["ImageType"].VM > 1 else None
    for keyword in profile.NUMBERS:
        _copy(kept, ds, keyword, _as_number)
    for keyword, known in profile.VALUES.items():
        _copy(kept, ds, keyword, partial(_known, known))
    for keyword in profile.EMPTY_UNLESS_KEPT:
        if keyword not in ds:
            setattr(ds, keyword, None)
    if "PhotometricInterpretation" not in ds or "Modality" not in ds:
        raise LeftOutError("kind")
    ds.PixelData = pixels
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    ds.PatientIdentityRemoved = kept.PatientIdentityRemoved
    ds.DeidentificationMethod = kept.DeidentificationMethod
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = profile.METHOD
    ds.DeidentificationMethodCodeSequence = [code]
    ds.LongitudinalTemporalInformationModified = "REMOVED"
    return ds


def _copy(kept: Dataset, ds: Dataset, keyword: str, checked: Callable[[Any], Any]) -> None:
    """Copy an attribute if all its values pass the check; otherwise leave it out."""
    if keyword not in kept or kept[keyword].is_empty:
        return
    element = kept[keyword]
    values = list(element.value) if element.VM > 1 else [element.value]
    with suppress(ValueError, TypeError, OverflowError):
        ds.add_new(element.tag, element.VR, [checked(value) for value in values])


def _as_number(value: Any) -> Any:
    """The number itself: as text, it could have something added to it."""
    if isinstance(value, int):
        return int(value)
    return format_number_as_ds(float(value))


def _known(known: tuple[str, ...], value: Any) -> str:
    if value not in known:
        raise ValueError
    return str(value)
