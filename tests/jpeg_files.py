"""JPEG Extended of 12 bits (ITU-T T.81, process 4), which no library that the tests have writes."""

import struct

import numpy as np
from numpy.typing import NDArray

_SIDE = 8
_PRECISION = 12
# Codes of one length each: 16 sizes of a DC difference, and of AC each run with each size.
_DC_LENGTH, _DC_SYMBOLS = 5, list(range(16))
_AC_LENGTH = 8
_AC_SYMBOLS = [0x00, 0xF0] + [run << 4 | size for run in range(16) for size in range(1, 15)]
_ZIGZAG = sorted(
    ((row, column) for row in range(_SIDE) for column in range(_SIDE)),
    key=lambda at: (sum(at), at[0] if sum(at) % 2 else at[1]),
)


def extended_jpeg(pixels: NDArray[np.uint16], scan_end: int = 63) -> bytes:
    """Return 12-bit greys as a JPEG that loses at most a grey or two.

    `scan_end` is the last coefficient of the scan as its header has it; some writers leave 0.
    """
    rows, columns = pixels.shape
    frame = struct.pack(">BHHB3B", _PRECISION, rows, columns, 1, 1, 0x11, 0)
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xDB, bytes([0]) + bytes([1] * 64)),
            _segment(0xC1, frame),
            _segment(0xC4, bytes([0x00]) + _codes(_DC_LENGTH, _DC_SYMBOLS)),
            _segment(0xC4, bytes([0x10]) + _codes(_AC_LENGTH, _AC_SYMBOLS)),
            _segment(0xDA, bytes([1, 1, 0x00, 0, scan_end, 0])),
            _scan(pixels),
            b"\xff\xd9",
        ]
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _codes(length: int, symbols: list[int]) -> bytes:
    counts = [len(symbols) if each == length else 0 for each in range(1, 17)]
    return bytes(counts) + bytes(symbols)


def _scan(pixels: NDArray[np.uint16]) -> bytes:
    rows, columns = pixels.shape
    padded = np.pad(pixels, ((0, -rows % _SIDE), (0, -columns % _SIDE)), "edge")
    samples = padded.astype(np.float64) - 2 ** (_PRECISION - 1)
    cosines = _cosines()
    bits: list[str] = []
    previous = 0
    for top in range(0, samples.shape[0], _SIDE):
        for left in range(0, samples.shape[1], _SIDE):
            block = samples[top : top + _SIDE, left : left + _SIDE]
            coefficients = np.rint(cosines @ block @ cosines.T).astype(int)
            ordered = [int(coefficients[at]) for at in _ZIGZAG]
            bits += [_dc(ordered[0] - previous), _ac(ordered[1:])]
            previous = ordered[0]
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def _cosines() -> NDArray[np.float64]:
    frequency, place = np.mgrid[0:_SIDE, 0:_SIDE]
    matrix = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix)


def _dc(difference: int) -> str:
    size = abs(difference).bit_length()
    return f"{size:0{_DC_LENGTH}b}" + _value(difference, size)


def _ac(coefficients: list[int]) -> str:
    code, run = "", 0
    last = max((at for at, value in enumerate(coefficients) if value), default=-1)
    for value in coefficients[: last + 1]:
        if not value:
            run += 1
            continue
        code += _ac_code(0xF0) * (run // 16)
        size = abs(value).bit_length()
        code += _ac_code(run % 16 << 4 | size) + _value(value, size)
        run = 0
    return code + (_ac_code(0x00) if last + 1 < len(coefficients) else "")


def _ac_code(symbol: int) -> str:
    return f"{_AC_SYMBOLS.index(symbol):0{_AC_LENGTH}b}"


def _value(value: int, size: int) -> str:
    return f"{value if value > 0 else value + 2**size - 1:0{size}b}" if size else ""
