"""A batch's results as a PDF.

Separate from the other exports because its dependencies are large and few processes ever need them.
"""

from django.utils import timezone
from django.utils.translation import gettext as _
from fpdf.enums import TableCellFillMode
from fpdf.fonts import FontFace

from webportal.inference.purpose.reasons import in_short
from webportal.intake.models import Verdict
from webportal.records.choices import Category, Priority, ReadingState
from webportal.records.models import Patient
from webportal.review.batches.exports import (
    DISCLAIMER,
    IDENTITY_CORRECTED,
    Export,
    describe_compared_result,
    describe_finding,
    format_date,
)
from webportal.review.batches.results import FileRow
from webportal.review.reports.printing import UNKNOWN, Document


class _Document(Document):
    """A4 landscape, with title and page number on every page."""

    def __init__(self, export: Export) -> None:
        super().__init__(orientation="landscape")
        self.export = export
        self.set_auto_page_break(auto=True, margin=24)
        self.set_title(str(export.batch))

    def header(self) -> None:
        """Print the batch name."""
        self.set_font("noto", style="B", size=12)
        name = self.in_known_letters(str(self.export.batch))
        self.cell(text=_("Results of an upload: %(name)s") % {"name": name})
        self.set_font("noto", size=8)
        words = _("%(by)s, %(at)s") % {
            "by": self.in_known_letters(self.export.exported_by),
            "at": f"{timezone.localtime():%Y-%m-%d %H:%M %Z}",
        }
        self.cell(w=0, align="R", text=words, new_x="LMARGIN", new_y="NEXT")
        self.ln(3)

    def footer(self) -> None:
        """Print the disclaimer and the page number."""
        self.set_y(-20)
        self.set_font("noto", size=8)
        self.multi_cell(w=0, text=str(DISCLAIMER), new_x="LMARGIN", new_y="NEXT")
        words = _("Page %(page)s of %(pages)s") % {"page": self.page_no(), "pages": "{nb}"}
        self.cell(w=0, align="R", text=words)


def as_pdf(export: Export) -> bytes:
    """Return a table of the files with a heading, the disclaimer and page numbers."""
    document = _Document(export)
    document.add_page()
    document.set_font("noto", size=9)
    document.multi_cell(w=0, text=_counts(export), new_x="LMARGIN", new_y="NEXT")
    lines = [
        [document.in_known_letters(cell) for cell in _cells(row, export)] for row in export.rows
    ]
    if any(UNKNOWN in cell for line in lines for cell in line):
        words = _(
            "Characters that this file has no font for are shown as %(sign)s; the portal shows "
            "them."
        )
        text = words % {"sign": UNKNOWN}
        document.multi_cell(w=0, text=text, new_x="LMARGIN", new_y="NEXT")
    document.ln(2)
    results = [_("Model result")] if export.with_results else []
    names = [_("File"), _("Patient"), _("Patient ID"), _("Study"), _("Priority"), _("Read")]
    widths = (34, 24, 18, 12, 11) + ((26, 22) if export.with_results else (16,))
    document.set_font("noto", size=8)
    document.set_draw_color(196, 203, 211)
    with document.table(
        col_widths=widths,
        headings_style=FontFace(emphasis="BOLD", fill_color=(226, 231, 237)),
        cell_fill_color=(244, 246, 248),
        cell_fill_mode=TableCellFillMode.ROWS,
        borders_layout="HORIZONTAL_LINES",
        line_height=5,
        padding=0.6,
    ) as table:
        for cells in ([*names, *results], *lines):
            printed = table.row()
            for place, cell in enumerate(cells):
                # A reason spans all empty columns.
                printed.cell(cell, colspan=len(widths) - len(cells) + 1 if place == 1 else 1)
    return bytes(document.output())


def _counts(export: Export) -> str:
    signed = sum(row.reading_state == ReadingState.SIGNED for row in export.rows)
    counts = [
        _("%(count)s files") % {"count": len(export.rows)},
        _("%(count)s of a signed study") % {"count": signed},
    ]
    if export.with_results:
        for category in Category:
            count = sum(row.category == category for row in export.rows)
            counts += [f"{category.label}: {count}"] if count else []
    return " · ".join(counts)


def _result(row: FileRow) -> str:
    doubts = in_short(row.purpose_reasons)
    return "; ".join([describe_compared_result(row), *doubts])


def _cells(row: FileRow, export: Export) -> list[str]:
    """Cells of a row; for a file without a patient its name, the reason and the verdict."""
    state = ReadingState(row.reading_state) if row.reading_state else Verdict(row.verdict)
    if not row.patient_id:
        return [row.file_name, str(row.reason), str(state.label)]
    patient = Patient(name=row.patient_name, patient_id=row.patient_id)
    name = patient.display_name if patient.name else ""
    priority = "" if row.priority is None else str(Priority(row.priority).label)
    read = describe_finding(row) or str(state.label)
    results = [_result(row)] if export.with_results else []
    return [
        row.file_name,
        name,
        row.patient_id,
        format_date(row.performed_at) or _("not given"),
        priority,
        f"{read}, {IDENTITY_CORRECTED}" if row.identity_corrected else read,
        *results,
    ]
