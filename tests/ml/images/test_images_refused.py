"""Every reason why ml.images refuses a file, each with instructions."""

import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames

from ml import images
from ml.images.parsing import parse
from tests import dicom_files as files


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims any size, with hardly any data behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def animated_png() -> bytes:
    frames = [Image.fromarray(files.phantom(seed=seed)) for seed in range(3)]
    buffer = BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def multi_frame_dicom() -> bytes:
    ds = files.dataset(files.phantom())
    ds.NumberOfFrames = 2
    ds.PixelData *= 2
    return files.file_bytes(ds)


def jpeg_larger_than_its_header() -> bytes:
    frame = files.jpeg(files.phantom(size=(640, 480)))
    return files.encapsulated_jpeg(frame, files.phantom())


def report() -> bytes:
    ds = files.dataset(files.phantom())
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(ds, keyword)
    return files.file_bytes(ds)


def deflated() -> bytes:
    ds = files.dataset(files.phantom())
    ds.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    return files.file_bytes(ds)


def damaged_deflated() -> bytes:
    data = bytearray(deflated())
    data[-3000:-2000] = bytes(range(250)) * 4
    return bytes(data)


def deflated_bomb() -> bytes:
    """A file of some hundred kilobytes that unpacks to more than 200 MB."""
    data = deflated()
    end = 144 + int.from_bytes(data[140:144], "little")
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(packing.compress(bytes(2**20)) for _ in range(250))
    return data[:end] + packed + packing.flush()


def with_transfer_syntax(syntax: uid.UID) -> bytes:
    ds = pydicom.dcmread(
        BytesIO(files.encapsulated_jpeg(files.jpeg(files.phantom()), files.phantom()))
    )
    ds.file_meta.TransferSyntaxUID = syntax
    return files.file_bytes(ds)


def compressed_by_name_alone() -> bytes:
    """A file that names a compression, whose pixels are neither that nor all there."""
    ds = files.dataset(files.phantom())
    ds.file_meta.TransferSyntaxUID = uid.JPEGLosslessSV1
    data = files.file_bytes(files.dataset(files.phantom(size=(160, 130))))
    named = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0", 1)
    assert named != data
    at = named.index(b"\x28\x00\x10\x00US\x02\x00") + 8  # Rows
    return named[:at] + (170).to_bytes(2, "little") + named[at + 2 :]


def unknown_codestream() -> bytes:
    """A file without Transfer Syntax UID around a frame that begins like no compression."""
    frame = bytes(range(200))
    data = files.encapsulated_jpeg(frame, files.phantom())
    return files.without_transfer_syntax(data)


def dicomdir() -> bytes:
    """An index of a disc, as it lies beside the images there."""
    ds = files.dataset(files.phantom())
    for keyword in ("PixelData", "Rows", "Columns", "Modality"):
        delattr(ds, keyword)
    ds.SOPClassUID = uid.MediaStorageDirectoryStorage
    ds.FileSetID = "PHANTOMS"
    ds.DirectoryRecordSequence = []
    return files.file_bytes(ds)


def huge_dicom() -> bytes:
    ds = files.dataset(files.phantom())
    ds.Rows, ds.Columns = 20_000, 20_000
    return files.file_bytes(ds)


def two_frames_as_one() -> bytes:
    """A file of two compressed pictures that does not say so."""
    ds = files.dataset(files.phantom())
    frames = [files.jpeg(files.phantom(seed=seed)) for seed in range(2)]
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    return files.file_bytes(ds)


def twice_as_many_pixels() -> bytes:
    ds = files.dataset(files.phantom(12), 12)
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    return files.file_bytes(ds)


