"""The bits, sign and shape of stored pixels, whatever the header says of them."""

from typing import Any

import numpy as np
import pytest

from ml import images
from ml.images import evidence, geometry
from tests import dicom_files as files
from tests.ml.images.display import (
    DEEP,
    PLAIN,
    WINDOW,
    WINDOWED,
    assert_shown_like,
    header_of,
    with_texts,
)

# ── What the pixels show against the header ─────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["", "RLELossless", "JPEGLosslessProcess14_1", "JPEGLSLossless"])
@pytest.mark.parametrize("stored", [8, 10, 11])
def test_pixels_with_more_bits_than_declared_are_shown_fully(stored: int, name: str) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    data = files.compressed(PLAIN, name) if name else PLAIN
    data = files.with_elements(data, BitsStored=stored, HighBit=stored - 1, **window)
    assert_shown_like(data, WINDOWED, evidence.MORE_BITS)


@pytest.mark.parametrize("name", ["JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"])
def test_a_codestream_with_more_bits_than_allocated_is_shown_fully(name: str) -> None:
    compressed = files.compressed(PLAIN, name)
    data = files.with_elements(compressed, BitsAllocated=8, BitsStored=8, HighBit=7, **WINDOW)
    assert_shown_like(data, WINDOWED, evidence.MORE_BITS)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_unsigned_pixels_are_read_as_such_whatever_is_declared(bits: int) -> None:
    pixels = files.phantom(bits)
    data = files.dicom(pixels, bits, PixelRepresentation=1)
    assert_shown_like(data, files.dicom(pixels, bits), evidence.NO_SIGN)


def test_white_letters_on_black_are_no_evidence_against_a_sign() -> None:
    pixels = (DEEP.astype(np.int16) - 2048) // 2
    pixels[:20], pixels[5:15, 20:100:4] = -2048, 2047
    assert images.read_stored(files.dicom(pixels, 12)).notes == ()


@pytest.mark.parametrize("name", ["", "RLELossless", "JPEGLSLossless", "JPEG2000Lossless"])
@pytest.mark.parametrize("bits", [12, 16])
def test_signed_pixels_are_read_as_such_whatever_is_declared(bits: int, name: str) -> None:
    signed = files.dicom(DEEP.astype(np.int16) - 2048, bits, WindowCenter=0, WindowWidth=4096)
    data = files.compressed(signed, name) if name else signed
    data = files.with_elements(data, PixelRepresentation=0)
    assert_shown_like(data, signed, evidence.SIGN)


def test_a_few_of_the_largest_values_are_no_evidence_for_a_sign() -> None:
    pixels = DEEP.copy()
    pixels[5:15, 20:100:4] = 65535
    assert images.read_stored(files.dicom(pixels, 16)).notes == ()


def test_overlays_in_the_upper_bits_are_no_evidence_for_a_sign() -> None:
    pixels = DEEP.copy()
    pixels[20:60, 20:60] |= 0xC000
    data = files.dicom(pixels, 12, **WINDOW)
    assert_shown_like(data, WINDOWED)


def test_more_bits_stored_than_allocated_are_those_that_there_are() -> None:
    pixels = files.phantom()
    data = files.dicom(pixels, 12)
    assert np.array_equal(images.read(data).pixels, pixels)
    images.check(images.describe(data))


# ── High Bit ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("bits", "high"), [(12, 15), (12, 13), (10, 15), (8, 15), (8, 11)])
@pytest.mark.parametrize("around", [0, 1], ids=["zeros around", "overlays around"])
@pytest.mark.parametrize("signed", [False, True])
def test_high_bit_gives_the_position_of_the_pixels(
    bits: int, high: int, around: int, signed: bool
) -> None:
    usual = files.phantom(bits).astype(np.uint16) ^ np.uint16(signed << (bits - 1))
    field = np.uint16((2**bits - 1) << (high + 1 - bits))
    shifted = usual << np.uint16(high + 1 - bits)
    if around:
        noise = np.random.default_rng(0).integers(0, 65536, usual.shape).astype(np.uint16)
        shifted |= noise & ~field
    elements = {"PixelRepresentation": int(signed)}
    assert_shown_like(
        files.dicom(shifted, bits, HighBit=high, **elements), files.dicom(usual, bits, **elements)
    )


@pytest.mark.parametrize(
    "name", ["RLELossless", "JPEGLosslessProcess14_1", "JPEG2000Lossless", "JPEGLSLossless"]
)
def test_high_bit_applies_to_compressed_pixels_too(name: str) -> None:
    # GDCM leaves words of 16 bits alone only where the header says that all are used.
    words = files.compressed(files.dicom(DEEP << np.uint16(4)), name)
    assert_shown_like(files.with_elements(words, BitsStored=12, HighBit=15), PLAIN)


@pytest.mark.parametrize("name", ["", "RLELossless", "JPEGLosslessProcess14_1", "JPEGLSLossless"])
def test_pixels_in_the_lowest_bits_are_read_there_whatever_high_bit_says(name: str) -> None:
    data = files.compressed(PLAIN, name) if name else PLAIN
    assert_shown_like(files.with_elements(data, HighBit=15), PLAIN)


@pytest.mark.parametrize("high", [0, 7, 10, 16, 99])
def test_an_impossible_high_bit_is_ignored(high: int) -> None:
    assert_shown_like(files.dicom(DEEP, 12, HighBit=high), PLAIN)


# ── The shape of pixels ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("elements", "aspect"),
    [
        ({}, 1),
        ({"PixelAspectRatio": ["2", "1"]}, 2),
        ({"PixelAspectRatio": ["1", "2"]}, 0.5),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, 2),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelAspectRatio": ["2", "1"]}, 1),
        ({"PixelSpacing": [0, 0], "PixelAspectRatio": ["2", "1"]}, 2),
    ],
)
def test_pixel_spacing_and_aspect_ratio(elements: dict[str, Any], aspect: float) -> None:
    data = files.dicom(DEEP, 12, **elements)
    assert images.read_stored(data).aspect == aspect
    assert images.read(data).aspect == aspect
    assert header_of(data)["aspect"] == aspect


@pytest.mark.parametrize(
    "keyword",
    ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"],
)
@pytest.mark.parametrize("value", ["NaN\\NaN", "inf\\1", "0\\0", "-1\\1", "0,1\\0,1", "1", "1\\90"])
def test_an_impossible_pixel_shape_is_a_square_without_a_scale(keyword: str, value: str) -> None:
    stored = images.read_stored(with_texts(**{keyword: value}))
    assert (stored.spacing, stored.aspect) == (None, 1)
    assert stored.notes == (geometry.SPACING_UNUSABLE,)


@pytest.mark.parametrize("factor", ["NaN", "0", "x", "-2"])
def test_an_impossible_magnification_is_ignored(factor: str) -> None:
    data = with_texts(
        ImagerPixelSpacing="0.2\\0.2", EstimatedRadiographicMagnificationFactor=factor
    )
    stored = images.read_stored(data)
    assert (stored.spacing, stored.is_calibrated) == ((0.2, 0.2), False)
