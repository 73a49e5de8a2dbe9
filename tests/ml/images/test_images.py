"""The formats that ml.images accepts, and that the greys are those required by DICOM."""

from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset

from ml import images
from tests import dicom_files as files


def full_range(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    """What an image of more than 8 bits without a window must look like."""
    low, high = pixels.min(), pixels.max()
    stretched = (pixels.astype(np.float64) - low) / (high - low) * 65535
    full: NDArray[np.uint16] = np.rint(stretched).astype(np.uint16)
    return full


def assert_same(actual: NDArray[Any], expected: NDArray[Any], tolerance: int = 0) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= tolerance


# ── JPEG and PNG ────────────────────────────────────────────────────────────────────────────────


def test_an_8_bit_grey_png_is_read_unchanged() -> None:
    pixels = files.phantom()
    grey = images.read(files.png(pixels))
    assert (grey.max_value, grey.pixels.dtype.name) == (255, "uint8")
    assert grey.pixels.flags.c_contiguous
    assert_same(grey.pixels, pixels)


def test_a_16_bit_grey_png_keeps_its_depth() -> None:
    pixels = files.phantom(bits=12)
    grey = images.read(files.png(pixels))
    assert (grey.max_value, grey.pixels.dtype.name) == (65535, "uint16")
    assert_same(grey.pixels, full_range(pixels), tolerance=1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_16_bit_png_keeps_its_depth_with_colour_or_transparency_too(channels: int) -> None:
    pixels = files.phantom(bits=12)
    samples = np.repeat(pixels[..., None], channels, axis=2)
    if channels in (2, 4):
        samples[..., -1] = 65535
    data = files.deep_png(samples)
    grey = images.read(data)
    assert grey.max_value == 65535
    assert_same(grey.pixels, full_range(pixels), tolerance=1)
    assert images.describe(data).bits_stored == 16


@pytest.mark.parametrize("channels", [2, 4])
def test_16_bit_transparency_is_composited_on_black(channels: int) -> None:
    samples = np.full((8, 8, channels), 4000, np.uint16)
    samples[..., -1] = 65535
    samples[:, :4, -1] = 0
    assert images.read(files.deep_png(samples)).pixels[0].tolist() == [0] * 4 + [65535] * 4


def test_16_bit_colour_is_converted_to_luma() -> None:
    samples = np.zeros((8, 8, 3), np.uint16)
    samples[1:] = (2000, 1000, 500)
    samples[2:] = (4000, 4000, 4000)
    luma = (0.299 * 2000 + 0.587 * 1000 + 0.114 * 500) / 4000 * 65535
    assert_same(images.read(files.deep_png(samples)).pixels[1, :1], np.array([luma]), tolerance=10)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_a_png_of_any_mode_gives_the_same_greys(mode: str) -> None:
    pixels = files.phantom()
    assert_same(images.read(files.png(pixels, mode)).pixels, pixels, tolerance=1)


def test_a_bilevel_png_is_black_and_white() -> None:
    pixels = np.where(files.phantom() > 128, 255, 0).astype(np.uint8)
    assert_same(images.read(files.png(pixels, "1")).pixels, pixels)


def test_transparency_is_composited_on_black() -> None:
    pixels = np.full((8, 8, 4), 200, np.uint8)
    pixels[:, :4, 3] = 0
    pixels[:, 4:, 3] = 255
    grey = images.read(files.png(pixels)).pixels
    assert (grey[:, :4] == 0).all()
    assert (grey[:, 4:] == 200).all()


def test_a_transparent_palette_entry_is_composited_on_black() -> None:
    image = Image.fromarray(np.repeat(np.array([[0, 1]], np.uint8), 8, axis=0), "P")
    image.putpalette([250, 250, 250, 100, 100, 100])
    buffer = BytesIO()
    image.save(buffer, "PNG", transparency=0)
    assert images.read(buffer.getvalue()).pixels[0].tolist() == [0, 100]


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_grey_jpeg(options: dict[str, Any]) -> None:
    pixels = files.phantom()
    assert_same(images.read(files.jpeg(pixels, **options)).pixels, pixels, tolerance=12)


def test_a_colour_jpeg_is_converted_to_luma() -> None:
    colour = np.zeros((32, 32, 3), np.uint8)
    colour[...] = (200, 100, 50)
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert_same(images.read(files.jpeg(colour)).pixels, np.full((32, 32), luma), tolerance=2)


def test_the_exif_orientation_is_applied() -> None:
    pixels = files.phantom()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    turned = images.read(files.jpeg(pixels, exif=exif)).pixels
    assert_same(turned, np.rot90(pixels, -1), tolerance=12)


# ── DICOM: transfer syntaxes ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("modality", ["CR", "DX", "RG"])
def test_plain_radiographs_are_read(modality: str) -> None:
    pixels = files.phantom()
    assert_same(images.read(files.dicom(pixels, Modality=modality)).pixels, pixels)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
)
def test_uncompressed(syntax: uid.UID, bits: int) -> None:
    pixels = files.phantom(bits)
    grey = images.read(files.in_byte_order(files.dicom(pixels, bits), syntax))
    assert grey.max_value == (255 if bits == 8 else 65535)
    assert_same(grey.pixels, pixels if bits == 8 else full_range(pixels), tolerance=1)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(
    "name",
    [
        "JPEGLosslessProcess14",
        "JPEGLosslessProcess14_1",
        "JPEGLSLossless",
        "JPEG2000Lossless",
        "RLELossless",
    ],
)
def test_lossless_compression_changes_no_pixel(name: str, bits: int) -> None:
    plain = files.dicom(files.phantom(bits), bits)
    assert_same(images.read(files.compressed(plain, name)).pixels, images.read(plain).pixels)


@pytest.mark.parametrize("name", ["JPEGBaselineProcess1", "JPEG2000", "JPEGLSNearLossless"])
def test_lossy_compression(name: str) -> None:
    plain = files.dicom(files.phantom())
    lossy = files.compressed(plain, name)
    assert_same(images.read(lossy).pixels, images.read(plain).pixels, tolerance=15)


def test_a_jpeg_gives_the_same_pixels_alone_and_inside_dicom() -> None:
    for pixels in (files.phantom(), np.repeat(files.phantom()[..., None], 3, axis=2)):
        frame = files.jpeg(pixels)
        wrapped = files.encapsulated_jpeg(frame, pixels)
        assert_same(images.read(wrapped).pixels, images.read(frame).pixels)


def test_a_frame_in_several_fragments_is_one_frame() -> None:
    pixels = files.phantom()
    frame = files.jpeg(pixels)
    ds = pydicom.dcmread(BytesIO(files.encapsulated_jpeg(frame, pixels)))
    ds.PixelData = pydicom.encaps.encapsulate([frame], fragments_per_frame=3)
    assert_same(images.read(files.file_bytes(ds)).pixels, images.read(frame).pixels)


# ── DICOM: the grayscale pipeline ───────────────────────────────────────────────────────────────


def ramp(bits: int, signed: bool = False) -> NDArray[Any]:
    """Every value that a pixel of so many bits can have, once."""
    values = np.arange(2**bits) - (2 ** (bits - 1) if signed else 0)
    itemsize = 1 if bits <= 8 else 2
    return values.astype(f"{'i' if signed else 'u'}{itemsize}").reshape(-1, 64)


def test_monochrome1_is_inverted() -> None:
    pixels = ramp(8)
    grey = images.read(files.dicom(pixels, PhotometricInterpretation="MONOCHROME1"))
    assert_same(grey.pixels, 255 - pixels)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_signed_pixels(bits: int) -> None:
    pixels = ramp(bits, signed=True)
    grey = images.read(files.dicom(pixels, bits)).pixels
    assert (np.diff(grey.ravel().astype(int)) >= 0).all()
    assert (grey.min(), grey.max()) == (0, 65535)


def test_bits_above_bits_stored_are_not_image() -> None:
    pixels = files.phantom(12)
    with_overlay = pixels | np.uint16(0xF000)
    assert_same(
        images.read(files.dicom(with_overlay, 12)).pixels,
        images.read(files.dicom(pixels, 12)).pixels,
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # PS3.3 C.11.2.1.2.1: the example's formula with c=2048, w=1000.
        (None, lambda x: np.clip((x - 2047.5) / 999 + 0.5, 0, 1)),
        ("LINEAR", lambda x: np.clip((x - 2047.5) / 999 + 0.5, 0, 1)),
        ("LINEAR_EXACT", lambda x: np.clip((x - 2048) / 1000 + 0.5, 0, 1)),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 2048) / 1000))),
    ],
)
def test_window(function: str | None, expected: Any) -> None:
    pixels = ramp(12)
    elements: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 1000}
    if function:
        elements["VOILUTFunction"] = function
    grey = images.read(files.dicom(pixels, 12, **elements)).pixels
    assert_same(grey, np.rint(expected(pixels.astype(float)) * 65535), tolerance=1)


