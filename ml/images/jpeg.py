"""Header of a JPEG-family codestream, read from its markers without decoding."""

from dataclasses import dataclass

#: Start-of-frame markers (ITU-T T.81 table B.1; T.87 for JPEG-LS): name of the coding process.
BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, JPEG_LS = 0xC0, 0xC1, 0xC2, 0xC3, 0xF7
JPEG_2000 = 0
#: The processes that libjpeg decodes: a cosine transform, Huffman codes.
DCT = frozenset({BASELINE, EXTENDED, PROGRESSIVE})
_START_OF_FRAME = {*range(0xC0, 0xD0), JPEG_LS} - {0xC4, 0xC8, 0xCC}
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True)
class Codestream:
    """`process` is the start-of-frame marker, or JPEG_2000."""

    process: int
    rows: int
    columns: int
    precision: int
    components: int


def parse(data: bytes) -> Codestream | None:
    """Return the frame header, or None if there is none."""
    if data[4:8] == b"jP  ":  # some writers leave the JP2 boxes around the codestream
        data = data[max(data.find(_JPEG_2000_START, 0, 4096), 0) :]
    if data[:4] == _JPEG_2000_START:
        return _parse_jpeg_2000(data)
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _START_OF_FRAME:
            return Codestream(
                process=marker,
                precision=data[at + 4],
                rows=int.from_bytes(data[at + 5 : at + 7], "big"),
                columns=int.from_bytes(data[at + 7 : at + 9], "big"),
                components=data[at + 9],
            )
        at += 2
        if marker not in _STANDALONE:
            at += int.from_bytes(data[at : at + 2], "big")
    return None


def _parse_jpeg_2000(data: bytes) -> Codestream | None:
    """Read the SIZ segment (ITU-T T.800 A.5.1), which always comes first."""
    if len(data) < 43:
        return None
    right, bottom, left, top = (int.from_bytes(data[at : at + 4], "big") for at in (8, 12, 16, 20))
    return Codestream(
        process=JPEG_2000,
        rows=bottom - top,
        columns=right - left,
        precision=(data[42] & 0x7F) + 1,
        components=int.from_bytes(data[40:42], "big"),
    )
