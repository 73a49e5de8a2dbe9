"""Parsing a DICOM file and determining its encoding.

A file may lack the preamble or the Transfer Syntax UID, or declare a wrong one. Unambiguous
evidence in its bytes then counts: Explicit VR has letters where implicit VR has a length, big
endian swaps the group numbers, and each compression begins with its own marker.
"""

import logging
import re
import warnings
from io import BytesIO

from pydicom import config as pydicom_config
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag

from ml.errors import ImageError, truncated
from ml.images import jpeg
from ml.images.deflated import inflated
from ml.images.elements import first_number, texts

# Values that break their VR's rules are common and harmless here, and pydicom would quote them
# (names, dates of birth) in warnings and logs.
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom\.")

NATIVE = frozenset(
    {uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian}
)
JPEG_FAMILY = frozenset(
    {
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLSLossless,
        uid.JPEGLSNearLossless,
        uid.JPEG2000Lossless,
        uid.JPEG2000,
    }
)
TRANSFER_SYNTAXES = NATIVE | JPEG_FAMILY | {uid.RLELossless}

_PREAMBLE, _PREFIX = 128, b"DICM"
_META_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_BIG_ENDIAN = b"UI\x14\x00" + str(uid.ExplicitVRBigEndian).encode() + b"\0"
_PIXEL_DATA, _UNDEFINED = 0x7FE00010, 0xFFFFFFFF
#: The groups that identify patient, study and image, and what describes its pixels, without which
#: they cannot be read. Of two values pydicom keeps the last, other programs the first.
_IDENTIFYING = frozenset({0x0008, 0x0010, 0x0020})
_DESCRIBING = frozenset(
    0x00280000 | each for each in (0x0002, 0x0004, 0x0010, 0x0011, 0x0100, 0x0101, 0x0103)
)
_LONGEST_GIVEN_ONCE = 1024
ITEM_TAG = b"\xfe\xff\x00\xe0"
SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
#: Pixel Data of undefined length, as explicit and implicit VR write it.
_FRAGMENTS_BEGIN = re.compile(rb"\xe0\x7f\x10\x00(?:O[BW]\x00\x00)?\xff{4}(?=\xfe\xff\x00\xe0)")
#: Two of them begin every data set of a file: SOP Class UID and the element before it.
_FIRST_VRS = {b"UL", b"OB", b"CS", b"UI", b"DA", b"TM", b"LO", b"SH"}
_LONGEST_FIRST_VALUE = 1024
#: Transfer syntaxes whose codestreams begin alike: all are decoded the same, whichever is named.
_BY_PROCESS = {
    jpeg.BASELINE: (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit),
    jpeg.EXTENDED: (uid.JPEGExtended12Bit,),
    jpeg.PROGRESSIVE: (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit),
    jpeg.LOSSLESS: (uid.JPEGLossless, uid.JPEGLosslessSV1),
    jpeg.JPEG_LS: (uid.JPEGLSLossless, uid.JPEGLSNearLossless),
    jpeg.JPEG_2000: (uid.JPEG2000, uid.JPEG2000Lossless),
}


def begins_like_dicom(data: bytes) -> bool:
    """Whether the first 132 bytes are those of a DICOM file, with or without preamble."""
    if data.startswith(_PREFIX, _PREAMBLE) or data.startswith(_PREFIX):
        return True
    group, vr = data[:2], data[4:6]
    if group in (b"\x02\x00", b"\x08\x00") and vr in _FIRST_VRS:
        return True
    if group == b"\x00\x08" and vr in _FIRST_VRS:
        return True
    is_implicit = group == b"\x08\x00" and len(data) > 8
    return is_implicit and int.from_bytes(data[4:8], "little") <= _LONGEST_FIRST_VALUE


def parse(data: bytes, *, stop_before_pixels: bool = False) -> FileDataset:
    """Return the data set of a DICOM file, with its actual Transfer Syntax UID.

    With `stop_before_pixels` the declared one is not compared with the pixels. Raises ImageError
    if there is no readable data set, or if the encoding of its pixels cannot be determined.
    """
    try:
        return _parse(data, stop_before_pixels=stop_before_pixels)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # elements are only converted when accessed
        raise undecodable(error) from None