def test_the_first_of_several_windows_counts() -> None:
    pixels = ramp(12)
    several = files.dicom(pixels, 12, WindowCenter=[2048, 100], WindowWidth=[1000, 50])
    one = files.dicom(pixels, 12, WindowCenter=2048, WindowWidth=1000)
    assert_same(images.read(several).pixels, images.read(one).pixels)


def test_the_window_is_in_rescaled_units() -> None:
    pixels = ramp(12)
    rescaled = files.dicom(
        pixels, 12, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3096, WindowWidth=2001
    )
    plain = files.dicom(pixels, 12, WindowCenter=2048, WindowWidth=1001)
    assert_same(images.read(rescaled).pixels, images.read(plain).pixels, tolerance=40)


def test_a_negative_rescale_slope_inverts() -> None:
    pixels = ramp(8)
    grey = images.read(files.dicom(pixels, RescaleSlope=-1, RescaleIntercept=255)).pixels
    assert_same(grey, 255 - pixels)


def test_an_empty_window_is_no_window() -> None:
    pixels = files.phantom(12)
    empty = files.dicom(pixels, 12, WindowCenter=None, WindowWidth=None)
    assert_same(images.read(empty).pixels, images.read(files.dicom(pixels, 12)).pixels)


@pytest.mark.parametrize("vr", ["US", "OW"])
def test_a_voi_lut_is_applied_before_any_window(vr: str) -> None:
    pixels = ramp(12)
    table = (np.arange(1024, dtype=np.uint16)[::-1] * 4).astype(np.uint16)
    item = Dataset()
    item.LUTDescriptor = [1024, 1000, 12]
    item.add_new("LUTData", vr, table.tobytes() if vr == "OW" else table.tolist())
    grey = images.read(
        files.dicom(pixels, 12, VOILUTSequence=[item], WindowCenter=1, WindowWidth=2)
    ).pixels
    index = np.clip(pixels.astype(int) - 1000, 0, 1023)
    assert_same(grey, np.rint(table[index] / 4095 * 65535), tolerance=1)


