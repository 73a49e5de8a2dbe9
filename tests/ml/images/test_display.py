"""Faulty display attributes never make an image unusable, and are reported."""

import itertools
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ml import images
from ml.images import grayscale
from tests import dicom_files as files
from tests.ml.images.display import (
    DEEP,
    PLAIN,
    WINDOW,
    WINDOW_TEXTS,
    WINDOWED,
    assert_shown_like,
    header_of,
    with_texts,
)


def lut(descriptor: list[int] | None, data: Any, vr: str = "US") -> Sequence:
    item = Dataset()
    if descriptor is not None:
        item.LUTDescriptor = descriptor
    if data is not None:
        item.add_new("LUTData", vr, data)
    return Sequence([item])


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
    "one missing": lut([4096, 0, 12], list(range(4095))),
    "a quarter missing": lut([4096, 0, 12], list(range(3072))),
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
