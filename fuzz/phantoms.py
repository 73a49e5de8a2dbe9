"""Small valid files of every kind that intake accepts, from which the corrupted ones are made."""

import zipfile
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.encaps import encapsulate

from tests import dicom_files as files
from tests.jpeg_files import extended_jpeg

SIZE = (160, 136)
KINDS = ("jpeg", "png", "dicom", "zip", "csv", "multipart")

_COMPRESSIONS = ("JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless", "RLELossless")


@cache
def good(kind: str) -> tuple[bytes, ...]:
    """The valid files of a kind."""
    made: dict[str, tuple[bytes, ...]] = {
        "jpeg": _jpegs(),
        "png": _pngs(),
        "dicom": _dicoms(),
        "zip": _zips(),
        "csv": _sheets(),
        "multipart": _bodies(),
    }
    return made[kind]


def _jpegs() -> tuple[bytes, ...]:
    grey = files.phantom(8, SIZE)
    colour = np.dstack([grey] * 3)
    return (
        files.jpeg(grey),
        files.jpeg(grey, progressive=True),
        files.jpeg(grey, restart_marker_rows=2),
        files.jpeg(colour),
        files.jpeg(colour, mode="CMYK"),
        files.jpeg(colour, progressive=True, subsampling=2),
    )


def _pngs() -> tuple[bytes, ...]:
    grey, deep = files.phantom(8, SIZE), files.phantom(16, SIZE)
    modes = ("L", "LA", "RGB", "RGBA", "P", "1")
    channels = (np.stack([deep] * count, axis=2) for count in (1, 2, 3, 4))
    return (
        *(files.png(grey, mode) for mode in modes),
        files.png(deep),
        *(files.deep_png(each) for each in channels),
    )


def _dicoms() -> tuple[bytes, ...]:
    grey, deep = files.phantom(8, SIZE), files.phantom(12, SIZE)
    plain = files.dicom(deep, 12)
    window = files.dicom(
        deep,
        12,
        WindowCenter=2048,
        WindowWidth=3000,
        RescaleSlope=1,
        RescaleIntercept=0,
        PixelPaddingValue=0,
    )
    overlaid = files.dataset(deep, 12)
    files.add_overlay(overlaid, np.eye(*SIZE, dtype=np.uint8))
    embedded = files.dataset(deep, 12)
    files.embed_overlay(embedded, np.eye(*SIZE, dtype=np.uint8), 13)
    colour = files.dicom(np.dstack([grey] * 3))
    return (
        plain,
        window,
        colour,
        files.file_bytes(overlaid),
        files.file_bytes(embedded),
        files.in_byte_order(plain, uid.ImplicitVRLittleEndian),
        files.in_byte_order(plain, uid.ExplicitVRBigEndian),
        files.in_byte_order(plain, uid.DeflatedExplicitVRLittleEndian),
        *(files.compressed(plain, name) for name in _COMPRESSIONS),
        files.encapsulated_jpeg(files.jpeg(grey), grey),
        files.encapsulated_jpeg(files.jpeg(grey, progressive=True), grey),
        _extended(deep),
        files.without_preamble(plain),
        files.without_preamble(plain, with_meta=False),
    )


def _extended(deep: NDArray[Any]) -> bytes:
    """A 12-bit JPEG; small, because our encoder is slow."""
    ds = files.dataset(deep, 12)
    ds.file_meta.TransferSyntaxUID = uid.JPEGExtended12Bit
    ds.PixelData = encapsulate([extended_jpeg(deep)])
    ds["PixelData"].is_undefined_length = True
    return files.file_bytes(ds)


def _zips() -> tuple[bytes, ...]:
    def packed(compression: int, names: tuple[str, ...]) -> bytes:
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name in names:
                archive.writestr(name, files.png(files.phantom(8, (140, 130))))
        return buffer.getvalue()

    return (
        packed(zipfile.ZIP_STORED, ("a.png",)),
        packed(zipfile.ZIP_DEFLATED, ("folder/a.png", "folder/ü.png", "DICOMDIR")),
        packed(zipfile.ZIP_BZIP2, ("a.png", "b.png")),
    )


def _sheets() -> tuple[bytes, ...]:
    sheet = (
        "file,patient_id,issuer,family_name,given_name,birth_date,sex,study_date,symptoms,priority\n"
        "a.png,P-1,HOSPITAL,Phantom,One,1970-01-01,F,2024-02-29,cough;fever,urgent\n"
        '"b,1.png",P-2,,फान्टम,"Two ""B""",2001-12-31,M,,,\n'
    )
    return (
        sheet.encode(),
        sheet.replace(",", ";").encode("utf-8-sig"),
        sheet.replace(",", "\t").encode("utf-16"),
        b"sep=;\r\n" + sheet.replace(",", ";").replace("\n", "\r\n").encode(),
    )


BOUNDARY = "phantom"


def _bodies() -> tuple[bytes, ...]:
    def part(disposition: str, content: bytes, kind: str = "") -> bytes:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
        head += f"Content-Type: {kind}\r\n" if kind else ""
        return head.encode() + b"\r\n" + content + b"\r\n"

    end = f"--{BOUNDARY}--\r\n".encode()
    file = part(
        'name="file"; filename="a.png"', files.png(files.phantom(8, (140, 130))), "image/png"
    )
    return (
        file + end,
        part('name="path"', b"folder/a.png") + part('name="expected"', b"2") + file + end,
        part("name=\"file\"; filename*=UTF-8''%C3%BC.png", b"not an image") + end,
    )
