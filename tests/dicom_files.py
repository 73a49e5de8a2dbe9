"""Radiograph files that the tests make: phantoms as DICOM, PNG and JPEG, nobody's picture."""

import struct
import tempfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag

SIZE = (160, 136)  # rows, columns


def phantom(bits: int = 8, size: tuple[int, int] = SIZE, seed: int = 0) -> NDArray[Any]:
    """Draw two dark lungs in a bright body: rows × columns of `bits`-bit greys, uint8 or uint16."""
    rows, columns = size
    y, x = np.mgrid[0:rows, 0:columns] / np.array(size).reshape(2, 1, 1)
    body = 0.75 - 0.3 * (x - 0.5) ** 2
    lungs = sum(
        np.exp(-(((x - centre) / 0.13) ** 2) - ((y - 0.45) / 0.25) ** 2) for centre in (0.3, 0.7)
    )
    noise = np.random.default_rng(seed).normal(0, 0.01, size)
    values = np.clip(body - 0.6 * lungs + noise, 0, 1) * (2**bits - 1)
    greys: NDArray[Any] = values.astype(np.uint8 if bits <= 8 else np.uint16)
    return greys


def with_text(
    pixels: NDArray[Any], text: str, height: int, grey: int, place: tuple[int, int] = (8, 8)
) -> NDArray[Any]:
    """Return a copy with text in it, its upper left corner at `place` (column and row)."""
    font = ImageFont.load_default(height)
    mask = Image.new("L", pixels.shape[::-1])
    ImageDraw.Draw(mask).text(place, text, fill=255, font=font)
    share = np.asarray(mask) / 255
    written: NDArray[Any] = (pixels * (1 - share) + grey * share).astype(pixels.dtype)
    return written


def png(pixels: NDArray[Any], mode: str | None = None, **options: Any) -> bytes:
    """Return a PNG of the pixels, converted to Pillow's `mode` where one is given."""
    return _encoded(pixels, "PNG", mode, options)


def deep_png(samples: NDArray[np.uint16]) -> bytes:
    """Return a PNG of 16 bits: rows × columns × 1 to 4 channels (grey or colour, transparency)."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    rows, columns, channels = samples.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", columns, rows, 16, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in samples)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def jpeg(pixels: NDArray[Any], mode: str | None = None, **options: Any) -> bytes:
    """Return a JPEG of the pixels, baseline unless the options say otherwise."""
    return _encoded(pixels, "JPEG", mode, {"quality": 90} | options)


def _encoded(pixels: NDArray[Any], kind: str, mode: str | None, options: dict[str, Any]) -> bytes:
    image = Image.fromarray(pixels)
    if mode is not None:
        image = image.convert(mode)
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def dataset(pixels: NDArray[Any], bits: int | None = None, **elements: Any) -> Dataset:
    """Return a CR image with these pixels (rows × columns, or × 3) and any elements on top."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = uid.ComputedRadiographyImageStorage
    ds.SOPInstanceUID = uid.generate_uid()
    ds.StudyInstanceUID = uid.generate_uid()
    ds.SeriesInstanceUID = uid.generate_uid()
    ds.Modality = "CR"
    ds.PatientID = "PHANTOM-1"
    ds.PatientName = "Phantom^One"
    ds.PatientBirthDate = "19700101"
    ds.PatientSex = "O"
    ds.StudyDate, ds.StudyTime = "20240229", "101112"
    ds.AccessionNumber = "A1"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = bits or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def dicom(pixels: NDArray[Any], bits: int | None = None, **elements: Any) -> bytes:
    """Return `dataset(...)` as an uncompressed DICOM file."""
    return file_bytes(dataset(pixels, bits, **elements))


def add_overlay(
    ds: Dataset, mask: NDArray[Any], group: int = 0x6000, origin: tuple[int, int] = (1, 1)
) -> None:
    """Lay a mask over a dataset's picture, its first pixel at `origin`, row and column from 1."""
    _announce_overlay(ds, mask, group, origin, bits=1, position=0)
    packed = np.packbits(mask.astype(np.uint8), bitorder="little").tobytes()
    ds.add_new((group, 0x3000), "OW", packed + b"\0" * (len(packed) % 2))


def embed_overlay(ds: Dataset, mask: NDArray[Any], bit: int, group: int = 0x6000) -> None:
    """Put a mask into a bit of Pixel Data above the greys, as files of before 2004 may have it."""
    _announce_overlay(ds, mask, group, (1, 1), bits=ds.BitsAllocated, position=bit)
    pixels = np.frombuffer(ds.PixelData, "<u2") | (mask.ravel().astype(np.uint16) << bit)
    ds.PixelData = pixels.astype("<u2").tobytes()