def lossless_jpeg_alone() -> bytes:
    data = files.compressed(files.dicom(files.phantom()), "JPEGLosslessProcess14_1")
    return next(generate_frames(pydicom.dcmread(BytesIO(data)).PixelData, number_of_frames=1))


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "zero bytes": ("empty", lambda: b""),
    "text": ("not_an_image", lambda: b"Dear colleague, ..."),
    "zip": ("not_an_image", lambda: b"PK\x03\x04" + bytes(100)),
    "another image type": ("not_an_image", lambda: b"GIF89a" + bytes(100)),
    "truncated png": ("truncated", lambda: files.png(files.phantom())[:-200]),
    "truncated jpeg": ("truncated", lambda: files.jpeg(files.phantom())[:-200]),
    "png header only": ("truncated", lambda: files.png(files.phantom())[:20]),
    "damaged png": ("undecodable", lambda: files.png(files.phantom()).replace(b"IHDR", b"IHDX")),
    "truncated dicom pixels": ("truncated", lambda: files.dicom(files.phantom())[:-200]),
    "truncated dicom header": ("truncated", lambda: files.dicom(files.phantom())[:400]),
    "dicom preamble only": ("truncated", lambda: files.dicom(files.phantom())[:132]),
    "truncated jpeg in dicom": (
        "truncated",
        lambda: files.encapsulated_jpeg(files.jpeg(files.phantom())[:-300], files.phantom()),
    ),
    "truncated encapsulation": (
        "truncated",
        lambda: files.encapsulated_jpeg(files.jpeg(files.phantom()), files.phantom())[:-200],
    ),
    "png bomb": ("too_many_pixels", lambda: png_claiming(50_000, 50_000)),
    "png a little over the bound": ("too_many_pixels", lambda: png_claiming(10_001, 10_000)),
    "dicom over the bound": ("too_many_pixels", huge_dicom),
    "jpeg larger than its dicom header": ("undecodable", jpeg_larger_than_its_header),
    "animated png": ("multi_frame", animated_png),
    "lossless jpeg alone": ("unsupported_compression", lossless_jpeg_alone),
    "two frames as one": ("multi_frame", two_frames_as_one),
    "16 bits called 8": ("contradictory_pixels", twice_as_many_pixels),
    "a column fewer than there are": (
        "contradictory_pixels",
        lambda: files.with_elements(files.dicom(files.phantom()), Columns=files.SIZE[1] - 1),
    ),
    "rows fewer than there are": (
        "contradictory_pixels",
        lambda: files.with_elements(files.dicom(files.phantom()), Rows=files.SIZE[0] - 10),
    ),
    "grey of three samples": (
        "contradictory_pixels",
        lambda: files.dicom(
            np.stack([files.phantom()] * 3, axis=-1), PhotometricInterpretation="MONOCHROME2"
        ),
    ),
    "neither grey nor colour": (
        "contradictory_pixels",
        lambda: files.without(files.dicom(files.phantom()), "PhotometricInterpretation"),
    ),
    "multi-frame dicom": ("multi_frame", multi_frame_dicom),
    "ct": ("wrong_modality", lambda: files.dicom(files.phantom(), Modality="CT")),
    "ct class": (
        "wrong_modality",
        lambda: files.dicom(files.phantom(), Modality="DX", SOPClassUID=uid.CTImageStorage),
    ),
    "no modality": ("wrong_modality", lambda: files.dicom(files.phantom(), Modality="")),
    "report": ("no_image", report),
    "raw detector image": (
        "for_processing",
        lambda: files.dicom(
            files.phantom(), Modality="DX", PresentationIntentType="FOR PROCESSING"
        ),
    ),
    "deflated and cut": ("truncated", lambda: deflated()[:-2000]),
    "deflated and damaged": ("undecodable", damaged_deflated),
    "deflated bomb": ("too_large", deflated_bomb),
    "video": ("unsupported_compression", lambda: with_transfer_syntax(uid.MPEG2MPML)),
    "32 bits": (
        "unsupported_pixels",
        lambda: files.dicom(files.phantom().astype(np.uint32), Modality="DX"),
    ),
    "compressed and cut": ("undecodable", compressed_by_name_alone),
    "compressed in no known way": ("unsupported_compression", unknown_codestream),
    "directory": ("no_image", dicomdir),
    "header only": ("no_image", lambda: files.without(files.dicom(files.phantom()), "PixelData")),
    "raw detector image by its class": (
        "for_processing",
        lambda: files.dicom(
            files.phantom(), Modality="DX", SOPClassUID=uid.DigitalXRayImageStorageForProcessing
        ),
    ),
    "pixels that are declared as text": (
        "undecodable",
        lambda: files.dicom(files.phantom()).replace(b"\xe0\x7f\x10\x00OB", b"\xe0\x7f\x10\x00UT"),
    ),
    "raw detector image, written otherwise": (
        "for_processing",
        lambda: files.dicom(files.phantom(), PresentationIntentType="For Processing"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    code, make = REFUSED[name]
    with pytest.raises(images.ImageError) as refusal:
        images.read(make())
    assert refusal.value.code == code
    assert refusal.value.message.endswith(".")


@pytest.mark.parametrize(
    "name",
    [
        "zero bytes",
        "text",
        "png bomb",
        "ct",
        "ct class",
        "report",
        "deflated bomb",
    ],
)
def test_the_header_is_enough_to_refuse(name: str) -> None:
    code, make = REFUSED[name]
    with pytest.raises(images.ImageError) as refusal:
        images.check(images.describe(make()))
    assert refusal.value.code == code


def frames(said: int | None, found: int, *, is_compressed: bool) -> bytes:
    """A file whose header says one number of frames and whose pixels are of another."""
    ds = files.dataset(files.phantom())
    if said is not None:
        ds.NumberOfFrames = said
    if is_compressed:
        ds.PixelData = encapsulate([files.jpeg(files.phantom(seed=seed)) for seed in range(found)])
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    else:
        ds.PixelData *= found
    return files.file_bytes(ds)


COMPRESSED, NATIVE = True, False


@pytest.mark.parametrize(
    ("said", "found", "is_compressed", "code", "words"),
    [
        (2, 1, NATIVE, "contradictory_pixels", "holds 2 frames (Number of Frames), but there are"),
        (2, 1, COMPRESSED, "contradictory_pixels", "pixels of 1. Frames may be missing"),
        (3, 2, NATIVE, "contradictory_pixels", "holds 3 frames"),
        (3, 2, COMPRESSED, "contradictory_pixels", "pixels of 2."),
        (2, 2, NATIVE, "multi_frame", "The file contains several frames."),
        (2, 2, COMPRESSED, "multi_frame", "The file contains several frames."),
        (1, 2, NATIVE, "contradictory_pixels", "more pixels than its header describes"),
        (1, 2, COMPRESSED, "multi_frame", "contains 2 images, but its header describes one"),
        (None, 2, COMPRESSED, "multi_frame", "contains 2 images, but its header describes one"),
    ],
)
def test_what_header_and_pixels_say_of_the_frames_is_named(
    said: int | None, found: int, is_compressed: bool, code: str, words: str
) -> None:
    data = frames(said, found, is_compressed=is_compressed)
    for look in (images.read, images.read_stored, lambda data: images.check_pixels(data, 64)):
        with pytest.raises(images.ImageError) as refusal:
            look(data)
        assert refusal.value.code == code
        assert words in refusal.value.message


@pytest.mark.parametrize("is_compressed", [COMPRESSED, NATIVE])
def test_one_frame_that_says_so_is_read(is_compressed: bool) -> None:
    assert images.read(frames(1, 1, is_compressed=is_compressed)).pixels.shape == files.SIZE


def test_fragments_without_a_delimiter_are_read_and_truncated_ones_refused() -> None:
    pixels = files.phantom()
    data = files.encapsulated_jpeg(files.jpeg(pixels), pixels)
    closing = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    assert data.endswith(closing)
    bare = data.removesuffix(closing)
    np.testing.assert_array_equal(images.read(bare).pixels, images.read(data).pixels)
    assert images.describe(bare) == images.describe(data)
    for cut in (bare[:-2], bare[: len(bare) // 2]):
        with pytest.raises(images.ImageError) as refusal:
            images.check_whole(cut)
        assert refusal.value.code == "truncated"


def test_several_numbers_of_samples_take_no_memory() -> None:
    data = files.dicom(files.phantom(), SamplesPerPixel=[1, 1, 1], Columns=2_000)
    tracemalloc.start()
    try:
        with pytest.raises(images.ImageError) as refusal:
            images.read(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refusal.value.code == "undecodable"
    assert most < 10e6


def test_no_value_from_the_file_is_in_the_message() -> None:
    data = files.dicom(files.phantom(), Modality="DOE", PatientName="Doe^Jane", PatientID="X99")
    data = data.replace(b"DOE ", b"D^J ")
    with pytest.raises(images.ImageError) as refusal:
        images.read(data)
    assert "D^J" not in str(refusal.value)


def test_nothing_is_printed_about_the_values_of_a_file(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    data = files.dicom(files.phantom(), PatientBirthDate="19700101").replace(
        b"19700101", b"Doe-Jane"
    )
    images.describe(data)
    printed = capfd.readouterr()
    assert "Doe" not in printed.out + printed.err + "".join(
        str(warning.message) for warning in recwarn
    )


def test_nothing_is_logged_about_an_unknown_character_set(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file may have anything there, even a patient's name."""
    data = files.dicom(files.phantom(), SpecificCharacterSet="DOE_JANE", StudyDescription="Chest")
    assert str(parse(data)["StudyDescription"].value) == "Chest"
    assert "DOE" not in caplog.text + capfd.readouterr().err


def test_neither_tensorflow_nor_django_is_imported() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, ml.images; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"tensorflow", "keras", "django"} & set(loaded)
