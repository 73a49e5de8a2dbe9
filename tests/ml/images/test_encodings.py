"""DICOM files that do not declare their encoding, or declare it wrong, but whose bytes show it."""

from collections.abc import Callable

import numpy as np
import pytest
from pydicom import uid

from ml import images
from tests import dicom_files as files

PIXELS = files.phantom(12)
PLAIN = files.dicom(PIXELS, 12, WindowCenter=2048, WindowWidth=4096)
SHOWN = images.read(PLAIN).pixels
NATIVE = [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian]
COMPRESSED = [
    "RLELossless",
    "JPEGLosslessProcess14",
    "JPEGLosslessProcess14_1",
    "JPEGLSLossless",
    "JPEG2000Lossless",
]


def assert_read(data: bytes) -> None:
    """The file is taken for DICOM, described and read, for a person, the model and the viewer."""
    assert images.sniff(data[:132]) == "dicom"
    facts = images.describe(data)
    images.check(facts)
    assert (facts.rows, facts.columns, facts.patient_id) == (*files.SIZE, "PHANTOM-1")
    assert np.array_equal(images.read(data).pixels, SHOWN)
    stored = images.read_stored(data)
    assert (stored.lower, stored.upper, stored.notes) == (0, 4095, ())


def ways_to_lack_it(data: bytes) -> dict[str, bytes]:
    return {
        "no transfer syntax": files.without_transfer_syntax(data),
        "empty transfer syntax": files.with_transfer_syntax(data, ""),
        "no preamble": files.without_preamble(data),
        "no preamble, with prefix": b"DICM" + files.without_preamble(data),
        "data set alone": files.without_preamble(data, with_meta=False),
    }


@pytest.mark.parametrize(
    ("syntax", "lacking"),
    [
        (syntax, lacking)
        for syntax in NATIVE
        for lacking in ways_to_lack_it(PLAIN)
        # A transfer syntax that is there and empty counts as little endian.
        if (syntax, lacking) != (uid.ExplicitVRBigEndian, "empty transfer syntax")
    ],
)
def test_uncompressed_pixels_are_read_whatever_is_missing(syntax: uid.UID, lacking: str) -> None:
    assert_read(ways_to_lack_it(files.in_byte_order(PLAIN, syntax))[lacking])


@pytest.mark.parametrize("lacking", ways_to_lack_it(PLAIN))
@pytest.mark.parametrize("name", COMPRESSED)
def test_compression_is_recognised_by_its_first_bytes(name: str, lacking: str) -> None:
    assert_read(ways_to_lack_it(files.compressed(PLAIN, name))[lacking])


@pytest.mark.parametrize("named", [uid.ExplicitVRLittleEndian, uid.JPEGLSLossless, uid.RLELossless])
@pytest.mark.parametrize("name", COMPRESSED)
def test_compression_may_be_declared_wrong(name: str, named: uid.UID) -> None:
    assert_read(files.with_transfer_syntax(files.compressed(PLAIN, name), named))


@pytest.mark.parametrize(
    "named", [uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1, uid.JPEG2000Lossless, uid.RLELossless]
)
def test_uncompressed_pixels_may_be_declared_compressed(named: uid.UID) -> None:
    assert_read(files.with_transfer_syntax(PLAIN, named))


@pytest.mark.parametrize("named", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_big_endian_may_be_declared_little(named: uid.UID) -> None:
    data = files.in_byte_order(PLAIN, uid.ExplicitVRBigEndian)
    assert_read(files.with_transfer_syntax(data, named))


def test_little_endian_may_be_declared_big() -> None:
    assert_read(files.with_transfer_syntax(PLAIN, uid.ExplicitVRBigEndian))


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"\x08\x00" + b"not a data set at all, only two bytes like one" * 5,
        lambda: b"\x02\x00\x00\x00XX\x04\x00" + bytes(200),
        lambda: bytes(132),
        lambda: b"ISO-8859-1 text" * 20,
    ],
)
def test_bytes_that_only_resemble_a_data_set_are_refused(make: Callable[[], bytes]) -> None:
    data = make()
    assert images.sniff(data[:132]) is None
    with pytest.raises(images.ImageError) as refusal:
        images.read(data)
    assert refusal.value.code == "not_an_image"


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("kept", [20, 300, 500, 0.5, 0.9])
def test_a_truncated_file_without_preamble_is_truncated(syntax: uid.UID, kept: float) -> None:
    data = files.without_preamble(files.in_byte_order(PLAIN, syntax), with_meta=False)
    with pytest.raises(images.ImageError) as refusal:
        images.read(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    assert refusal.value.code in {"truncated", "no_image", "wrong_modality"}
