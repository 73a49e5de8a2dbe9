"""Faulty display attributes never make an image unusable, and are reported."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ml import images
from ml.images import evidence, geometry, grayscale
from tests import dicom_files as files
from webportal.review.study.pixel_views import pack

DEEP = files.phantom(12)
WINDOW: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}
WINDOW_TEXTS = {"WindowCenter": "2048", "WindowWidth": "4096"}


def with_texts(**elements: str) -> bytes:
    """A file with these texts in elements of the VR DS, which may hold no such texts."""
    data = files.dicom(DEEP, 12)
    for keyword, value in elements.items():
        data = files.with_raw_element(data, keyword, "DS", value.encode())
    return data


def lut(descriptor: list[int] | None, data: Any, vr: str = "US") -> Sequence:
    item = Dataset()
    if descriptor is not None:
        item.LUTDescriptor = descriptor
    if data is not None:
        item.add_new("LUTData", vr, data)
    return Sequence([item])


def header_of(data: bytes) -> dict[str, Any]:
    """The header that the viewer is given; read strictly, as browsers do."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    packed = pack(images.read_stored(data))
    header = packed[4 : 4 + int.from_bytes(packed[:4], "little")]
    parsed: dict[str, Any] = json.loads(header, parse_constant=refuse)
    return parsed


def assert_shown_like(data: bytes, plain: bytes, *notes: str) -> None:
    """The two are shown alike, in the viewer too, and the first with these notes alone."""
    expected = images.read(plain)
    assert np.array_equal(images.read(data).pixels, expected.pixels)
    stored, like = images.read_stored(data), images.read_stored(plain)
    assert np.array_equal(stored.pixels, like.pixels)
    assert (stored.lower, stored.upper) == (like.lower, like.upper)
    assert stored.notes == notes
    assert header_of(data)["notes"] == list(notes)


PLAIN = files.dicom(DEEP, 12)
WINDOWED = files.dicom(DEEP, 12, **WINDOW)
WHOLE_RANGE = (grayscale.WINDOW_UNUSABLE, grayscale.WHOLE_RANGE_SHOWN)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "inf",
        "-inf",
        "1e400",
        "2048,0",
        "DEFAULT",
        "0x800",
        "1_000",
        "٢",
        "\\",
        "1e39",
        "--1",
    ],
)
def test_a_non_numeric_window_falls_back_to_the_full_range(value: str) -> None:
    for elements in (
        {"WindowCenter": value, "WindowWidth": value},
        {"WindowCenter": value, "WindowWidth": "4096"},
        {"WindowCenter": "2048", "WindowWidth": value},
    ):
        assert_shown_like(with_texts(**elements), PLAIN, *WHOLE_RANGE)


@pytest.mark.parametrize("width", ["0", "-1", "0.5"])
def test_a_window_without_width_falls_back_to_the_full_range(width: str) -> None:
    data = with_texts(WindowCenter="2048", WindowWidth=width)
    assert_shown_like(data, PLAIN, *WHOLE_RANGE)


def test_an_incomplete_window_is_ignored() -> None:
    assert_shown_like(with_texts(WindowCenter="2048"), PLAIN, *WHOLE_RANGE)


@pytest.mark.parametrize("first", ["", "NaN", "20,5", "TEXT"])
def test_the_next_window_is_used_if_the_first_is_unusable(first: str) -> None:
    data = with_texts(WindowCenter=f"{first}\\2048", WindowWidth=f"{first}\\4096")
    notes = (grayscale.WINDOW_UNUSABLE, grayscale.NEXT_WINDOW_SHOWN)
    assert_shown_like(data, WINDOWED, *notes)


def test_values_after_a_usable_window_are_ignored() -> None:
    assert_shown_like(with_texts(WindowCenter="2048\\NaN", WindowWidth="4096\\x"), WINDOWED)


def test_an_unknown_window_function_is_linear() -> None:
    data = files.dicom(DEEP, 12, **WINDOW, VOILUTFunction="LOGARITHMIC")
    assert_shown_like(data, WINDOWED, grayscale.VOI_FUNCTION_UNKNOWN)


