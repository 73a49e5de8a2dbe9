"""Overlay planes: their position in any encoding, and that no model ever gets them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import uid

from ml import images
from tests import dicom_files as files

SIZE = files.SIZE
DEEP = files.phantom(12)


def marker(size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    """A letter L whose ends are not alike, so that it shows when it is turned or shifted."""
    mask = np.zeros(size, np.bool_)
    mask[3:13, 5:7] = True
    mask[11:13, 5:12] = True
    return mask


def overlay_of(data: bytes) -> images.Overlay:
    overlay = images.read_stored(data).overlay
    assert overlay is not None
    return overlay


def test_most_files_have_none() -> None:
    assert images.read_stored(files.dicom(DEEP, 12)).overlay is None
    assert images.read_overlay(files.dicom(DEEP, 12)) is None


def test_a_plane_is_aligned_with_the_image() -> None:
    ds = files.dataset(DEEP, 12)
    files.add_overlay(ds, marker())
    overlay = overlay_of(files.file_bytes(ds))
    assert np.array_equal(overlay.mask, marker())
    assert (overlay.planes, overlay.unreadable, overlay.is_cut) == (1, 0, False)


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_overlays_are_read_in_every_byte_order(syntax: uid.UID) -> None:
    ds = files.dataset(DEEP, 12)
    files.add_overlay(ds, marker())
    data = files.in_byte_order(files.file_bytes(ds), syntax)
    if syntax == uid.ExplicitVRBigEndian:
        # pydicom writes the bytes of OW as it is given them.
        ds[0x6000, 0x3000].value = (
            np.frombuffer(ds[0x6000, 0x3000].value, np.uint16).byteswap().tobytes()
        )
        data = files.in_byte_order(files.file_bytes(ds), syntax)
    assert np.array_equal(overlay_of(data).mask, marker())


def test_the_origin_is_counted_from_one_and_may_be_outside_the_image() -> None:
    small = np.ones((10, 20), np.bool_)
    ds = files.dataset(DEEP, 12)
    files.add_overlay(ds, small, origin=(31, 41))
    overlay = overlay_of(files.file_bytes(ds))
    expected = np.zeros(SIZE, np.bool_)
    expected[30:40, 40:60] = True
    assert np.array_equal(overlay.mask, expected)
    assert not overlay.is_cut

    ds = files.dataset(DEEP, 12)
    files.add_overlay(ds, small, origin=(-4, SIZE[1] - 9))
    overlay = overlay_of(files.file_bytes(ds))
    expected = np.zeros(SIZE, np.bool_)
    expected[0:5, SIZE[1] - 10 :] = True
    assert np.array_equal(overlay.mask, expected)
    assert overlay.is_cut


@pytest.mark.parametrize("origin", [(-200, 1), (1, 5000), (500, -500)])
def test_a_plane_outside_the_image_is_reported_as_cropped(origin: tuple[int, int]) -> None:
    ds = files.dataset(DEEP, 12)
    files.add_overlay(ds, np.ones((10, 20), np.bool_), origin=origin)
    overlay = overlay_of(files.file_bytes(ds))
    assert not overlay.mask.any()
    assert overlay.is_cut


def test_several_planes_are_superimposed() -> None:
    other = np.zeros(SIZE, np.bool_)
    other[100:110, 20:90] = True
    ds = files.dataset(DEEP, 12)
    files.add_overlay(ds, marker(), group=0x6000)
    files.add_overlay(ds, other, group=0x601E)
    overlay = overlay_of(files.file_bytes(ds))
    assert np.array_equal(overlay.mask, marker() | other)
    assert overlay.planes == 2


@pytest.mark.parametrize("bit", [12, 15])
def test_a_plane_in_unused_bits_of_the_pixels_is_extracted(bit: int) -> None:
    ds = files.dataset(DEEP, 12)
    files.embed_overlay(ds, marker(), bit)
    data = files.file_bytes(ds)
    assert np.array_equal(overlay_of(data).mask, marker())
    assert np.array_equal(images.read_stored(data).pixels, DEEP)
    compressed = files.compressed(data, "RLELossless")
    assert np.array_equal(overlay_of(compressed).mask, marker())


def test_no_model_gets_an_overlay() -> None:
    plain = images.read(files.dicom(DEEP, 12)).pixels
    separate, embedded = files.dataset(DEEP, 12), files.dataset(DEEP, 12)
    files.add_overlay(separate, marker())
    files.embed_overlay(embedded, marker(), 14)
    for ds in (separate, embedded):
        assert np.array_equal(images.read(files.file_bytes(ds)).pixels, plain)


def test_an_unreadable_overlay_affects_neither_the_image_nor_the_others() -> None:
    ds = files.dataset(DEEP, 12)
    files.add_overlay(ds, marker(), group=0x6000)
    files.add_overlay(ds, marker(), group=0x6002)
    files.add_overlay(ds, marker(), group=0x6004)
    files.embed_overlay(ds, np.zeros(SIZE), 13, group=0x6006)
    ds[0x6002, 0x3000].value = ds[0x6002, 0x3000].value[:100]
    del ds[0x6004, 0x3000]  # announced in bit 0, which holds greys
    ds[0x6006, 0x0010].value = 7
    data = files.file_bytes(ds)
    overlay = overlay_of(data)
    assert np.array_equal(overlay.mask, marker())
    assert (overlay.planes, overlay.unreadable) == (1, 3)
    assert np.array_equal(images.read_stored(data).pixels, DEEP)
