"""Case records that people give for files: one from a form, or one a line from a CSV sheet."""

import csv
import io
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from webportal.records.forms import plain_text
from webportal.records.models import Priority, Sex, Symptom

MAX_SHEET_BYTES = 5 * 1024**2
_MAX_NAME = 64
FORM_KEY = ""  # under which a batch keeps the one case record of its form


@dataclass(frozen=True)
class CaseRecord:
    """What a person says of a file's patient and study. `name` as DICOM writes it, FAMILY^Given."""

    patient_id: str
    issuer: str = ""
    name: str = ""
    birth_date: date | None = None
    sex: str = ""
    accession_number: str = ""
    study_date: date | None = None
    indication: str = ""
    symptoms: list[str] = field(default_factory=list)
    history: str = ""
    referring_physician: str = ""
    priority: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON that `from_json` takes."""
        fields = asdict(self)
        for name in ("birth_date", "study_date"):
            fields[name] = fields[name] and fields[name].isoformat()
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "CaseRecord":
        """Return the record that `as_json` was called on."""
        dates = {
            name: date.fromisoformat(fields[name]) if fields[name] else None
            for name in ("birth_date", "study_date")
        }
        return cls(**{**fields, **dates})


class CaseRecordForm(forms.Form):
    """The case record of a form, and the check of each line of a sheet."""

    # The form may be out of sight, where a browser could not say what it wants filled in.
    use_required_attribute = False

    patient_id = forms.CharField(
        label="Patient ID",
        max_length=64,
        validators=[plain_text],
        error_messages={"required": "Give the Patient ID."},
    )
    issuer = forms.CharField(
        label="Issuer of Patient ID",
        max_length=64,
        required=False,
        validators=[plain_text],
        help_text="Who gave out the Patient ID, if it is another hospital.",
    )
    family_name = forms.CharField(max_length=64, required=False, validators=[plain_text])
    given_name = forms.CharField(max_length=64, required=False, validators=[plain_text])
    birth_date = forms.DateField(
        label="Date of birth",
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": "Write the date of birth as YYYY-MM-DD."},
    )
    sex = forms.ChoiceField(
        required=False,
        choices=[("", "Not known"), *Sex.choices],
        error_messages={"invalid_choice": "Write the sex as F, M or O, or leave it out."},
    )
    accession_number = forms.CharField(max_length=16, required=False, validators=[plain_text])
    study_date = forms.DateField(
        label="Date of the study",
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": "Write the date of the study as YYYY-MM-DD."},
    )
    referring_physician = forms.CharField(
        label="Referring clinician", max_length=64, required=False, validators=[plain_text]
    )
    indication = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    symptoms = forms.MultipleChoiceField(
        required=False,
        choices=Symptom.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "invalid_choice": "%(value)s is not a known symptom; known are "
            + ", ".join(Symptom.values)
            + "."
        },
    )
    history = forms.CharField(
        label="Relevant history",
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a name longer than DICOM has room for (VR PN)."""
        fields = self.cleaned_data
        if len(fields.get("family_name", "") + fields.get("given_name", "")) >= _MAX_NAME:
            self.add_error("family_name", "Family and given name are longer than 63 letters.")
        return fields

    def clean_birth_date(self) -> date | None:
        """Refuse a birth in the future."""
        return self._not_in_future("birth_date", "date of birth")

    def clean_study_date(self) -> date | None:
        """Refuse a study in the future."""
        return self._not_in_future("study_date", "date of the study")

    def _not_in_future(self, name: str, label: str) -> date | None:
        value: date | None = self.cleaned_data[name]
        if value and value > timezone.localdate():
            raise forms.ValidationError(f"The {label} is in the future.")
        return value

    def record(self, priority: int | None = None) -> CaseRecord:
        """Return the record of a form that is valid."""
        fields = dict(self.cleaned_data)
        names = [fields.pop("family_name"), fields.pop("given_name")]
        return CaseRecord(name="^".join(names).rstrip("^"), priority=priority, **fields)


@dataclass(frozen=True)
class SheetError:
    """What is wrong in one line of a sheet; line 1 is the one with the column names."""

    line: int
    message: str


SHEET_COLUMNS = ["file", *CaseRecordForm.base_fields, "priority"]
_REQUIRED_COLUMNS = {"file", "patient_id"}


def sheet_template() -> str:
    """Return an empty sheet: the line with the column names."""
    return ",".join(SHEET_COLUMNS) + "\r\n"