def test_a_modality_lut_is_applied() -> None:
    pixels = ramp(8)
    item = Dataset()
    item.LUTDescriptor = [256, 0, 8]
    item.add_new("LUTData", "US", list(range(255, -1, -1)))
    grey = images.read(files.dicom(pixels, ModalityLUTSequence=[item])).pixels
    assert_same(grey, 255 - pixels)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_pixel_padding_is_black_and_does_not_stretch_the_greys(photometric: str) -> None:
    pixels = files.phantom(12) // 2 + 500
    padded = pixels.copy()
    padded[:10] = 4095
    elements = {"PhotometricInterpretation": photometric}
    grey = images.read(files.dicom(padded, 12, PixelPaddingValue=4095, **elements)).pixels
    assert (grey[:10] == 0).all()
    assert_same(grey[10:], images.read(files.dicom(pixels[10:], 12, **elements)).pixels)


@pytest.mark.parametrize(
    ("pixels", "vr", "value"), [(np.int16(-2000), "US", 63536), (np.uint16(63536), "SS", -2000)]
)
def test_padding_is_recognised_with_the_sign_of_the_pixels(
    pixels: np.integer[Any], vr: str, value: int
) -> None:
    padded = files.phantom(12).astype(pixels.dtype)
    padded[:10] = pixels
    ds = files.dataset(padded, PhotometricInterpretation="MONOCHROME1")
    ds.add_new(0x00280120, vr, value)
    assert (images.read(files.file_bytes(ds)).pixels[:10] == 0).all()


