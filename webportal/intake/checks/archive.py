"""Safe extraction of untrusted ZIP files.

Nothing is written to disk under a name from the archive, and nothing is read beyond the limits
whatever the archive's directory claims.
"""

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO
from urllib.parse import quote_from_bytes

from ml import images
from webportal.intake.errors import RefusedError

MAX_ENTRIES = 5_000
MAX_TOTAL_BYTES = 20 * 1024**3
#: Deflate cannot exceed 1032:1; radiographs stay far below 100:1.
MAX_RATIO = 100
_RATIO_COUNTS_FROM = 1024**2
_ENCRYPTED = 0x1
_UTF_8 = 0x800
# Other compression methods have no bound, and reach a million to one.
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_KEPT_IN_NAMES = "".join(map(chr, range(32, 127))).replace("%", "").replace("\\", "")
# Names with single letters of code page 437 among plain ones. Code page 850 has the same letters in
# the same places. Words of other alphabets come out as several of them in a row, or as frames.
_LETTERS = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜáíóúñÑß"
_WESTERN = re.compile(rf"(?:[ -\[\]-~]|[{_LETTERS}](?![{_LETTERS}]))+")
# A colon elsewhere is part of a name, as in `2026-01-01T10:30.dcm`.
_DRIVE = re.compile(r"[A-Za-z]:")
_IGNORED_NAMES = {"dicomdir", "thumbs.db", "desktop.ini", "icon\r"}
_IGNORED_FOLDERS = {"__macosx"}


@dataclass(frozen=True)
class ArchiveEntry:
    """A file in the archive: its bytes, or why it was not extracted."""

    name: str
    data: bytes = b""
    refusal: RefusedError | None = None


def entries(file: IO[bytes], max_entry_bytes: int) -> Iterator[ArchiveEntry]:
    """Yield each file of a ZIP; an invalid one is yielded with its reason and affects no other.

    Raises RefusedError, before anything is yielded, for an archive that is broken, empty or beyond
    MAX_ENTRIES or MAX_TOTAL_BYTES.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError):
        raise RefusedError("damaged_archive") from None
    infos = [info for info in archive.infolist() if not _is_ignored(info)]
    _check_archive(infos)
    return _entries(archive, infos, max_entry_bytes)


def _check_archive(infos: list[zipfile.ZipInfo]) -> None:
    if not infos:
        raise RefusedError("empty_archive")
    if len(infos) > MAX_ENTRIES:
        raise RefusedError("too_many_entries", files=MAX_ENTRIES)
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise RefusedError("archive_too_large", gigabytes=MAX_TOTAL_BYTES // 1024**3)


def _entries(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], max_entry_bytes: int
) -> Iterator[ArchiveEntry]:
    with archive:
        for info in infos:
            name = _name(info).encode("utf-8", "replace").decode()
            refused = _refuse(info, name, max_entry_bytes)
            yield refused or _read(archive, info, name)


def _name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name, or its bytes where their encoding is unknown: none is made up.

    Code page 437 is the format's default for entries without the UTF-8 flag (APPNOTE.TXT, appendix
    D), but macOS and others write UTF-8 without it, and Windows the code page of its country, which
    the file does not name. Valid UTF-8 beyond ASCII is hardly ever anything else. A name that reads
    like one of a Western European language by code page 437 is taken for that; encoded by it again,
    it is the bytes of the ZIP. In any other name those beyond ASCII are percent-encoded: %8F.
    """
    if info.flag_bits & _UTF_8:
        return info.filename
    try:
        stored = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename  # Python 3.13 has read the extra field with the name in Unicode
    try:
        return stored.decode("utf-8")
    except UnicodeDecodeError:
        return info.filename if _WESTERN.fullmatch(info.filename) else _bytes_of(stored)


def _bytes_of(stored: bytes) -> str:
    """A name whose bytes beyond ASCII are percent-encoded.

    The percent sign too, so that the bytes can be told from the name. A backslash may be the second
    byte of a letter (Shift JIS).
    """
    return quote_from_bytes(stored, safe=_KEPT_IN_NAMES)


def _refuse(info: zipfile.ZipInfo, name: str, max_entry_bytes: int) -> ArchiveEntry | None:
    if _is_unsafe_path(name):
        return _refused(name, "unsafe_path")
    if stat.S_ISLNK(info.external_attr >> 16):
        return _refused(name, "link")
    if info.flag_bits & _ENCRYPTED:
        return _refused(name, "encrypted")
    if info.compress_type not in _COMPRESSIONS:
        return _refused(name, "unsupported_zip")
    if info.file_size > max_entry_bytes:
        return _refused(name, "too_large", megabytes=max_entry_bytes // 1024**2)
    largest_expected = max(_RATIO_COUNTS_FROM, info.compress_size * MAX_RATIO)
    if info.file_size > largest_expected:
        return _refused(name, "archive_bomb")
    return None


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> ArchiveEntry:
    """Read an entry; zipfile stops at the size in the directory and checks the CRC there."""
    try:
        data = archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):
        data = b""
    if len(data) != info.file_size:
        return _refused(name, "damaged_entry")
    if images.sniff(data) == "zip":
        return _refused(name, "nested_archive")
    return ArchiveEntry(name, data)


def _refused(name: str, code: str, **params: int) -> ArchiveEntry:
    return ArchiveEntry(name, refusal=RefusedError(code, **params))


def _is_ignored(info: zipfile.ZipInfo) -> bool:
    """Whether this is a folder, or a metadata file left by an operating system."""
    name = _name(info)
    if name.endswith(("/", "\\")):
        return True
    path = PurePosixPath(name.replace("\\", "/").lower())
    return (
        path.name in _IGNORED_NAMES
        or path.name.startswith(".")
        or any(part in _IGNORED_FOLDERS for part in path.parts[:-1])
    )


def _is_unsafe_path(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return (
        path.is_absolute()
        or ".." in path.parts
        or not path.name
        or _DRIVE.match(name) is not None
        or any(ord(character) < 32 for character in name)
    )
