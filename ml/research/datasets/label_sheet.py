"""Labels of radiographs from a sheet (CSV), and groups of them by its columns.

The sheet has a column ``file`` and a column ``label`` (or ``pneumonia``, as in the sheet that comes
with the NIH images), and any others.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from ml.research.datasets.radiographs import DatasetError, LabelledImage

FILE = "file"
PATIENT = "patient"
AGE = "age"
LABEL_COLUMNS = ("label", "pneumonia")
KINDS = {
    "0": "normal",
    "normal": "normal",
    "no": "normal",
    "1": "pneumonia",
    "pneumonia": "pneumonia",
    "yes": "pneumonia",
    "bacteria": "bacteria",
    "virus": "virus",
}
NOT_GIVEN = "not given"
# The first year of each age group.
AGE_GROUPS = (0, 1, 6, 18, 40, 65)


def read_label_sheet(sheet: Path, folder: Path) -> tuple[list[LabelledImage], int]:
    """Return the labelled files of a sheet, and how many rows have no label and are left out.

    Files are relative to ``folder``. A file without a ``patient`` is a patient of its own. A
    *normal* label means only that there is no pneumonia. Raises ``DatasetError`` for a missing
    column, a label that is none of ``KINDS``, and a sheet without any label.
    """
    with sheet.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        columns = reader.fieldnames or []
        label = next((name for name in LABEL_COLUMNS if name in columns), None)
        if FILE not in columns or label is None:
            raise DatasetError(
                f"{sheet} needs the columns '{FILE}' and '{LABEL_COLUMNS[0]}';"
                f" it has: {', '.join(columns) or 'none'}."
            )
        rows = [(reader.line_num, row) for row in reader]
    labelled = [
        _labelled(row, row[label].strip().lower(), folder, f"{sheet}, line {line}")
        for line, row in rows
        if (row[label] or "").strip()
    ]
    if not labelled:
        raise DatasetError(f"No row of {sheet} has a label in the column '{label}'.")
    return labelled, len(rows) - len(labelled)


def read_pictures(sheet: Path) -> list[LabelledImage]:
    """Return all files of a sheet, located beside it, whatever their labels.

    Rows whose ``view`` is *frontal chest* are left out of sheets that also have other pictures.
    """
    with sheet.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or FILE not in rows[0]:
        raise DatasetError(f"{sheet} needs a column '{FILE}' and a row.")
    return [
        LabelledImage(sheet.parent / row[FILE], "", row.get(PATIENT) or row[FILE], "", 0, row)
        for row in rows
        if row.get("view") != "frontal chest"
    ]


def _labelled(row: dict[str, str], label: str, folder: Path, place: str) -> LabelledImage:
    if label not in KINDS:
        raise DatasetError(f"{place}: '{label}' is not a label. Labels are: {', '.join(KINDS)}.")
    path = folder / row[FILE]
    columns = {name: value or "" for name, value in row.items() if name}
    return LabelledImage(path, KINDS[label], row.get(PATIENT) or str(path), "", 0, columns)


def group_of(image: LabelledImage, column: str) -> str:
    """Return the group of an image by a column of its sheet: the value, or an age group of years.

    Values of ``age`` that are numbers of years fall into groups.
    """
    value = image.columns[column].strip()
    if not value:
        return NOT_GIVEN
    return _age_group(value) if column == AGE else value


def _age_group(value: str) -> str:
    try:
        years = float(value)
    except ValueError:
        return value
    starts = [start for start in AGE_GROUPS if start <= years]
    if not starts:
        return value
    following = [start for start in AGE_GROUPS if start > years]
    if not following:
        return f"{starts[-1]} years and over"
    return f"{starts[-1]} to {following[0] - 1} years" if starts[-1] else "under 1 year"


def check_column(images: Sequence[LabelledImage], column: str) -> None:
    """Raise ``DatasetError`` if the sheet has no such column."""
    columns = images[0].columns
    if column not in columns:
        raise DatasetError(f"There is no column '{column}'; there are: {', '.join(columns)}.")
