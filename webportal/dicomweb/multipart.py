"""Multipart bodies (multipart/related, RFC 2046 and 2387)."""

import mmap
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from io import SEEK_END, UnsupportedOperation
from typing import IO

from webportal.dicomweb.errors import BadBody

_HEADERS_END = b"\r\n\r\n"
_LONGEST_HEADERS = 16 * 1024
#: The most parts of a request; their outcomes are kept in memory until the response.
MOST_PARTS = 10_000
# RFC 2046 allows 70 characters; Orthanc sends 73.
_LONGEST_BOUNDARY = 200


@dataclass(frozen=True)
class Part:
    """A part of a body: media type in lower case, and content; None if that is too large."""

    media_type: str
    content: bytes | None


def single(file: IO[bytes], media_type: str, largest: int) -> Part:
    """Return a body that is one part; only content of at most `largest` bytes is read."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    return Part(media_type, file.read() if size <= largest else None)


def read(file: IO[bytes], boundary: str, largest: int) -> Iterator[Part]:
    """Yield the parts of a body; only content of at most `largest` bytes is read into memory.

    Raises BadBody if there are no parts or more than MOST_PARTS, or the last one is incomplete;
    yielded parts are always complete.
    """
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
        raise BadBody("The Content-Type has no usable boundary.")
    with _mapped(file) as body:
        yield from _parts(body, b"--" + boundary.encode(), largest)


def _parts(body: "bytes | mmap.mmap", delimiter: bytes, largest: int) -> Iterator[Part]:
    # The first delimiter may be at the very beginning or after a preamble.
    at = 0 if body[: len(delimiter)] == delimiter else body.find(b"\r\n" + delimiter)
    if at < 0:
        raise BadBody("The body has no part: the boundary of its Content-Type does not occur.")
    at = body.find(delimiter, at) + len(delimiter)
    number = 0
    while body[at : at + 2] != b"--":
        number += 1
        if number > MOST_PARTS:
            raise BadBody(f"At most {MOST_PARTS} parts are accepted. Send the others separately.")
        line_ends = body.find(b"\r\n", at)
        headers_end = body.find(_HEADERS_END, line_ends, line_ends + _LONGEST_HEADERS)
        end = _next_delimiter(body, delimiter, headers_end)
        if line_ends < 0 or headers_end < 0 or end < 0:
            raise BadBody("The body ends within a part. Send it again.")
        headers = BytesHeaderParser().parsebytes(body[line_ends + 2 : headers_end + 2])
        begin = headers_end + len(_HEADERS_END)
        is_small = end - begin <= largest
        yield Part(headers.get_content_type(), body[begin:end] if is_small else None)
        at = end + 2 + len(delimiter)


def _next_delimiter(body: "bytes | mmap.mmap", delimiter: bytes, begin: int) -> int:
    """Position of the line break before the next delimiter; -1 if there is none."""
    # In an empty part, this is the line break that ends the headers.
    at = body.find(b"\r\n" + delimiter, begin + 2)
    while at >= 0:
        after = at + 2 + len(delimiter)
        # A longer line of the content may start with the boundary.
        if body[after : after + 2] in (b"--", b"\r\n") or body[after : after + 1] in b" \t":
            return at
        at = body.find(b"\r\n" + delimiter, after)
    return at


@contextmanager
def _mapped(file: IO[bytes]) -> "Iterator[bytes | mmap.mmap]":
    """Map a body that is on disk instead of reading it into memory."""
    try:
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped
            return
    except UnsupportedOperation:
        body = file.read()  # the file is in memory
    except ValueError:
        body = b""  # an empty file cannot be mapped
    yield body


def write(parts: Iterable[tuple[str, Iterable[bytes]]], boundary: str) -> Iterator[bytes]:
    """Yield a multipart body; each part has a Content-Type and content."""
    for media_type, content in parts:
        yield f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode()
        yield from content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def new_boundary() -> str:
    """A random boundary, which occurs in no content."""
    return secrets.token_hex(24)
