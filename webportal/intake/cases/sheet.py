"""The CSV sheet of case records: each line is validated, and its problems shown, before use."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.utils.translation import gettext

from webportal.intake.cases.case_record import CaseRecord, CaseRecordForm
from webportal.intake.cases.lookup import file_key
from webportal.intake.checks.study_dates import is_placeholder_day
from webportal.intake.claimed_identity import Identity, differences
from webportal.records.choices import Priority, Sex, Symptom
from webportal.records.identifiers import is_placeholder_identifier
from webportal.records.spreadsheets import is_damaged, is_error

MAX_SHEET_BYTES = 5 * 1024**2
#: Checking a line takes about a millisecond, and the person waits for it.
MAX_LINES = 10_000
COLUMNS = ["file", *CaseRecordForm.base_fields, "priority"]
_REQUIRED_COLUMNS = {"file", "patient_id"}
# Excel's own first line, which declares the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[,;\t|])"?\s*', re.IGNORECASE)
_IDENTIFIERS = ("patient_id", "issuer", "accession_number")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True)
class SheetProblem:
    """A problem with a value in a line, and its column; "" for the line as a whole."""

    column: str
    message: str

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


@dataclass(frozen=True)
class SheetLine:
    """A line of a sheet as written, its verdict, and the case record if it is valid.

    Line 1 is the one with the column names.
    """

    number: int
    values: dict[str, str] = field(default_factory=dict)
    problems: list[SheetProblem] = field(default_factory=list)
    record: CaseRecord | None = None


@dataclass(frozen=True)
class Sheet:
    """A validated sheet; `names` are its columns in order."""

    names: list[str]
    lines: list[SheetLine]

    @property
    def bad_lines(self) -> list[SheetLine]:
        """The lines that have to be corrected before the sheet can be used."""
        return [line for line in self.lines if line.problems]

    @property
    def records(self) -> dict[str, CaseRecord]:
        """The case record for each file; to be used only if no line is invalid."""
        return {file_key(line.values["file"]): line.record for line in self.lines if line.record}


def template() -> str:
    """Return an empty sheet: only the line with the column names."""
    return ",".join(COLUMNS) + "\r\n"


def parse(data: bytes) -> Sheet:
    """Validate a CSV sheet line by line.

    Columns: `COLUMNS`, in any order, separated by commas, semicolons or tabs; several symptoms by
    `;`, `|` or `,` inside quotes.
    """
    if len(data) > MAX_SHEET_BYTES:
        return _unreadable(1, gettext("The sheet is larger than 5 MB. Is it the right file?"))
    if data.startswith(_WORKBOOKS):
        words = gettext("This is a workbook, not a CSV file. Save the sheet as “CSV UTF-8”.")
        return _unreadable(1, words)
    try:
        # “Unicode text”, as Excel calls it, is UTF-16 with tabs.
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # as of UTF-16 without its mark
        return _unreadable(1, gettext("The sheet is not UTF-8 text. Save it as “CSV UTF-8”."))
    lines_of_text = (line for line in text.splitlines() if line.strip(" \t,;|"))
    first_line = next(lines_of_text, "")
    separator = _SEPARATOR_LINE.fullmatch(first_line)
    delimiter = separator["separator"] if separator else max(",;\t|", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = (row for row in reader if any(value.strip() for value in row))
        if separator:
            next(rows)
        header = [name.strip().lower().replace(" ", "_") for name in next(rows, [])]
        # Spreadsheets add empty columns; a value in one of them is a problem of its line.
        columns = {position: name for position, name in enumerate(header) if name}
        names = list(columns.values())
        problem = _column_problem(names)
        if problem:
            return _unreadable(max(reader.line_num, 1), problem)
        numbered: list[tuple[int, list[str]]] = []
        for row in rows:
            if len(numbered) == MAX_LINES:
                words = gettext("The sheet has more than %(most)d lines. Split sheet and upload.")
                return _unreadable(reader.line_num, words % {"most": MAX_LINES})
            numbered.append((reader.line_num, row))
        lines = list(_lines(numbered, columns))
    except csv.Error as error:
        words = gettext("The line cannot be read as CSV: %(error)s.") % {"error": error}
        return _unreadable(max(reader.line_num, 1), words)
    if not lines:
        return _unreadable(1, gettext("The sheet has no lines below the column names."))
    return Sheet(names, lines)


def _unreadable(number: int, message: str) -> Sheet:
    return Sheet([], [SheetLine(number, problems=[SheetProblem("", message)])])


def _column_problem(names: list[str]) -> str:
    missing = sorted(_REQUIRED_COLUMNS - set(names))
    if missing:
        return gettext("The column '%(name)s' is missing in the first line.") % {"name": missing[0]}
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        return gettext("There is no column '%(name)s'. Known columns are %(known)s.") % {
            "name": unknown[0][:40],
            "known": ", ".join(COLUMNS),
        }
    if len(set(names)) < len(names):
        return gettext("A column appears twice.")
    return ""


def _lines(rows: Iterable[tuple[int, list[str]]], columns: dict[int, str]) -> Iterator[SheetLine]:
    lines_by_file: dict[str, int] = {}
    first_by_patient: dict[tuple[str, str], tuple[int, CaseRecord]] = {}
    for number, row in rows:
        line = _line(number, row, columns)
        key = file_key(line.values["file"])
        if key in lines_by_file:
            words = gettext("The file is named in line %(number)d already.")
            line.problems.append(SheetProblem("file", words % {"number": lines_by_file[key]}))
        lines_by_file.setdefault(key, line.number)
        if line.record is not None:
            patient = (line.record.patient_id, line.record.issuer)
            number, first = first_by_patient.setdefault(patient, (line.number, line.record))
            if differences(_identity(first), _identity(line.record)):
                words = gettext(
                    "Line %(number)d gives the same Patient ID a different name, date of birth or"
                    " sex."
                )
                line.problems.append(SheetProblem("patient_id", words % {"number": number}))
        yield line


def _line(number: int, row: Sequence[str], columns: dict[int, str]) -> SheetLine:
    values = dict.fromkeys(columns.values(), "")
    surplus = []
    for position, value in enumerate(row):
        if position in columns:
            values[columns[position]] = value.strip()
        elif value.strip():
            surplus.append(value.strip())
    if surplus:
        words = gettext("“%(value)s” stands in a column without a name.") % {"value": surplus[0]}
        return SheetLine(number, values, [SheetProblem("", words)])
    problems = [SheetProblem(name, words) for name, words in _spreadsheet_problems(values)]
    if not file_key(values["file"]):
        problems.append(SheetProblem("file", gettext("Enter the name of the file.")))
    priority, priority_problems = _parse_priority(values.get("priority", ""))
    problems += priority_problems
    form = CaseRecordForm(
        values
        | {"sex": parse_sex(values.get("sex", ""))}
        | {"symptoms": _parse_symptoms(values.get("symptoms", ""))}
    )
    if not form.is_valid():
        for name, messages in form.errors.items():
            problems += [SheetProblem(name, str(message)) for message in messages]
    return SheetLine(number, values, problems, None if problems else form.record(priority))


def _spreadsheet_problems(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each value that a spreadsheet has mangled."""
    for name, value in values.items():
        problem = ""
        if name in _IDENTIFIERS:
            problem = spreadsheet_problem(value) or placeholder_problem(value)
        elif name != "file" and is_error(value):
            problem = gettext("“%(value)s” is an error of the spreadsheet.") % {"value": value}
        elif name in ("birth_date", "study_date") and _is_placeholder(value):
            problem = gettext("This date is a placeholder. Leave it empty where it is not known.")
        if problem:
            yield name, problem


