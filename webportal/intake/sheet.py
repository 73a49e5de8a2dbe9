"""The CSV sheet of case records: each line checked, and its problems said, before it is used."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext

from webportal.intake.cases import CaseRecord, CaseRecordForm, file_key
from webportal.records.models import Priority, Sex, Symptom

MAX_SHEET_BYTES = 5 * 1024**2
COLUMNS = ["file", *CaseRecordForm.base_fields, "priority"]
_REQUIRED_COLUMNS = {"file", "patient_id"}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a value of a line, and in which column; "" for the line as a whole."""

    column: str
    message: str

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


@dataclass(frozen=True)
class Line:
    """A line of a sheet as it was written, its verdict, and the case record where it is good.

    Line 1 is the one with the column names.
    """

    number: int
    values: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    record: CaseRecord | None = None


@dataclass(frozen=True)
class Sheet:
    """A checked sheet; `names` are its columns in their order."""

    names: list[str]
    lines: list[Line]

    @property
    def bad_lines(self) -> list[Line]:
        """The lines that have to be corrected before the sheet can be used."""
        return [line for line in self.lines if line.problems]

    @property
    def records(self) -> dict[str, CaseRecord]:
        """The case record for each file; to be used only where no line is bad."""
        return {file_key(line.values["file"]): line.record for line in self.lines if line.record}


def template() -> str:
    """Return an empty sheet: the line with the column names."""
    return ",".join(COLUMNS) + "\r\n"


def parse(data: bytes) -> Sheet:
    """Check a CSV sheet line by line.

    Columns: `COLUMNS`, in any order, separated by commas, semicolons or tabs; several symptoms by
    `;`, `|` or `,` inside quotes.
    """
    if len(data) > MAX_SHEET_BYTES:
        return _unreadable(1, gettext("The sheet is larger than 5 MB. Is it the right file?"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _unreadable(1, gettext("The sheet is not UTF-8 text. Save it as “CSV UTF-8”."))
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or []]
        reader.fieldnames = names
        problem = _column_problem(names)
        if problem:
            return _unreadable(1, problem)
        lines = list(_lines(reader))
    except csv.Error as error:
        words = gettext("The line cannot be read as CSV: %(error)s.") % {"error": error}
        return _unreadable(max(reader.line_num, 1), words)
    if not lines:
        return _unreadable(1, gettext("The sheet has no lines below the column names."))
    return Sheet(names, lines)


def _unreadable(number: int, message: str) -> Sheet:
    return Sheet([], [Line(number, problems=[Problem("", message)])])


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
        return gettext("A column is there twice.")
    return ""


def _lines(reader: "csv.DictReader[str]") -> Iterator[Line]:
    lines_by_file: dict[str, int] = {}
    first_by_patient: dict[tuple[str, str], tuple[int, CaseRecord]] = {}
    for row in reader:
        if not any(value for value in row.values()):
            continue
        line = _line(reader.line_num, row)
        key = file_key(line.values["file"])
        if key in lines_by_file:
            words = gettext("The file is named in line %(number)d already.")
            line.problems.append(Problem("file", words % {"number": lines_by_file[key]}))
        lines_by_file.setdefault(key, line.number)
        if line.record is not None:
            patient = (line.record.patient_id, line.record.issuer)
            number, first = first_by_patient.setdefault(patient, (line.number, line.record))
            if _person(first) != _person(line.record):
                words = gettext(
                    "Line %(number)d gives the same Patient ID another name, date of birth or sex."
                )
                line.problems.append(Problem("patient_id", words % {"number": number}))
        yield line


def _line(number: int, row: dict[str, Any]) -> Line:
    surplus = row.pop(None, None)  # type: ignore[call-overload]
    values = {name: (value or "").strip() for name, value in row.items()}
    if surplus is not None:
        words = gettext("The line has more values than there are columns.")
        return Line(number, values, [Problem("", words)])
    problems = []
    if not file_key(values["file"]):
        problems.append(Problem("file", gettext("Give the name of the file.")))
    priority, priority_problems = _parse_priority(values.get("priority", ""))
    problems += priority_problems
    form = CaseRecordForm(
        values
        | {"sex": _parse_sex(values.get("sex", ""))}
        | {"symptoms": _parse_symptoms(values.get("symptoms", ""))}
    )
    if not form.is_valid():
        for name, messages in form.errors.items():
            problems += [Problem(name, str(message)) for message in messages]
    return Line(number, values, problems, None if problems else form.record(priority))


def _parse_sex(text: str) -> str:
    by_label = {str(label).upper(): value for value, label in Sex.choices}
    return by_label.get(text.upper(), text.upper())


def _parse_symptoms(text: str) -> list[str]:
    by_label = {str(label).lower(): value for value, label in Symptom.choices}
    words = [word.strip().lower() for word in text.replace("|", ";").replace(",", ";").split(";")]
    return [by_label.get(word, word.replace(" ", "_")) for word in words if word]


def _parse_priority(text: str) -> tuple[int | None, list[Problem]]:
    if not text:
        return None, []
    by_name = {priority.name.lower(): priority.value for priority in Priority}
    if text.lower() in by_name:
        return by_name[text.lower()], []
    words = gettext("Write %(names)s, or leave it out.") % {"names": ", ".join(by_name)}
    return None, [Problem("priority", words)]


def _person(record: CaseRecord) -> tuple[Any, ...]:
    return record.name, record.birth_date, record.sex
