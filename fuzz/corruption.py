"""Corrupts valid files: some changes know the format and keep lengths and checksums consistent."""

import struct
import zlib
from collections.abc import Callable
from random import Random

from fuzz import phantoms

MOST_CHANGES = 6
_SMALL = (0, 1, 2, 7, 8, 15, 16, 127, 128, 255, 256)
_NUMBERS = (*_SMALL, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)
_TEXTS = (
    b"",
    b"\0",
    b"\\",
    b"\xff" * 9,
    b"1e400",
    b"-1",
    b"nan",
    b"99991231",
    b"\x1b$)C",
    b"0" * 70,
)
_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT"}
_VRS = [*sorted(_LONG_VRS), b"US", b"SS", b"UL", b"DS", b"IS", b"CS", b"LO", b"PN", b"DA", b"AT"]

Part = tuple[int, int]


def corrupted(kind: str, by: Random) -> bytes:
    """A file of the kind with a few changes."""
    good = phantoms.good(kind)
    data = by.choice(good)
    for _ in range(by.randint(1, MOST_CHANGES)):
        data = change(kind, data, by)
    return data


def change(kind: str, data: bytes, by: Random) -> bytes:
    """Make one change."""
    if by.random() < 0.6 and kind in _STRUCTURES:
        return _STRUCTURES[kind](data, by)
    return by.choice(_PLAIN)(data, by)


# ── Changes that ignore the format ───────────────────────────────────────────────────────────────


def _bytes(by: Random, size: int) -> bytes:
    """An unusual number in `size` bytes, little-endian."""
    number: int = by.choice(_NUMBERS) % 256**size
    return number.to_bytes(size, "little")


def _at(data: bytes, by: Random) -> int:
    # The beginning is where the headers are.
    end = min(len(data), by.choice((32, 512, len(data))))
    return by.randint(0, max(end - 1, 0))


def _flip(data: bytes, by: Random) -> bytes:
    at = _at(data, by)
    return data[:at] + bytes([by.randrange(256)]) + data[at + 1 :]


def _number(data: bytes, by: Random) -> bytes:
    at, size = _at(data, by), by.choice((1, 2, 4))
    value = _bytes(by, size)[:: by.choice((1, -1))]
    return data[:at] + value + data[at + size :]


def _remove(data: bytes, by: Random) -> bytes:
    at = _at(data, by)
    return data[:at] + data[at + by.choice((1, 2, 4, 16, 300)) :]


def _repeat(data: bytes, by: Random) -> bytes:
    at = _at(data, by)
    piece = data[at : at + by.choice((1, 4, 64, 1000))]
    return data[:at] + piece * by.choice((2, 3, 20)) + data[at:]


def _cut(data: bytes, by: Random) -> bytes:
    return data[: by.randint(0, len(data))]


def _text(data: bytes, by: Random) -> bytes:
    at = _at(data, by)
    return data[:at] + by.choice(_TEXTS) + data[at:]


def _swap(data: bytes, by: Random) -> bytes:
    first, second = sorted((_at(data, by), _at(data, by)))
    return data[:first] + data[second : second + 40] + data[first:second] + data[second + 40 :]


_PLAIN = (_flip, _flip, _number, _number, _remove, _repeat, _cut, _text, _swap)


# ── JPEG: segments ──────────────────────────────────────────────────────────────────────────────


def _jpeg(data: bytes, by: Random) -> bytes:
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        parts.append((at, end))
        at = end
    if not parts:
        return _flip(data, by)
    start, end = by.choice(parts)
    segment = data[start:end]
    return _replaced(data, parts, (start, end), _segment(segment, by), by)


def _segment(segment: bytes, by: Random) -> bytes:
    marker, body = segment[:2], segment[4:]
    if by.random() < 0.2:
        marker = b"\xff" + bytes(
            [by.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xDB, 0xDD, 0xEE))]
        )
    body = by.choice(_PLAIN)(body, by)[:65_000]
    return marker + (len(body) + 2).to_bytes(2, "big") + body


# ── PNG: chunks ─────────────────────────────────────────────────────────────────────────────────


def _png(data: bytes, by: Random) -> bytes:
    parts, at = [], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        parts.append((at, end))
        at = end
    if not parts:
        return _flip(data, by)
    start, end = by.choice(parts)
    name, body = data[start + 4 : start + 8], data[start + 8 : end - 4]
    if by.random() < 0.2:
        name = by.choice((b"tRNS", b"PLTE", b"iCCP", b"zTXt", b"iTXt", b"acTL", b"eXIf", b"pHYs"))
    body = by.choice(_PLAIN)(body, by)
    chunk = struct.pack(">I", len(body)) + name + body
    chunk += struct.pack(">I", zlib.crc32(name + body))
    return _replaced(data, parts, (start, end), chunk, by)


