"""Case records from a form or a CSV sheet."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote_from_bytes

import pytest
from django.utils import timezone

from tests.intake.case_record import RECORD
from webportal.intake.cases import lookup, sheet
from webportal.intake.cases.case_record import CaseRecord


def errors_of(text: str) -> list[tuple[int, str]]:
    bad_lines = sheet.parse(text.encode()).bad_lines
    return [(line.number, str(problem)) for line in bad_lines for problem in line.problems]


# ── The sheet itself ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_sheet_gives_a_record_for_each_file(delimiter: str) -> None:
    cells = {
        "file": "a.png",
        "patient_id": "P-1",
        "issuer": "H",
        "family_name": "Doe",
        "given_name": "Jane",
        "birth_date": "1980-02-03",
        "sex": "f",
        "accession_number": "ACC-1",
        "study_date": "2024-05-06",
        "indication": "Cough for a week",
        "symptoms": '"cough, Fever"',
        "history": "Asthma",
        "referring_physician": "Dr Roe",
        "priority": "Urgent",
    }
    columns, line = delimiter.join(cells), delimiter.join(cells.values())
    checked = sheet.parse(f"{columns}\r\n{line}\r\n\r\n".encode("utf-8-sig"))
    assert checked.bad_lines == []
    assert checked.records == {"a.png": RECORD}


def test_a_record_survives_a_round_trip_through_json() -> None:
    assert CaseRecord.from_json(RECORD.as_json()) == RECORD


def test_a_record_of_another_release_can_be_read() -> None:
    newer = RECORD.as_json() | {"ward": "B2"}
    assert CaseRecord.from_json(newer) == RECORD
    older = RECORD.as_json()
    del older["history"], older["study_date"]
    assert CaseRecord.from_json(older) == replace(RECORD, history="", study_date=None)


def test_the_template_is_an_empty_sheet() -> None:
    assert errors_of(sheet.template()) == [(1, "The sheet has no lines below the column names.")]


def test_every_invalid_line_is_reported_with_its_number() -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    text = (
        "file,patient_id,birth_date,sex,symptoms,priority\n"
        "a.png,P-1,1980-02-03,F,cough,stat\n"
        ",P-2,,,,\n"
        "c.png,,,,,\n"
        "d.png,P-4,03.02.1980,,,\n"
        f"e.png,P-5,{tomorrow},,,\n"
        "f.png,P-6,,X,,\n"
        "g.png,P-7,,,headache,\n"
        "h.png,P-8,,,,soon\n"
        "i.png,P\\9,,,,\n"
        "A.png,P-1,1980-02-03,F,,\n"
    )
    found = errors_of(text)
    assert [line for line, _ in found] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    messages = dict(found)
    assert "name of the file" in messages[3]
    assert "Patient ID" in messages[4]
    assert "YYYY-MM-DD" in messages[5]
    assert "future" in messages[6]
    assert "F, M or O" in messages[7]
    assert "headache" in messages[8]
    assert "stat, urgent, routine" in messages[9]
    assert "characters" in messages[10]
    assert "line 2" in messages[11]


@pytest.mark.parametrize(
    ("written", "sex"),
    [("F", "F"), ("m", "M"), ("o", "O"), ("Female", "F"), ("MALE", "M"), ("other", "O"), ("", "")],
)
def test_the_sex_is_a_letter_or_the_whole_word(written: str, sex: str) -> None:
    checked = sheet.parse(f"file,patient_id,sex\na.png,P-1,{written}\n".encode())
    assert checked.bad_lines == []
    assert checked.records["a.png"].sex == sex


@pytest.mark.parametrize("written", ["Frau", "Mme", "mujer", "Féminin", "fm", "0"])
def test_the_sex_is_never_guessed(written: str) -> None:
    ((line, message),) = errors_of(f"file,patient_id,sex\na.png,P-1,{written}\n")
    assert line == 2
    assert "F, M or O" in message


def test_one_patient_id_with_two_names_is_an_error() -> None:
    text = "file,patient_id,family_name\na.png,P-1,Doe\nb.png,P-1,Roe\n"
    ((line, message),) = errors_of(text)
    assert line == 3
    assert "Line 2" in message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"file,name\na,b\n", "'patient_id' is missing"),
        (b"file,patient_id,colour\na,b,c\n", "no column 'colour'"),
        (b"file,file,patient_id\na,b,c\n", "twice"),
        ("file,patient_id\nä.png,P\n".encode("latin-1"), "UTF-8"),
        (b"", "'file' is missing"),
        (b"file,patient_id\na,b,c\n", "“c” stands in a column without a name"),
        (b'file,patient_id\n"a,b\n', "cannot be read as CSV"),
        (b"x" * (sheet.MAX_SHEET_BYTES + 1), "larger than"),
        (b"file,patient_id\n" + b"a,1\n" * (sheet.MAX_LINES + 1), "more than 10000 lines"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_reported(data: bytes, expected: str) -> None:
    checked = sheet.parse(data)
    assert checked.records == {}
    assert expected in checked.bad_lines[0].problems[0].message


@pytest.mark.parametrize(
    ("in_sheet", "sent", "fits"),
    [
        ("a.png", "a.png", True),
        ("a.png", "folder/sub/a.png", True),
        ("sub/a.png", "folder/sub/a.png", True),
        ("sub\\a.png", "folder/sub/a.png", True),
        ("./A.PNG", "a.png", True),
        ("u\u0308.png", "\u00fc.png", True),
        ("at 3.15.20 PM.png", "at 3.15.20\u202fPM.png", True),
        ("v\u00a013.05.png", "v 13.05.png", True),
        (
            "\u0917\u0930\u094d\u200d\u092f\u094b.png",
            "\u0917\u0930\u094d\u200d\u092f\u094b.png",
            True,
        ),
        ("\u0917\u0930\u094d\u200d\u092f\u094b.png", "\u0917\u0930\u094d\u092f\u094b.png", True),
        ("\u200ea.png", "a.png", True),
        ("other/a.png", "folder/a.png", False),
        ("a.png", "ba.png", False),
    ],
)
def test_a_file_finds_its_line_by_the_end_of_its_path(in_sheet: str, sent: str, fits: bool) -> None:
    records = {lookup.file_key(in_sheet): RECORD}
    assert (lookup.matching_key(records, sent) is not None) == fits


@pytest.mark.parametrize(
    ("in_sheet", "encoding"),
    [
        ("胸部表/Aa.png", "shift_jis"),
        ("胸片/张三.png", "gbk"),
        ("снимки/Анна 100%.png", "cp866"),
        ("снимки/Анна.png", "cp1251"),
        ("Žlutý kůň.png", "cp1250"),
    ],
)
def test_a_name_in_the_code_page_of_a_country_finds_its_line(in_sheet: str, encoding: str) -> None:
    sent = "upload.zip/" + quote_from_bytes(in_sheet.encode(encoding))
    records = {lookup.file_key(name): RECORD for name in (in_sheet, "другой.png", "other.png")}
    assert lookup.matching_key(records, sent) == lookup.file_key(in_sheet)
    del records[lookup.file_key(in_sheet)]
    assert lookup.matching_key(records, sent) is None


def test_a_name_that_may_be_two_finds_no_line() -> None:
    stored = "Анна".encode("cp866")
    records = {lookup.file_key(stored.decode(page)): RECORD for page in ("cp866", "cp852")}
    assert len(records) == 2
    assert lookup.matching_key(records, quote_from_bytes(stored)) is None
    assert lookup.matching_key({"a b": RECORD}, "a%20b") is None


@pytest.mark.parametrize(
    "text",
    [
        "file;patient_id;\na.png;P-1;\n",
        "file;patient_id;;;\na.png;P-1;;;\n;;;;\n",
        "file;patient_id\na.png;P-1;;\n",
        "file;;patient_id\na.png;;P-1\n",
        "sep=;\nfile;patient_id\na.png;P-1\n",
        '"sep=;"\r\nfile;patient_id\r\na.png;P-1\r\n',
        "SEP=\t\nfile\tpatient_id\na.png\tP-1\n",
        "sep=|\nfile|patient_id\na.png|P-1\n",
        "sep=,\r\nfile,patient_id\r\na.png,P-1\r\n",
    ],
)
def test_additions_of_spreadsheets_are_ignored(text: str) -> None:
    checked = sheet.parse(text.encode())
    assert checked.bad_lines == []
    assert checked.names == ["file", "patient_id"]
    assert checked.records == {"a.png": CaseRecord("P-1")}


def test_a_value_in_a_column_without_a_name_is_never_dropped() -> None:
    found = errors_of("sep=;\nfile;patient_id;\na.png;P-1;\nb.png;P-2;urgent\n")
    assert found == [(4, "“urgent” stands in a column without a name.")]


@pytest.mark.parametrize("column", ["patient_id", "accession_number", "issuer"])
@pytest.mark.parametrize(
    "damaged",
    [
        "1.23457E+11",
        "1,23457E+11",
        "1E+12",
        "1.2e-05",
        "1234.0",
        "1234,00",
        "#N/A",
        "#NAME?",
        "#REF!",
        "#DIV/0!",
        "#VALUE!",
        "#####",
        "3-Apr",
        "Apr-03",
        "3-Apr-24",
        "03/04/2024",
        "2024-04-03",
        "2024-04-03 00:00:00",
        "12:30:00",
        "1.23457E11",
        "5.E+11",
        "123456789012345000",
        "1,234",
        "1,234,567.00",
        "1.234,00",
        "TRUE",
        "'00123",
        "#¿NOMBRE?",
        "#ССЫЛКА!",
        "#Н/Д",
        "#NOM ?",
        "#DIV/0 !",
        "#GETTING_DATA",
        "03. Apr",
        "3. März 24",
        "03-avr",
        "3-Mai",
        "Okt 24",
        "03.окт",
        "WAHR",
        "VRAI",
        "ИСТИНА",
        "#N/A N/A",
        "Err:502",
    ],
)
def test_an_identifier_mangled_by_a_spreadsheet_must_be_corrected(
    damaged: str, column: str
) -> None:
    values = {"patient_id": "P-1", column: damaged}
    names, cells = ";".join(["file", *values]), ";".join(["a.png", *values.values()])
    ((line, message),) = errors_of(f"{names}\n{cells}\n")
    assert line == 2
    assert message.startswith(f"{column}: “{damaged}” is what a spreadsheet made of the number.")


@pytest.mark.parametrize(
    "sound",
    [
        "1234567890123450",
        "1.234.567",
        "#12",
        "123456789012",
        "1234.5.0",
        "E+11",
        "12E4",
        "1.0.0",
        "MAR-2026-1",
        "OUT-12",
        "LIS-22",
        "A#1",
        "0012",
        "1.5",
    ],
)
def test_an_identifier_that_only_resembles_a_mangled_one_is_accepted(sound: str) -> None:
    checked = sheet.parse(f"file;patient_id\na.png;{sound}\n".encode())
    assert checked.records == {"a.png": CaseRecord(sound)}


@pytest.mark.parametrize("column", ["patient_id", "accession_number", "issuer"])
@pytest.mark.parametrize("word", ["NULL", "nan", "N/A", "-", "?", "Unknown", "0", "Not known"])
def test_a_placeholder_is_not_an_identifier(word: str, column: str) -> None:
    values = {"patient_id": "P-1", column: word}
    names, cells = ";".join(["file", *values]), ";".join(["a.png", *values.values()])
    ((_, message),) = errors_of(f"{names}\n{cells}\n")
    assert message.startswith(f"{column}: “{word}” is a placeholder")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("family_name", "#NAME?"),
        ("indication", "#REF!"),
        ("birth_date", "1900-01-01"),
        ("birth_date", "1899-12-30"),
        ("study_date", "1900-01-01"),
    ],
)
def test_spreadsheet_errors_and_empty_dates_must_be_corrected(column: str, value: str) -> None:
    ((line, message),) = errors_of(f"file,patient_id,{column}\na.png,P-1,{value}\n")
    assert line == 2
    assert message.startswith(f"{column}: ")


@pytest.mark.parametrize(
    "data",
    [
        "file\tpatient_id\r\na.png\tP-1\r\n".encode("utf-16"),
        b"\xfe\xff" + "file\tpatient_id\r\na.png\tP-1\r\n".encode("utf-16-be"),
        b"\n\nfile,patient_id\na.png,P-1\n",
        b",,\nfile,patient_id\na.png,P-1\n",
        b"sep=;\rfile;patient_id\ra.png;P-1\r",
        b"file|patient_id\na.png|P-1\n",
        b"File,Patient ID\na.png,P-1\n",
    ],
)
def test_other_csv_dialects_and_encodings_are_read(data: bytes) -> None:
    assert sheet.parse(data).records == {"a.png": CaseRecord("P-1")}


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(99), b"\xd0\xcf\x11\xe0" + bytes(99)])
def test_a_workbook_is_recognised_as_such(data: bytes) -> None:
    assert "workbook" in sheet.parse(data).bad_lines[0].problems[0].message


def test_utf_16_without_its_mark_is_recognised_as_such() -> None:
    text = "file\tpatient_id\na.png\tP-1\n"
    for encoding in ("utf-16-le", "utf-16-be"):
        problem = sheet.parse(text.encode(encoding)).bad_lines[0].problems[0]
        assert "not UTF-8" in problem.message


@pytest.mark.parametrize("other", ["DOE", "Doe", ""])
def test_lines_with_the_same_patient_are_one_patient(other: str) -> None:
    text = f"file,patient_id,family_name\na.png,P-1,Doe\nb.png,P-1,{other}\n"
    assert errors_of(text) == []


# ── What becomes of it ──────────────────────────────────────────────────────────────────────────
