"""JPEG: 12 bits, without an end marker, padded, truncated, damaged; alone and inside DICOM."""

import random
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from ml import images
from tests import dicom_files as files
from tests.jpeg_files import extended_jpeg

PIXELS = files.phantom()
DEEP = files.phantom(12)
END = b"\xff\xd9"


def in_dicom(frame: bytes, pixels: NDArray[Any], bits: int, **elements: Any) -> bytes:
    """A DICOM file around a JPEG, to the last byte as it is given."""
    ds = files.dataset(pixels, bits, **elements)
    named = uid.JPEGExtended12Bit if bits == 12 else uid.JPEGBaseline8Bit
    ds.file_meta.TransferSyntaxUID = named
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].is_undefined_length = True
    return files.file_bytes(ds)


WRAPPINGS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "alone": (files.jpeg(PIXELS), lambda frame: frame),
    "colour": (files.jpeg(PIXELS, "RGB"), lambda frame: frame),
    "in DICOM": (files.jpeg(PIXELS), lambda frame: in_dicom(frame, PIXELS, 8)),
    "12 bits": (extended_jpeg(DEEP), lambda frame: in_dicom(frame, DEEP, 12)),
}
WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda frame: frame,
    "no end marker": lambda frame: frame[:-2],
    "zeros for the end marker": lambda frame: frame[:-2] + bytes(2),
    "many zeros": lambda frame: frame[:-2] + bytes(500),
    "zeros before the end marker": lambda frame: frame[:-2] + bytes(40) + END,
    "zeros behind the end marker": lambda frame: frame + bytes(500),
    "another byte behind it": lambda frame: frame + b"\xff",
    "text behind it": lambda frame: frame + b"made by a modality",
}
CUT: dict[str, Callable[[bytes], bytes]] = {
    "by a tenth": lambda frame: frame[: len(frame) * 9 // 10],
    "by a tenth, filled up": lambda frame: frame[: len(frame) * 9 // 10] + bytes(len(frame) // 10),
    "by a few bytes": lambda frame: frame[:-12],
    "in the header": lambda frame: frame[:200],
    "in the header of the scan": lambda frame: frame[: frame.index(b"\xff\xda")] + b"\xff\xda\0\2",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("change", WHOLE)
def test_a_jpeg_with_every_pixel_is_read(wrapping: str, change: str) -> None:
    frame, wrap = WRAPPINGS[wrapping]
    data = wrap(WHOLE[change](frame))
    images.check_whole(data)
    assert np.array_equal(images.read(data).pixels, images.read(wrap(frame)).pixels)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("change", CUT)
def test_a_truncated_jpeg_is_reported_as_such(wrapping: str, change: str) -> None:
    frame, wrap = WRAPPINGS[wrapping]
    data = wrap(CUT[change](frame))
    with pytest.raises(images.ImageError) as refusal:
        images.read(data)
    assert refusal.value.code in ("truncated", "undecodable" if change == "in the header" else "")


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_damaged_jpeg_is_reported_as_such(wrapping: str) -> None:
    frame, wrap = WRAPPINGS[wrapping]
    at = len(frame) * 2 // 3
    noise = bytes(random.Random(0).choices(range(255), k=len(frame) - at - 2))
    with pytest.raises(images.ImageError) as refusal:
        images.check_whole(wrap(frame[:at] + noise + END))
    assert refusal.value.code == "damaged_jpeg"


def test_a_progressive_jpeg_without_its_end_may_lack_scans() -> None:
    whole = files.jpeg(PIXELS, progressive=True)
    images.check_whole(whole)
    with pytest.raises(images.ImageError) as refusal:
        images.read(whole[:-2])
    assert refusal.value.code == "truncated"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_harmless_oddities_are_not_damage(mode: str) -> None:
    whole = files.jpeg(PIXELS, mode)
    odd_version = whole.replace(b"JFIF\0\1\1", b"JFIF\0\3\1")
    images.check_whole(whole)
    images.check_whole(odd_version)


# ── JPEG Extended of 12 bits ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [(160, 136), (133, 129)])
@pytest.mark.parametrize("scan_end", [63, 0])
def test_12_bits_are_read_at_their_full_depth(size: tuple[int, int], scan_end: int) -> None:
    pixels = files.phantom(12, size)
    data = in_dicom(extended_jpeg(pixels, scan_end), pixels, 12)
    images.check_whole(data)
    stored = images.read_stored(data)
    assert stored.has_stored_values
    assert np.abs(stored.pixels.astype(int) - pixels).max() <= 3
    assert images.read(data).max_value == 65535


def test_12_bits_are_developed_as_any_others() -> None:
    elements = {
        "WindowCenter": 2000,
        "WindowWidth": 1500,
        "PhotometricInterpretation": "MONOCHROME1",
    }
    data = in_dicom(extended_jpeg(DEEP), DEEP, 12, **elements)
    plain = images.read(files.dicom(DEEP, 12, **elements)).pixels
    assert np.abs(images.read(data).pixels.astype(int) - plain).max() <= 4 * 65535 / 1500


@pytest.mark.parametrize(
    "named", ["", uid.ExplicitVRLittleEndian, uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1]
)
def test_12_bits_are_recognised_by_their_codestream(named: str) -> None:
    data = in_dicom(extended_jpeg(DEEP), DEEP, 12)
    named_otherwise = files.with_transfer_syntax(data, named)
    assert np.array_equal(images.read(named_otherwise).pixels, images.read(data).pixels)


def test_8_bits_may_be_declared_extended() -> None:
    data = in_dicom(files.jpeg(PIXELS), PIXELS, 8)
    extended = files.with_transfer_syntax(data, uid.JPEGExtended12Bit)
    assert np.array_equal(images.read(extended).pixels, images.read(data).pixels)


def test_an_undecodable_precision_is_reported_as_unsupported() -> None:
    frame = bytearray(extended_jpeg(DEEP))
    frame[frame.index(b"\xff\xc1") + 4] = 10
    with pytest.raises(images.ImageError) as refusal:
        images.read(in_dicom(bytes(frame), DEEP, 12))
    assert refusal.value.code == "unsupported_compression"


# ── Other compressions ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["JPEGLosslessProcess14_1", "JPEGLSLossless", "RLELossless"])
def test_other_truncated_compressions_are_refused(name: str) -> None:
    ds = pydicom.dcmread(BytesIO(files.compressed(files.dicom(DEEP, 12), name)))
    frame = next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))
    ds.PixelData = encapsulate([frame[: len(frame) * 2 // 3]])
    with pytest.raises(images.ImageError) as refusal:
        images.read(files.file_bytes(ds))
    assert refusal.value.code in {"truncated", "undecodable"}


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("is_progressive", [False, True])
def test_the_quick_check_agrees_with_reading(mode: str, is_progressive: bool) -> None:
    buffer = BytesIO()
    picture = Image.fromarray(PIXELS).convert(mode)
    picture.save(buffer, "JPEG", quality=85, progressive=is_progressive)
    whole, chance = buffer.getvalue(), random.Random(5)
    verdicts = set()
    for _ in range(60):
        damaged = bytearray(whole)
        # Half of the damage is in the tables and headers.
        for _ in range(chance.choice((1, 3))):
            within = chance.choice((700, len(whole)))
            damaged[chance.randrange(2, within)] = chance.randrange(256)
        if chance.random() < 0.3:
            del damaged[chance.randrange(4, len(whole)) :]
        read = verdict(images.read, bytes(damaged))
        assert verdict(images.check_decodes, bytes(damaged)) == read
        expected = read if read != "fine" else verdict(images.check_whole, bytes(damaged))
        assert verdict(partial(images.check_pixels, side=64), bytes(damaged)) == expected
        verdicts.add(expected)
    assert len(verdicts) > 2


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_flawless_jpeg_is_decoded_only_once(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "check_decodes", pytest.fail)
    assert images.check_pixels(files.jpeg(PIXELS, mode), 64) is not None


SIDES = (20, 64, 100, 150, 151, 299, 300, 301)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_the_quick_check_returns_what_a_worker_reads(mode: str, options: dict[str, Any]) -> None:
    pixels = files.phantom(size=(601, 1210))
    data = files.jpeg(pixels, mode, quality=80, **options)
    for side in SIDES:
        found, expected = images.check_pixels(data, side), images.read_smaller(data, side)
        assert found is not None
        assert found.max_value == expected.max_value
        assert np.array_equal(found.pixels, expected.pixels)


def test_of_real_radiographs_too(real_data: Path) -> None:
    for path in sorted((real_data / "fullres").rglob("*.jpeg"))[::6]:
        data = path.read_bytes()
        for side in (224, 672):
            found = images.check_pixels(data, side)
            assert found is not None
            assert np.array_equal(found.pixels, images.read_smaller(data, side).pixels)


def test_a_jpeg_that_is_turned_is_left_to_the_worker() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert images.check_pixels(files.jpeg(PIXELS, exif=exif), 64) is None


def verdict(function: Callable[[bytes], object], data: bytes) -> str:
    try:
        function(data)
    except images.ImageError as error:
        return error.code
    return "fine"