# ── DICOM: elements of explicit VR ──────────────────────────────────────────────────────────────


def _dicom(data: bytes, by: Random) -> bytes:
    parts = _elements(data)
    if not parts:
        return _number(data, by)
    start, end = by.choice(parts)
    return _replaced(data, parts, (start, end), _element(data[start:end], by), by)


def _elements(data: bytes) -> list[Part]:
    parts, at = [], 132 if data[128:132] == b"DICM" else 0
    while at + 8 <= len(data):
        vr = data[at + 4 : at + 6]
        if not vr.isalpha():
            break
        head = 12 if vr in _LONG_VRS else 8
        length = int.from_bytes(
            data[at + head - 4 : at + head] if head == 12 else data[at + 6 : at + 8], "little"
        )
        end = min(at + head + length, len(data))
        parts.append((at, end))
        at = end
    return parts


def _element(element: bytes, by: Random) -> bytes:
    tag, vr = element[:4], element[4:6]
    body = element[12:] if vr in _LONG_VRS else element[8:]
    if by.random() < 0.2:
        vr = by.choice(_VRS)
    choice = by.random()
    if choice < 0.4:
        size = by.choice((2, 4))
        body = b"".join(_bytes(by, size) for _ in range(by.choice((1, 1, 2, 3))))
    elif choice < 0.6:
        body = by.choice(_TEXTS)
    elif len(body) < 65_000:
        body = by.choice(_PLAIN)(body, by)
    body += b"\0" * (len(body) % 2)
    if vr in _LONG_VRS:
        return tag + vr + b"\0\0" + struct.pack("<I", len(body)) + body
    body = body[:65_534]
    return tag + vr + struct.pack("<H", len(body)) + body


# ── ZIP: the records of local files, directory and end ──────────────────────────────────────────


def _zip(data: bytes, by: Random) -> bytes:
    signature = by.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
    places = [at for at in range(len(data) - 4) if data[at : at + 4] == signature]
    if not places:
        return _flip(data, by)
    at = by.choice(places) + by.randrange(4, 60)
    size = by.choice((1, 2, 4))
    value = _bytes(by, size)
    return data[:at] + value + data[at + size :]


# ── Text: lines and cells ───────────────────────────────────────────────────────────────────────

_CELLS = (
    *(b'"', b"", b"=1+1", b"1.23457E+11", "फान्टम".encode(), b"\0", b"2024-02-30", b"9" * 300),
    *(b"file", b"\r", b"\xe2\x80\x8b", b"#REF!", b'""', b"0001-01-01", b"-0", b"\xed\xa0\x80"),
)


def _csv(data: bytes, by: Random) -> bytes:
    lines = data.split(b"\n")
    number = by.randrange(len(lines))
    cells = lines[number].split(b",")
    cells[by.randrange(len(cells))] = by.choice(_CELLS)
    lines[number] = b",".join(cells * by.choice((1, 1, 1, 8)))
    return b"\n".join(lines * by.choice((1, 1, 1, 5)))


_HEADERS = (
    b'Content-Disposition: form-data; name="file"',
    b"Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%ff",
    b'Content-Disposition: form-data; name="path"; filename=""',
    b"Content-Transfer-Encoding: base64",
    b"Content-Type: multipart/mixed; boundary=other",
    b"Content-Type: text/plain; charset=utf-7",
    b"--phantom",
    b"--phantom--",
    b"X: " + b"y" * 5000,
)


def _multipart(data: bytes, by: Random) -> bytes:
    lines = data.split(b"\r\n")
    number = by.randrange(min(len(lines), 12))
    if by.random() < 0.5:
        lines[number] = by.choice(_HEADERS)
    else:
        lines.insert(number, by.choice(_HEADERS))
    return b"\r\n".join(lines)


def _replaced(data: bytes, parts: list[Part], part: Part, new: bytes, by: Random) -> bytes:
    """Replace a part with a new one, insert it beside it, or change the order."""
    start, end = part
    choice = by.random()
    if choice < 0.7:
        return data[:start] + new + data[end:]
    if choice < 0.8:
        return data[:start] + data[end:]
    if choice < 0.9:
        return data[:end] + new + data[end:]
    other, _ = by.choice(parts)
    return data[:other] + new + data[other:]


_STRUCTURES: dict[str, Callable[[bytes, Random], bytes]] = {
    "jpeg": _jpeg,
    "png": _png,
    "dicom": _dicom,
    "zip": _zip,
    "csv": _csv,
    "multipart": _multipart,
}