def spreadsheet_problem(identifier: str) -> str:
    """The problem if an identifier was mangled by a spreadsheet; "" if it may be intact."""
    if not is_damaged(identifier):
        return ""
    words = gettext(
        "“%(value)s” is what a spreadsheet made of the number. Format the column as text, enter"
        " the number again as it is on the request, and save the sheet."
    )
    return words % {"value": identifier}


def placeholder_problem(identifier: str) -> str:
    """The problem if an identifier is a placeholder, which would merge patients; else ""."""
    if not is_placeholder_identifier(identifier):
        return ""
    words = gettext(
        "“%(value)s” is a placeholder, not a number, and would merge several patients or studies "
        "into one. Enter the number as it is on the request."
    )
    return words % {"value": identifier}


def _is_placeholder(text: str) -> bool:
    try:
        return is_placeholder_day(date.fromisoformat(text))
    except ValueError:
        return False


def parse_sex(text: str) -> str:
    """Return DICOM's code for a sex given as a letter or word; other text in capitals."""
    by_label = {str(label).upper(): value for value, label in Sex.choices}
    return by_label.get(text.upper(), text.upper())


def _parse_symptoms(text: str) -> list[str]:
    by_label = {str(label).lower(): value for value, label in Symptom.choices}
    words = [word.strip().lower() for word in text.replace("|", ";").replace(",", ";").split(";")]
    return [by_label.get(word, word.replace(" ", "_")) for word in words if word]


def _parse_priority(text: str) -> tuple[int | None, list[SheetProblem]]:
    if not text:
        return None, []
    by_name = {priority.name.lower(): priority.value for priority in Priority}
    if text.lower() in by_name:
        return by_name[text.lower()], []
    words = gettext("Write %(names)s, or leave it out.") % {"names": ", ".join(by_name)}
    return None, [SheetProblem("priority", words)]


def _identity(record: CaseRecord) -> Identity:
    return Identity(record.patient_id, record.issuer, record.name, record.birth_date, record.sex)
