"""What is extracted from a ZIP and what is not, with the reason."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest

from tests import dicom_files as files
from webportal.intake.checks import archive
from webportal.intake.checks.archive import ArchiveEntry, entries
from webportal.intake.errors import RefusedError

LIMIT = 50 * 1024**2


def make_zip(*members: tuple[str | zipfile.ZipInfo, bytes], compression: int = 8) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, data in members:
            target.writestr(name, data)
    buffer.seek(0)
    return buffer


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted() -> io.BytesIO:
    data = bytearray(make_zip(("a.png", b"x" * 100)).getvalue())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(signature)
        data[start + at] |= 1
    return io.BytesIO(bytes(data))


def with_damaged_member() -> io.BytesIO:
    buffer = make_zip(("a.png", b"a" * 1000), ("b.png", b"b" * 1000), compression=0)
    data = bytearray(buffer.getvalue())
    data[data.index(b"aaaa")] = ord("x")
    return io.BytesIO(bytes(data))


def claiming_a_small_size() -> io.BytesIO:
    """The directory says 10 bytes, the data unpacks to ten million."""
    data = bytearray(make_zip(("a.png", bytes(10_000_000))).getvalue())
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature)
        data[start + at : start + at + 4] = struct.pack("<I", 10)
    return io.BytesIO(bytes(data))


def names_and_reasons(file: io.BytesIO) -> list[tuple[str, str]]:
    return [
        (entry.name, entry.refusal.code if entry.refusal else "") for entry in entries(file, LIMIT)
    ]


def test_files_are_extracted_with_their_paths() -> None:
    image = files.png(files.phantom())
    result = list(entries(make_zip(("study/a.png", image), ("b.png", image)), LIMIT))
    assert result == [ArchiveEntry("study/a.png", image), ArchiveEntry("b.png", image)]


def test_files_of_the_operating_system_are_skipped() -> None:
    names = [
        "__MACOSX/._a.png",
        "x/.DS_Store",
        "DICOMDIR",
        "x/Thumbs.db",
        "desktop.ini",
        ".hidden",
        "folder/",
    ]
    members = [(name, b"x") for name in names]
    assert names_and_reasons(make_zip(*members, ("a.png", b"x"))) == [("a.png", "")]


BAD_MEMBERS: dict[str, tuple[str, Callable[[], io.BytesIO]]] = {
    "absolute path": ("unsafe_path", lambda: make_zip(("/etc/a.png", b"x"))),
    "parent path": ("unsafe_path", lambda: make_zip(("x/../../a.png", b"x"))),
    "windows parent path": ("unsafe_path", lambda: make_zip(("..\\a.png", b"x"))),
    "drive": ("unsafe_path", lambda: make_zip(("C:/a.png", b"x"))),
    "control character": ("unsafe_path", lambda: make_zip(("a\n.png", b"x"))),
    "link": ("link", lambda: make_zip((link("a.png"), b"/etc/passwd"))),
    "encrypted": ("encrypted", encrypted),
    "too large": ("too_large", lambda: make_zip(("a.png", bytes(LIMIT + 1)), compression=8)),
    "bomb": ("archive_bomb", lambda: make_zip(("a.png", bytes(20 * 1024**2)))),
    "lying about its size": ("damaged_entry", claiming_a_small_size),
    "unbounded compression": ("unsupported_zip", lambda: make_zip(("a.png", b"x"), compression=12)),
    "zip in zip": (
        "nested_archive",
        lambda: make_zip(("inner.png", make_zip(("a.png", b"x")).getvalue())),
    ),
}


@pytest.mark.parametrize("name", BAD_MEMBERS)
def test_a_bad_member_is_refused_with_its_reason(name: str) -> None:
    code, make = BAD_MEMBERS[name]
    (entry,) = entries(make(), LIMIT)
    assert entry.refusal is not None
    assert entry.refusal.code == code
    assert entry.refusal.message.endswith(".")
    assert entry.data == b""


def test_a_bad_member_does_not_affect_the_others() -> None:
    assert names_and_reasons(with_damaged_member()) == [
        ("a.png", "damaged_entry"),
        ("b.png", ""),
    ]


def test_a_damaged_archive_is_refused() -> None:
    whole = make_zip(("a.png", b"x" * 1000)).getvalue()
    with pytest.raises(RefusedError) as refusal:
        entries(io.BytesIO(whole[:-30]), LIMIT)
    assert refusal.value.code == "damaged_archive"


def test_an_empty_archive_is_refused() -> None:
    with pytest.raises(RefusedError) as refusal:
        entries(make_zip(("folder/", b"")), LIMIT)
    assert refusal.value.code == "empty_archive"


def test_the_number_of_files_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 3)
    with pytest.raises(RefusedError) as refusal:
        entries(make_zip(*((f"{n}.png", b"x") for n in range(4))), LIMIT)
    assert refusal.value.code == "too_many_entries"


def test_the_unpacked_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(RefusedError) as refusal:
        entries(make_zip(("a.png", b"x" * 600), ("b.png", b"x" * 600)), LIMIT)
    assert refusal.value.code == "archive_too_large"


def without_the_flag_for_utf_8(file: io.BytesIO) -> io.BytesIO:
    data = bytearray(file.getvalue())
    for signature, at in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        start = 0
        while (start := data.find(signature, start)) >= 0:
            data[start + at] &= ~8
            start += 4
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize("name", ["छाती/राम श्रेष्ठ.png", "Grüße.png", "胸部.png", "plain.png"])
def test_a_name_in_utf_8_is_read_as_such_without_its_flag(name: str) -> None:
    file = without_the_flag_for_utf_8(make_zip((name, b"x")))
    assert [entry.name for entry in entries(file, LIMIT)] == [name]


def stored_as(name: bytes) -> io.BytesIO:
    """A ZIP with a file of this name, and no flag that says in what encoding it is."""
    placeholder = "n" * len(name)
    file = without_the_flag_for_utf_8(make_zip((placeholder, b"x")))
    return io.BytesIO(file.getvalue().replace(placeholder.encode(), name))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("снимки/грудь 100%.png", "cp866"),
        ("胸部表", "shift_jis"),
        ("胸片/张三.dcm", "gbk"),
        ("Да.png", "cp866"),
        ("Žlutý.png", "cp852"),
        ("Žlutý kůň.png", "cp1250"),
    ],
)
def test_a_name_in_another_encoding_is_not_guessed_and_its_bytes_stay(
    text: str, encoding: str
) -> None:
    stored = text.encode(encoding)
    (entry,) = entries(stored_as(stored), LIMIT)
    assert entry.name.isascii()
    assert entry.name.count("/") == text.count("/")
    assert unquote_to_bytes(entry.name) == stored
    assert entry.refusal is None


@pytest.mark.parametrize("text", ["Grün.png", "Groß/Ärmel.png", "garçon à l'hôtel 100%.png"])
@pytest.mark.parametrize("encoding", ["cp437", "cp850"])
def test_a_western_name_in_the_code_page_of_zip_is_read(text: str, encoding: str) -> None:
    (entry,) = entries(stored_as(text.encode(encoding)), LIMIT)
    assert entry.name == text
    assert entry.name.encode("cp437") == text.encode(encoding)


@pytest.mark.parametrize("name", ["CXR 2026-01-01T10:30:00.dcm", "10:30/a.dcm"])
def test_a_colon_in_a_name_leads_nowhere(name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr(name, b"data")
    (entry,) = entries(buffer, 1000)
    assert (entry.name, entry.data, entry.refusal) == (name, b"data", None)


def test_folders_with_backslashes_and_folder_icons_are_skipped() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in ("dir\\", "dir\\a.dcm", "Icon\r"):
            target.writestr(name, b"" if name.endswith(("\\", "\r")) else b"data")
    assert [entry.name for entry in entries(buffer, 1000)] == ["dir\\a.dcm"]