# ── DICOM: colour ───────────────────────────────────────────────────────────────────────────────


def test_a_colour_secondary_capture_is_converted_to_luma() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[...] = (200, 100, 50)
    data = files.dicom(pixels, SOPClassUID=uid.SecondaryCaptureImageStorage, Modality="DX")
    assert_same(images.read(data).pixels, np.full((16, 16), 124), tolerance=1)


def test_ybr_gives_its_first_component() -> None:
    pixels = np.dstack(
        [files.phantom(), np.full(files.SIZE, 90, np.uint8), np.full(files.SIZE, 160, np.uint8)]
    )
    data = files.dicom(pixels, PhotometricInterpretation="YBR_FULL")
    assert_same(images.read(data).pixels, files.phantom())


def test_planar_colour() -> None:
    pixels = np.dstack([np.full((16, 16), value, np.uint8) for value in (200, 100, 50)])
    ds = files.dataset(pixels)
    ds.PlanarConfiguration = 1
    ds.PixelData = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()
    assert_same(images.read(files.file_bytes(ds)).pixels, np.full((16, 16), 124), tolerance=1)


def test_palette_colour() -> None:
    ds = files.dataset(files.phantom())
    ds.PhotometricInterpretation = "PALETTE COLOR"
    ramp16 = (np.arange(256, dtype=np.uint16) * 257).tobytes()
    for name in ("Red", "Green", "Blue"):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", ramp16)
    assert_same(images.read(files.file_bytes(ds)).pixels, files.phantom(), tolerance=1)


# ── Headers ─────────────────────────────────────────────────────────────────────────────────────


def test_code_strings_may_be_in_lower_case() -> None:
    data = files.dicom(
        255 - files.phantom(), PhotometricInterpretation="Monochrome1 ", Modality="cr"
    )
    images.check(images.describe(data))
    assert images.describe(data).modality == "CR"
    assert_same(images.read(data).pixels, files.phantom())


@pytest.mark.parametrize("keyword", ["PixelRepresentation", "SamplesPerPixel", "BitsStored"])
def test_elements_with_only_one_possible_value_may_be_missing(keyword: str) -> None:
    pixels = files.phantom(16)
    data = files.without(files.dicom(pixels), keyword)
    assert_same(images.read(data).pixels, images.read(files.dicom(pixels)).pixels)
    images.check(images.describe(data))


def test_a_palette_of_8_bits_that_says_16() -> None:
    pixels = files.phantom()
    ds = files.dataset(pixels, PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = np.arange(256).astype("<u2").tobytes()
        setattr(ds, f"{colour}PaletteColorLookupTableData", table)
    assert_same(images.read(files.file_bytes(ds)).pixels, pixels, tolerance=1)


def test_ybr_that_is_not_subsampled_whatever_its_name() -> None:
    grey = files.phantom()
    pixels = np.stack([grey, np.full_like(grey, 128), np.full_like(grey, 128)], axis=-1)
    data = files.dicom(pixels, PhotometricInterpretation="YBR_FULL_422")
    assert_same(images.read(data).pixels, grey)
