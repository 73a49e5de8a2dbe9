"""Names in the character sets of DICOM; the examples of PS3.5 annexes H to K."""

import pytest

from ml.images.letters import UNREADABLE, Letters, decode, known_terms

CHINESE = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
KOREAN = (
    b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
)
JAPANESE = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
HALF_WIDTH = (
    b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
    b"=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
)


@pytest.mark.parametrize(
    ("declared", "raw", "text"),
    [
        (["", "ISO 2022 IR 58"], CHINESE, "Zhang^XiaoDong=张^小东="),
        (["", "ISO 2022 IR 149"], KOREAN, "Hong^Gildong=洪^吉洞=홍^길동"),
        (["", "ISO 2022 IR 87"], JAPANESE, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], HALF_WIDTH, "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 159"], b"A=\x1b$(D0!\x1b(B^B", "A=丂^B"),
        (["ISO_IR 192"], "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
        (["GB18030"], "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
        # The second byte of this letter is a backslash, of the next a caret.
        (["GBK"], b"\x81\x5c\x81\x5e", b"\x81\x5c\x81\x5e".decode("gbk")),
        (["ISO_IR 100"], "Buc^Jérôme".encode("latin_1"), "Buc^Jérôme"),
        (["ISO_IR 144"], "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
        (["ISO_IR 126"], "Διονυσιος".encode("iso8859_7"), "Διονυσιος"),
        (["ISO_IR 127"], "قباني^لنزار".encode("iso8859_6"), "قباني^لنزار"),
        (["ISO_IR 138"], "שרון^דבורה".encode("iso8859_8"), "שרון^דבורה"),
        (["ISO_IR 166"], "เดช".encode("tis_620"), "เดช"),
        (["ISO 2022 IR 100", "ISO 2022 IR 144"], b"J\xe9r^\x1b-L\xbb\xee^J\xe9r", "Jér^Лю^Jér"),
        ([], b"Doe^Jane", "Doe^Jane"),
        ([], "Müller^Jan".encode("latin_1"), "Müller^Jan"),
        (["ISO-IR 100"], "Müller".encode("latin_1"), "Müller"),
    ],
)
def test_names_are_read(declared: list[str], raw: bytes, text: str) -> None:
    letters = decode(raw, declared)
    assert letters.text == text
    assert letters.are_sure


def test_an_escape_sequence_alone_determines_what_follows() -> None:
    assert decode(CHINESE, ["ISO_IR 100"]).text == "Zhang^XiaoDong=张^小东="


@pytest.mark.parametrize(
    ("declared", "raw"),
    [
        (["ISO_IR 192"], b"M\xfcller^Jan"),
        (["ISO_IR 192"], CHINESE),
        (["ISO_IR 6"], b"M\xfcller^Jan"),
        (["ISO_IR 999"], b"M\xfcller^Jan"),
        (["", "ISO 2022 IR 58"], b"Zhang=\x1b$)A\xd5^\x1b$)A\xd0\xa1"),
        (["", "ISO 2022 IR 87"], b"Yamada=\x1b$B;3E\x1b(B"),
        (["", "ISO 2022 IR 58"], b"Zhang=\x1b$)Z\xd5\xc5"),
        # Windows' letters, which Latin-1 has not.
        (["ISO_IR 100"], b"\x8aimi\xe6"),
    ],
)
def test_lost_characters_are_marked(declared: list[str], raw: bytes) -> None:
    letters = decode(raw, declared)
    assert UNREADABLE in letters.text
    assert not letters.are_sure


@pytest.mark.parametrize("declared", [[], ["ISO_IR 6"], ["ISO_IR 100"], ["ISO_IR 101"]])
def test_utf_8_under_another_name_is_read_but_not_sure(declared: list[str]) -> None:
    letters = decode("José^García".encode(), declared)
    assert letters.text == "José^García"
    assert not letters.are_sure


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("ISO_IR 100", "gbk", "张^小东"),
        ("", "gbk", "Zhang^Li=张^丽"),
        ("ISO_IR 100", "cp1251", "Иванов^Пётр"),
        ("ISO_IR 203", "cp1251", "Ли^Ян"),
        ("ISO_IR 100", "iso8859_8", "שרון"),
        ("", "tis_620", "สมชาย"),
        ("", "euc_kr", "김^철수"),
        ("ISO_IR 100", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ],
)
def test_another_alphabet_under_the_name_of_latin_1_is_not_sure(
    declared: str, encoding: str, name: str
) -> None:
    assert not decode(name.encode(encoding), [declared]).are_sure


@pytest.mark.parametrize(
    "name",
    [
        "Strößner^Jörg",
        "Þórðarson^Ólöf Ösp",
        "CONCEIÇÃO^JOÃO",
        "Nuñez-O´Brien^Mª José",
        "Å^Ö Ä",
    ],
)
def test_western_names_are_sure(name: str) -> None:
    assert decode(name.encode("latin_1"), ["ISO_IR 100"]) == Letters(name, are_sure=True)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("ISO_IR 144", "Роман"),
        ("ISO_IR 126", "Γιώργος"),
        ("ISO_IR 166", "เดช"),
        ("GB18030", "小东"),
        ("GBK", "王^小东"),
        ("ISO_IR 13", "山田"),
    ],
)
def test_utf_8_under_the_name_of_another_alphabet_is_read_but_not_sure(
    declared: str, name: str
) -> None:
    assert decode(name.encode(), [declared]) == Letters(name, are_sure=False)


def test_letters_that_are_utf_8_by_chance_are_those_of_their_own_set() -> None:
    for declared, encoding, name in (
        ("ISO_IR 144", "iso8859_5", "ТАТА"),
        ("GB18030", "gb18030", "卢卢"),
    ):
        raw = name.encode(encoding)
        assert raw.decode()
        assert decode(raw, [declared]) == Letters(name, are_sure=True)


def test_utf_8_that_was_encoded_twice_is_not_sure() -> None:
    assert not decode("Müller".encode().decode("cp1252").encode(), ["ISO_IR 192"]).are_sure
    assert decode("Müller^Ângela".encode(), ["ISO_IR 192"]).are_sure


def test_only_terms_of_the_standard_are_named() -> None:
    assert known_terms(["", "ISO 2022 IR 58", "Doe^Jane"]) == "ISO 2022 IR 58"
    assert known_terms(["Doe^Jane"]) == ""