def _parse(data: bytes, *, stop_before_pixels: bool) -> FileDataset:
    # pydicom would inflate them to any size, even for the header alone.
    data = inflated(data)
    if data[: len(_PREFIX)] == _PREFIX:
        data = bytes(_PREAMBLE) + data
    data = _in_named_byte_order(data)
    if _lacks_delimiter(data):
        data += SEQUENCE_DELIMITER
    dataset = _read(data, stop_before_pixels)
    _refuse_index(dataset)
    if not len(dataset) or _is_cut(dataset):
        raise truncated()
    _complete(dataset)
    if stop_before_pixels and meta_text(dataset, "TransferSyntaxUID"):
        return dataset
    if stop_before_pixels:
        dataset = _read(data, False)
        _complete(dataset)
    if "PixelData" in dataset:
        dataset.file_meta.TransferSyntaxUID = _transfer_syntax(dataset)
        _correct_samples(dataset)
    return dataset


def _correct_samples(dataset: FileDataset) -> None:
    """Describe a grey JPEG as such; the codestream takes precedence over the header (PS3.5 8.2)."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in JPEG_FAMILY or first_number(dataset, "SamplesPerPixel") != 3:
        return
    stream = jpeg.parse(frame(dataset))
    if stream is not None and stream.components == 1:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.pop("PlanarConfiguration", None)


def _in_named_byte_order(data: bytes) -> bytes:
    """Return a file without its meta information if that declares the wrong byte order."""
    if data[132:140] != _META_LENGTH:
        return data
    end = 144 + int.from_bytes(data[140:144], "little")
    is_big, is_named_big = data[end : end + 2] == b"\x00\x08", _BIG_ENDIAN in data[:end]
    is_little = data[end : end + 2] == b"\x08\x00"
    if (is_big and not is_named_big) or (is_little and is_named_big):
        return data[:132] + data[end:]
    return data


def _lacks_delimiter(data: bytes) -> bool:
    """Whether the file ends with a complete fragment but no sequence delimiter (PS3.5 A.4)."""
    if data.endswith(SEQUENCE_DELIMITER):
        return False
    match = _FRAGMENTS_BEGIN.search(data)
    if match is None:
        return False
    at = match.end()
    while data[at : at + 4] == ITEM_TAG:
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    return at == len(data)


def _read(data: bytes, stop_before_pixels: bool) -> FileDataset:
    source = BytesIO(data)
    values: dict[int, set[bytes]] = {}
    tags: list[int] = []

    def is_end(tag: BaseTag, _vr: str | None, length: int) -> bool:
        tags.append(tag)
        # pydicom also asks about the first tag, with length 0, to see whether its VR is explicit.
        is_real = 0 < length <= _LONGEST_GIVEN_ONCE or (length == 0 and tag in values)
        if is_real and _is_given_once(tag):
            at = source.tell()
            values.setdefault(tag, set()).add(data[at : at + length].strip(b"\0 "))
        return stop_before_pixels and tag == _PIXEL_DATA

    try:
        dataset = read_partial(source, is_end, force=True)
    except EOFError:
        raise truncated() from None
    except MemoryError:
        raise
    except Exception as error:  # pydicom raises many kinds for broken files
        raise undecodable(error) from None
    if any(len(distinct) > 1 for distinct in values.values()):
        raise ImageError("undecodable", variant="twice")
    if _PIXEL_DATA in tags and _follows_pixels(tags):
        raise ImageError("undecodable", variant="order")
    return dataset


def _follows_pixels(tags: list[int]) -> bool:
    """Whether elements that identify or describe the image stand after its pixels.

    A program that reads only the header would overlook them.
    """
    at = tags.index(_PIXEL_DATA)
    return at == 0 or any(_is_given_once(tag) for tag in tags[at:])


def _is_given_once(tag: int) -> bool:
    return tag >> 16 in _IDENTIFYING or tag in _DESCRIBING


def _complete(dataset: FileDataset) -> None:
    """Add missing header values that are unambiguous."""
    if "BitsAllocated" not in dataset:
        return
    photometric = texts(dataset, "PhotometricInterpretation")[:1]
    if photometric and dataset.PhotometricInterpretation != photometric[0]:
        dataset.PhotometricInterpretation = photometric[0]  # in lower case
    if "SamplesPerPixel" not in dataset and photometric and photometric[0].startswith("MONO"):
        dataset.SamplesPerPixel = 1
    stored, allocated = (first_number(dataset, k) or 0 for k in ("BitsStored", "BitsAllocated"))
    if "BitsStored" not in dataset or stored > allocated:
        dataset.BitsStored = dataset.BitsAllocated
    if "PixelRepresentation" not in dataset:
        dataset.PixelRepresentation = 0
    if "PlanarConfiguration" not in dataset and "RGB" in photometric:
        dataset.PlanarConfiguration = 0


def meta_text(dataset: FileDataset, keyword: str) -> str:
    """Return text of the file meta information, empty if absent or unreadable."""
    try:
        return str(dataset.file_meta.get(keyword) or "")
    except Exception:  # one unreadable element must not make the file unreadable
        return ""


def _refuse_index(dataset: FileDataset) -> None:
    storage = meta_text(dataset, "MediaStorageSOPClassUID")
    if storage == uid.MediaStorageDirectoryStorage or "DirectoryRecordSequence" in dataset:
        raise ImageError("no_image", variant="dicomdir")


def _is_cut(dataset: FileDataset) -> bool:
    """Whether the file ends within a header element's value."""
    last = max(dataset.keys())
    element = dataset.get_item(last)
    length = getattr(element, "length", _UNDEFINED)  # of an element as it lies in the file
    if last >= _PIXEL_DATA or length == _UNDEFINED:
        return False
    return len(element.value or b"") < length


