"""Completeness check for JPEG image data, by decoding it with warnings as errors.

libjpeg, which Pillow uses, continues after damage with a warning that Pillow does not pass on, and
fills with grey. Damage that happens to be valid code cannot be detected, because a JPEG has no
checksum. Defects that do not affect the image are ignored: a missing end marker, padding after the
last pixel, malformed application segments.
"""

import re
from collections.abc import Iterator

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ml.errors import ImageError, truncated
from ml.images import jpeg

_START, _END = b"\xff\xd8", b"\xff\xd9"
_HUFFMAN_TABLES, _START_OF_SCAN, _END_OF_IMAGE = 0xC4, 0xDA, 0xD9
#: What the coded data needs: frame and scan headers, tables, the restart interval.
_NEEDED = {*jpeg.DCT, _HUFFMAN_TABLES, 0xDB, 0xDD, _START_OF_SCAN}
#: In coded data 0xFF is followed by 0, a restart marker, or the next segment.
#: The byte itself comes first, and once, so that the search can skip to it.
_NEXT_MARKER = re.compile(rb"\xff\xff*[\x01-\xcf\xd8-\xfe]")
#: Of a sequential scan: all coefficients at full precision. Some writers leave zeros (NEMA's own).
_SEQUENTIAL = b"\x00\x3f\x00"
#: How many times smaller Pillow decodes a JPEG.
_SCALES = (8, 4, 2)


def completed(stream: bytes) -> bytes:
    """Return a JPEG with its end marker, which is added where every pixel is there without it.

    Raises ImageError where some are missing, and where that cannot be told: a progressive JPEG may
    lack any number of scans.
    """
    if stream.rstrip(b"\0").endswith(_END):
        return stream
    segments = list(_segments(stream))
    if any(marker == _END_OF_IMAGE for marker, _ in segments):
        return stream
    whole = next(filter(_is_sound, _with_end(stream)), None)
    if whole is None or not _has_all_scans(stream, segments):
        raise truncated()
    return whole


def flawless_greys(stream: bytes, side: int) -> NDArray[np.uint8] | None:
    """Return the luma of a JPEG of 8 bits, None unless it decodes as it is, with nothing even odd.

    Each decoder then reads it, so no other check is needed. It has the size, and the values, that
    Pillow would give it with `raster.draft`.
    """
    frame = jpeg.parse(stream)
    if frame is None or frame.process not in jpeg.DCT or frame.precision != 8:
        return None
    if not stream.endswith(_END):
        return None
    times_the_side = min(frame.rows, frame.columns) // side
    scale = next((each for each in _SCALES if times_the_side >= each), 1)
    return _decoded(stream, frame, -(-frame.rows // scale), -(-frame.columns // scale))


def check(stream: bytes) -> None:
    """Raise ImageError if part of a JPEG's image data is missing or damaged."""
    stream = completed(stream)
    if _is_sound(stream):
        return
    body = stream[: stream.rfind(_END)]
    if not any(_is_sound(filled) for filled in _with_end(body)):
        raise ImageError("damaged_jpeg")


def _with_end(body: bytes) -> Iterator[bytes]:
    """Yield a JPEG that has no end with one, after its last byte, or before zeros that fill up.

    The last byte of the image may itself be zero.
    """
    yield body + _END
    picture = body.rstrip(b"\0")
    if picture != body:
        for zeros in (1, 0) if picture.endswith(b"\xff") else (0, 1):
            yield picture + bytes(zeros) + _END


def _has_all_scans(stream: bytes, segments: list[tuple[int, bytes]]) -> bool:
    frame = jpeg.parse(stream)
    if frame is None or frame.process == jpeg.PROGRESSIVE:
        return False
    return frame.components == sum(
        segment[4] for marker, segment in segments if marker == _START_OF_SCAN
    )


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and bytes of each segment after the first marker; coded data goes with its scan.

    The end marker is a segment, too. What follows it is not looked at.
    """
    at = len(_START)
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _END_OF_IMAGE:
            break
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if marker == _START_OF_SCAN:
            match = _NEXT_MARKER.search(stream, end)
            end = match.start() if match else len(stream)
        yield marker, stream[at:end]
        at = end
    if stream[at : at + 2] == _END:
        yield _END_OF_IMAGE, _END


def _is_sound(stream: bytes) -> bool:
    """Whether each coded block of a JPEG with an end marker is there and valid."""
    frame = jpeg.parse(stream)
    if frame is None:
        return False
    needed = [
        _plain(marker, segment, frame.process)
        for marker, segment in _segments(stream)
        if marker in _NEEDED
    ]
    return _decoded(b"".join([_START, *needed, _END]), frame) is not None


def _decoded(
    stream: bytes, frame: jpeg.Codestream, rows: int = 1, columns: int = 1
) -> NDArray[np.uint8] | None:
    """Return the first channel of a JPEG; None if libjpeg does not decode it without a warning.

    All of the code is read, whatever the size of the decoded image: the smallest with
    at least `rows` and `columns` that libjpeg can make, an eighth of the frame's or more.
    """
    colours = "CMYK" if frame.components == 4 else "GRAY"
    try:
        samples = simplejpeg.decode_jpeg(
            stream, colours, min_height=rows, min_width=columns, strict=True
        )
    except ValueError:
        return None
    greys: NDArray[np.uint8] = samples[..., 0]
    return greys


def _plain(marker: int, segment: bytes, process: int) -> bytes:
    """Return a segment as libjpeg reads it without complaint.

    Samples of 12 bits have the same code as those of 8, and what it decodes to is not looked at.
    """
    if len(segment) < 5:
        return segment
    if marker in jpeg.DCT and segment[4] == 12:
        return segment[:4] + b"\x08" + segment[5:]
    if marker == _START_OF_SCAN and process != jpeg.PROGRESSIVE:
        at = 5 + 2 * segment[4]
        return segment[:at] + _SEQUENTIAL + segment[at + 3 :]
    return segment