@pytest.mark.parametrize(
    ("slope", "intercept"),
    [
        ("NaN", "0"),
        ("1", "NaN"),
        ("0", "0"),
        ("1e-30", "5"),
        ("1,5", "0"),
        ("1", "inf"),
        ("x", "0"),
    ],
)
def test_a_window_means_nothing_without_its_rescale(slope: str, intercept: str) -> None:
    data = with_texts(RescaleSlope=slope, RescaleIntercept=intercept, **WINDOW_TEXTS)
    notes = (grayscale.RESCALE_UNUSABLE, grayscale.WHOLE_RANGE_SHOWN)
    assert_shown_like(data, PLAIN, *notes)


def test_the_first_of_two_slopes_counts() -> None:
    data = with_texts(RescaleSlope="1\\2", RescaleIntercept="0", **WINDOW_TEXTS)
    assert_shown_like(data, WINDOWED, grayscale.RESCALE_TWICE)


def test_an_incomplete_rescale_is_applied_as_given() -> None:
    assert_shown_like(
        files.dicom(DEEP, 12, RescaleIntercept=-1024),
        files.dicom(DEEP, 12, RescaleSlope=1, RescaleIntercept=-1024),
    )


@pytest.mark.parametrize("sequence", [Sequence([Dataset()]), lut([], None), lut([], [])])
def test_an_empty_modality_lut_is_ignored(sequence: Sequence) -> None:
    data = files.dicom(DEEP, 12, ModalityLUTSequence=sequence, **WINDOW)
    assert_shown_like(data, WINDOWED, grayscale.MODALITY_LUT_EMPTY)


@pytest.mark.parametrize(
    "sequence", [lut([4096, 0, 16], [1, 2, 3]), lut([4096, 0], [1, 2]), lut(None, [1, 2, 3])]
)
def test_a_broken_modality_lut_falls_back_to_the_full_range(sequence: Sequence) -> None:
    data = files.dicom(DEEP, 12, ModalityLUTSequence=sequence, **WINDOW)
    notes = (grayscale.MODALITY_LUT_UNUSABLE, grayscale.WHOLE_RANGE_SHOWN)
    assert_shown_like(data, PLAIN, *notes)


BROKEN_LUTS = {
    "no descriptor": lut(None, list(range(4096))),
    "two numbers": lut([4096, 0], list(range(4096))),
    "no data": lut([4096, 0, 12], None),
    "empty": Sequence([Dataset()]),
    "too few": lut([4096, 0, 12], list(range(100))),
    "all the same": lut([4096, 0, 12], [4095] * 4096),
    "all black": lut([4096, 0, 12], [0] * 4096),
}


@pytest.mark.parametrize("name", BROKEN_LUTS)
def test_a_broken_voi_lut_falls_back_to_the_window(name: str) -> None:
    data = files.dicom(DEEP, 12, VOILUTSequence=BROKEN_LUTS[name], **WINDOW)
    assert_shown_like(data, WINDOWED, grayscale.VOI_LUT_UNUSABLE, grayscale.WINDOW_SHOWN)


def test_a_broken_voi_lut_without_a_window_falls_back_to_the_full_range() -> None:
    data = files.dicom(DEEP, 12, VOILUTSequence=BROKEN_LUTS["too few"])
    assert_shown_like(data, PLAIN, grayscale.VOI_LUT_UNUSABLE, grayscale.WHOLE_RANGE_SHOWN)


def test_a_broken_voi_lut_falls_back_to_the_next() -> None:
    good = lut([4096, 0, 12], list(range(4096)))
    both = files.dicom(DEEP, 12, VOILUTSequence=Sequence([*BROKEN_LUTS["too few"], *good]))
    notes = (grayscale.VOI_LUT_UNUSABLE, grayscale.NEXT_VOI_LUT_SHOWN)
    assert_shown_like(
        both,
        files.dicom(DEEP, 12, VOILUTSequence=good),
        *notes,
    )


CURVE = (np.sqrt(np.arange(4096) / 4095) * 4095).round().astype("<u2")
GOOD_LUT = files.dicom(DEEP, 12, VOILUTSequence=lut([4096, 0, 12], CURVE.tolist()))


@pytest.mark.parametrize("bits", [16, 8, 14, 10, 0])
@pytest.mark.parametrize("vr", ["US", "OW"])
def test_the_width_of_a_voi_lut_is_taken_from_its_entries(bits: int, vr: str) -> None:
    data = CURVE.tobytes() if vr == "OW" else CURVE.tolist()
    sequence = lut([4096, 0, bits], data, vr)
    assert_shown_like(files.dicom(DEEP, 12, VOILUTSequence=sequence), GOOD_LUT)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("vr", ["US", "OW", "OB"])