def frame(dataset: FileDataset) -> bytes:
    """Return the one compressed frame of a data set."""
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def _transfer_syntax(dataset: FileDataset) -> uid.UID:
    """Return the actual transfer syntax of the pixels, nearly always the one declared."""
    named = uid.UID(meta_text(dataset, "TransferSyntaxUID"))
    if named and named not in TRANSFER_SYNTAXES:
        return named
    if not is_encapsulated(dataset):
        if named in NATIVE or (named and not _is_as_long_as_uncompressed(dataset)):
            return named
        return _uncompressed_syntax(dataset)
    possible = _compressed_syntaxes(dataset)
    if named in possible:
        return named
    if possible:
        return possible[0]
    if named and named not in NATIVE:
        return named
    raise ImageError("unsupported_compression", variant="not_named")


def _uncompressed_syntax(dataset: FileDataset) -> uid.UID:
    is_implicit, is_little_endian = dataset.original_encoding
    if not is_little_endian:
        return uid.ExplicitVRBigEndian
    return uid.ImplicitVRLittleEndian if is_implicit else uid.ExplicitVRLittleEndian


def is_encapsulated(dataset: FileDataset) -> bool:
    """Whether the pixels are in fragments, as compressed ones must be (PS3.5 A.4)."""
    element = dataset["PixelData"]
    return bool(element.is_undefined_length) or (
        bytes(element.value[:4]) == ITEM_TAG and not _is_as_long_as_uncompressed(dataset)
    )


def uncompressed_length(dataset: FileDataset) -> int:
    """Return the uncompressed length of the frame in bytes."""
    # An element may have several values, and a list multiplied by a number is as many lists.
    size = int(dataset.Rows) * int(dataset.Columns)
    bits = size * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
    # As it lies in the file: what was converted once can no longer be looked at letter by letter.
    if "YBR_FULL_422" in texts(dataset, "PhotometricInterpretation"):
        bits = bits * 2 // 3
    return int(bits // 8)


def _is_as_long_as_uncompressed(dataset: FileDataset) -> bool:
    try:
        length = uncompressed_length(dataset)
    except (AttributeError, TypeError, ValueError):
        return False
    return len(dataset.PixelData) in (length, length + length % 2)


def _compressed_syntaxes(dataset: FileDataset) -> tuple[uid.UID, ...]:
    """Return the possible transfer syntaxes of the compressed frame from its first bytes."""
    try:
        data = frame(dataset)
    except Exception:  # pydicom raises many kinds for broken fragments
        return ()
    stream = jpeg.parse(data)
    if stream is not None:
        return _BY_PROCESS.get(stream.process, ())
    return (uid.RLELossless,) if _begins_like_rle(data) else ()


def _begins_like_rle(data: bytes) -> bool:
    """Whether the header of RLE segments (PS3.5 G.5) is there: up to 15, the first right after."""
    count, first = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
    unused = data[4 + 4 * count : 64]
    return 1 <= count <= 15 and first == 64 and len(data) > 64 and not any(unused)


def undecodable(error: Exception) -> ImageError:
    """Return the error for a DICOM file that a library could not read."""
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return truncated()
    return ImageError("undecodable", variant="dicom")
