"""Marks: points and boxes on an image that a reader places for a finding.

They are in pixels of the stored image, counted from 0 at its upper left corner, so that a mark
stays in place however the image is zoomed, rotated or flipped. A read keeps them as JSON.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.records.models import Study
from webportal.review.models import OtherFinding, Pneumonia

MOST_MARKS = 50
PNEUMONIA = "pneumonia"
MARKED_FINDINGS = [(PNEUMONIA, gettext_lazy("Pneumonia")), *OtherFinding.choices]
NUMBERS = ("column", "row", "width", "height")


@dataclass(frozen=True)
class Mark:
    """A point (width and height 0), or a box given by its upper left pixel."""

    radiograph: uuid.UUID
    finding: str
    column: int
    row: int
    width: int = 0
    height: int = 0

    @property
    def is_point(self) -> bool:
        """Whether it is a point rather than a box."""
        return self.width == 0 and self.height == 0

    def fits(self, columns: int, rows: int) -> bool:
        """Whether it lies within an image of that size and is a point or a whole box."""
        if self.column < 0 or self.row < 0:
            return False
        if not self.is_point and (self.width < 1 or self.height < 1):
            return False
        return (
            self.column + max(self.width, 1) <= columns and self.row + max(self.height, 1) <= rows
        )

    def as_json(self) -> dict[str, Any]:
        """The mark as stored, sent and signed."""
        return {
            "radiograph": str(self.radiograph),
            "finding": self.finding,
            **{name: getattr(self, name) for name in NUMBERS},
        }


def parse_marks(given: object) -> tuple[Mark, ...]:
    """Parse a list of marks as written by `Mark.as_json`; raises ValueError for anything else."""
    if not isinstance(given, list):
        raise ValueError("marks are a list")
    return tuple(_parse_mark(each) for each in given)


def _parse_mark(given: object) -> Mark:
    if not isinstance(given, dict):
        raise ValueError("a mark is an object")
    numbers = {name: given.get(name, 0) for name in NUMBERS}
    if not all(type(number) is int for number in numbers.values()):
        raise ValueError("a mark is in whole pixels")
    return Mark(uuid.UUID(str(given.get("radiograph"))), str(given.get("finding")), **numbers)


def image_sizes(study: Study) -> dict[uuid.UUID, tuple[int, int]]:
    """Columns and rows of each of a study's images."""
    sizes = study.radiographs.values_list("pk", "columns", "rows")
    return {pk: (columns, rows) for pk, columns, rows in sizes}


def why_refused(study: Study, marks: Collection[Mark]) -> str:
    """Why marks on the images of a study are invalid, as text; '' if they are valid."""
    if not marks:
        return ""
    if len(marks) > MOST_MARKS:
        return _("A read holds at most {most} marks on the images.").format(most=MOST_MARKS)
    sizes = image_sizes(study)
    for mark in marks:
        if mark.finding not in dict(MARKED_FINDINGS):
            return _("The finding of a mark is not one of those known.")
        if mark.radiograph not in sizes:
            return _("A mark is on an image that does not belong to this study.")
        columns, rows = sizes[mark.radiograph]
        if not mark.fits(columns, rows):
            return _(
                "A mark lies outside its image, which has {columns} columns and {rows} rows."
            ).format(columns=columns, rows=rows)
    return ""


def marked_but_unrecorded(
    marks: Collection[Mark], pneumonia: str, other_findings: Collection[str]
) -> str:
    """The first finding, as text, that is marked on an image but not part of the read."""
    recorded = set(other_findings)
    if pneumonia in (Pneumonia.POSSIBLE, Pneumonia.DEFINITE):
        recorded.add(PNEUMONIA)
    missing = (mark.finding for mark in marks if mark.finding not in recorded)
    finding = next(missing, None)
    return str(dict(MARKED_FINDINGS)[finding]) if finding else ""


def describe_marks(marks: Sequence[Mark], study: Study) -> list[str]:
    """A text alternative for each mark."""
    numbers = {pk: n for n, pk in enumerate(study.radiographs.values_list("pk", flat=True), 1)}
    labels = dict(MARKED_FINDINGS)
    return [
        # A later release may know more findings.
        _describe_mark(mark, str(labels.get(mark.finding, mark.finding)), numbers[mark.radiograph])
        for mark in marks
    ]


def _describe_mark(mark: Mark, finding: str, number: int) -> str:
    words = (
        _("{finding}: point on image {number}, column {column}, row {row}")
        if mark.is_point
        else _("{finding}: box on image {number}, columns {column}–{right}, rows {row}–{bottom}")
    )
    return words.format(
        finding=finding,
        number=number,
        column=mark.column,
        row=mark.row,
        right=mark.column + mark.width - 1,
        bottom=mark.row + mark.height - 1,
    )