def parse_sheet(data: bytes) -> tuple[dict[str, CaseRecord], list[SheetError]]:
    """Return the case record for each file named in a CSV sheet, and every error found.

    Where there are errors the records are not to be used. Columns: `SHEET_COLUMNS`, in any order,
    separated by commas, semicolons or tabs; several symptoms by `;`, `|` or `,` inside quotes.
    """
    if len(data) > MAX_SHEET_BYTES:
        return {}, [SheetError(1, "The sheet is larger than 5 MB. Is it the right file?")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return {}, [SheetError(1, "The sheet is not UTF-8 text. Save it as “CSV UTF-8”.")]
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
    problem = _column_problem(reader.fieldnames)
    if problem:
        return {}, [SheetError(1, problem)]
    try:
        return _parse_lines(reader)
    except csv.Error as error:
        return {}, [SheetError(reader.line_num, f"The line cannot be read as CSV: {error}.")]


def _column_problem(names: list[str]) -> str:
    missing = sorted(_REQUIRED_COLUMNS - set(names))
    if missing:
        return f"The column {missing[0]!r} is missing in the first line."
    unknown = [name for name in names if name not in SHEET_COLUMNS]
    if unknown:
        return (
            f"There is no column {unknown[0][:40]!r}. Known columns are {', '.join(SHEET_COLUMNS)}."
        )
    if len(set(names)) < len(names):
        return "A column is there twice."
    return ""


def _parse_lines(reader: "csv.DictReader[str]") -> tuple[dict[str, CaseRecord], list[SheetError]]:
    records: dict[str, CaseRecord] = {}
    errors: list[SheetError] = []
    lines_by_file: dict[str, int] = {}
    first_by_patient: dict[tuple[str, str], tuple[int, CaseRecord]] = {}
    for row in reader:
        line = reader.line_num
        if not any(value for value in row.values()):
            continue
        record, problems = _parse_line(row)
        key = file_key(row["file"] or "")
        if key in lines_by_file:
            problems.append(f"The file is named in line {lines_by_file[key]} already.")
        lines_by_file.setdefault(key, line)
        if record is not None:
            patient = (record.patient_id, record.issuer)
            first_line, first = first_by_patient.setdefault(patient, (line, record))
            if _person(first) != _person(record):
                problems.append(
                    f"Line {first_line} gives the same Patient ID another name, date of birth or"
                    " sex."
                )
            records[key] = record
        errors += [SheetError(line, problem) for problem in problems]
    if not lines_by_file:
        errors.append(SheetError(1, "The sheet has no lines below the column names."))
    return records, errors


def _parse_line(row: dict[str, Any]) -> tuple[CaseRecord | None, list[str]]:
    if None in row:
        return None, ["The line has more values than there are columns."]
    values = {name: (value or "").strip() for name, value in row.items()}
    problems = []
    if not file_key(values["file"]):
        problems.append("Give the name of the file.")
    priority, priority_problem = _parse_priority(values.get("priority", ""))
    problems += priority_problem
    form = CaseRecordForm(
        values
        | {"sex": _parse_sex(values.get("sex", ""))}
        | {"symptoms": _parse_symptoms(values.get("symptoms", ""))}
    )
    if not form.is_valid():
        for name, messages in form.errors.items():
            problems += [f"{name}: {message}" for message in messages]
    return (form.record(priority) if not problems else None), problems


def _parse_sex(text: str) -> str:
    by_label = {label.upper(): value for value, label in Sex.choices}
    return by_label.get(text.upper(), text.upper())


def _parse_symptoms(text: str) -> list[str]:
    by_label = {label.lower(): value for value, label in Symptom.choices}
    words = [word.strip().lower() for word in text.replace("|", ";").replace(",", ";").split(";")]
    return [by_label.get(word, word.replace(" ", "_")) for word in words if word]


def _parse_priority(text: str) -> tuple[int | None, list[str]]:
    if not text:
        return None, []
    by_name = {priority.label.lower(): priority.value for priority in Priority}
    if text.lower() in by_name:
        return by_name[text.lower()], []
    return None, [f"priority: write {', '.join(by_name)}, or leave it out."]


def _person(record: CaseRecord) -> tuple[Any, ...]:
    return record.name, record.birth_date, record.sex


def file_key(name: str) -> str:
    """Return a file's name or path in the one form in which names are compared."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    return "/".join(part for part in name.split("/") if part not in ("", ".")).casefold()


def matching_key(records: Mapping[str, Any], file_name: str) -> str | None:
    """Return the key of the sheet's line for a file: by its path, or by the end of its path."""
    parts = file_key(file_name).split("/")
    for start in range(len(parts)):
        key = "/".join(parts[start:])
        if key in records:
            return key
    return None