def _announce_overlay(
    ds: Dataset,
    mask: NDArray[Any],
    group: int,
    origin: tuple[int, int],
    *,
    bits: int,
    position: int,
) -> None:
    ds.add_new((group, 0x0010), "US", mask.shape[0])
    ds.add_new((group, 0x0011), "US", mask.shape[1])
    ds.add_new((group, 0x0040), "CS", "G")
    ds.add_new((group, 0x0050), "SS", list(origin))
    ds.add_new((group, 0x0100), "US", bits)
    ds.add_new((group, 0x0102), "US", position)


def file_bytes(ds: Dataset) -> bytes:
    """Return a dataset as a DICOM file."""
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def with_elements(data: bytes, **elements: Any) -> bytes:
    """Return a DICOM file with other values of some elements."""
    ds = pydicom.dcmread(BytesIO(data))
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return file_bytes(ds)


def without(data: bytes, *keywords: str) -> bytes:
    """Return a DICOM file without some elements."""
    ds = pydicom.dcmread(BytesIO(data))
    for keyword in keywords:
        delattr(ds, keyword)
    return file_bytes(ds)


def without_transfer_syntax(data: bytes) -> bytes:
    """Return a DICOM file whose file meta information lacks the Transfer Syntax UID."""
    at = data.index(b"\x02\x00\x10\x00UI")
    size = 8 + int.from_bytes(data[at + 6 : at + 8], "little")
    group_length = int.from_bytes(data[140:144], "little") - size
    return data[:140] + group_length.to_bytes(4, "little") + data[144:at] + data[at + size :]


def with_transfer_syntax(data: bytes, syntax: str) -> bytes:
    """Return the same DICOM file under another Transfer Syntax UID."""
    length = pydicom.dcmread(BytesIO(data)).file_meta.FileMetaInformationGroupLength
    at = data.index(b"\x02\x00\x10\x00UI") + 6
    old = int.from_bytes(data[at : at + 2], "little")
    new = str(syntax).encode() + b"\0" * (len(syntax) % 2)
    group_length = (length + len(new) - old).to_bytes(4, "little")
    element = len(new).to_bytes(2, "little") + new
    return data[:140] + group_length + data[144:at] + element + data[at + 2 + old :]


def without_preamble(data: bytes, *, with_meta: bool = True) -> bytes:
    """Return a DICOM file from its file meta information on, or from its data set on."""
    ds = pydicom.dcmread(BytesIO(data))
    start = 132 if with_meta else 144 + ds.file_meta.FileMetaInformationGroupLength
    return data[start:]


def with_raw_element(data: bytes, keyword: str, vr: str, value: bytes) -> bytes:
    """Return an uncompressed Explicit VR file with an element of any bytes before its pixels."""
    tag = Tag(keyword)
    element = struct.pack("<HH2s", tag.group, tag.element, vr.encode())
    length = struct.pack("<xxI" if vr in ("OB", "OW", "SQ", "UN") else "<H", len(value))
    at = data.index(struct.pack("<HHc", 0x7FE0, 0x0010, b"O"))
    return data[:at] + element + length + value + data[at:]


def in_byte_order(data: bytes, transfer_syntax: uid.UID) -> bytes:
    """Return an uncompressed little endian DICOM file in another uncompressed transfer syntax."""
    ds = pydicom.dcmread(BytesIO(data))
    if transfer_syntax == uid.ExplicitVRBigEndian and ds.BitsAllocated == 16:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    buffer = BytesIO()
    implicit = transfer_syntax == uid.ImplicitVRLittleEndian
    little = transfer_syntax != uid.ExplicitVRBigEndian
    pydicom.dcmwrite(
        buffer, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=True
    )
    return buffer.getvalue()


def compressed(data: bytes, gdcm_name: str) -> bytes:
    """Compress an uncompressed DICOM file by GDCM; `gdcm_name` as in gdcm.TransferSyntax."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.dcm"), Path(folder, "target.dcm")
        source.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, gdcm_name)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return target.read_bytes()


def encapsulated_jpeg(frame: bytes, pixels: NDArray[Any], **elements: Any) -> bytes:
    """Return a DICOM file around a baseline JPEG of the pixels."""
    ds = dataset(pixels, **elements)
    if ds.SamplesPerPixel == 3:
        ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].is_undefined_length = True
    return file_bytes(ds)