@pytest.mark.parametrize("size", [4096, 4095])
def test_8_bit_entries_may_be_packed_two_per_word(vr: str, bits: int, size: int) -> None:
    curve = (CURVE[:size] >> 4).astype(np.uint8)
    packed = np.append(curve, np.zeros(size % 2, np.uint8))
    data = packed.view("<u2").tolist() if vr == "US" else packed.tobytes()
    grey = images.read(files.dicom(DEEP, 12, VOILUTSequence=lut([size, 0, bits], data, vr))).pixels
    expected = curve[np.minimum(DEEP, size - 1)] / 255 * 65535
    assert np.abs(grey - expected).max() <= 1


def test_a_voi_lut_that_never_reaches_white_keeps_its_scale() -> None:
    """Its largest entry has as many bits as it declares, so that there is nothing to doubt."""
    dim = (CURVE // 4 * 3).tolist()
    grey = images.read(files.dicom(DEEP, 12, VOILUTSequence=lut([4096, 0, 12], dim))).pixels
    assert np.abs(grey - np.array(dim)[DEEP] / 4095 * 65535).max() <= 1


@pytest.mark.parametrize("value", [b"\1", b"\1\2\3"])
def test_a_broken_padding_value_is_ignored(value: bytes) -> None:
    data = files.with_raw_element(PLAIN, "PixelPaddingValue", "US", value)
    assert_shown_like(data, PLAIN, grayscale.PADDING_UNUSABLE)


def test_padding_never_removes_the_whole_image() -> None:
    data = files.dicom(DEEP, 12, PixelPaddingValue=0, PixelPaddingRangeLimit=4095)
    assert_shown_like(data, PLAIN, grayscale.PADDING_UNUSABLE)


@pytest.mark.parametrize("center", ["-20000", "30000"])
def test_a_window_that_shows_nothing_is_ignored(center: str) -> None:
    data = files.dicom(DEEP, 12, WindowCenter=center, WindowWidth="100")
    assert_shown_like(data, PLAIN, *WHOLE_RANGE)


def test_the_next_window_is_used_if_the_first_shows_nothing() -> None:
    data = files.dicom(DEEP, 12, WindowCenter=["-20000", "2048"], WindowWidth=["100", "4096"])
    notes = (grayscale.WINDOW_UNUSABLE, grayscale.NEXT_WINDOW_SHOWN)
    assert_shown_like(data, WINDOWED, *notes)


def test_a_table_that_shows_nothing_is_ignored() -> None:
    beyond = lut([4096, 20000, 12], list(range(4096)))
    data = files.dicom(DEEP, 12, VOILUTSequence=beyond)
    assert_shown_like(data, PLAIN, grayscale.VOI_LUT_UNUSABLE, grayscale.WHOLE_RANGE_SHOWN)


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


# ── Anything at all ─────────────────────────────────────────────────────────────────────────────

OPTIONAL = (
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "HighBit", "PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio",
    "NominalScannedPixelSpacing", "EstimatedRadiographicMagnificationFactor", "PatientOrientation",
    "PixelSpacingCalibrationType", "SmallestImagePixelValue", "LargestImagePixelValue",
    "PresentationLUTShape", "PixelIntensityRelationshipSign", "BurnedInAnnotation",
)  # fmt: skip
VALUES = (
    b"", b"NaN ", b"1e400 ", b"-1", b"0 ", b"\\\\\\ ", b"20,5", b"\xff\xff", b"\x01", b"A\\B ",
    b"\xfe\xff\x00\xe0\x08\x00\x00\x00ab", b"9" * 64,
)  # fmt: skip
VRS = ("DS", "US", "SQ", "UN")


@pytest.mark.parametrize("keyword", OPTIONAL)
def test_no_optional_element_prevents_decoding(keyword: str) -> None:
    # A window says nothing of values that a good slope has moved away from it.
    has_window = keyword not in ("WindowCenter", "RescaleSlope", "RescaleIntercept")
    window = WINDOW if has_window else {}
    plain = files.dicom(files.phantom(12, size=(16, 12)), 12, **window)
    for value, vr in itertools.product(VALUES, VRS):
        data = files.with_raw_element(plain, keyword, vr, value)
        pixels = images.read_stored(data).pixels
        assert pixels.min() < pixels.max(), (value, vr)
        header = header_of(data)
        assert header["lower"] < header["upper"], (value, vr)
