"""The report of a study as a PDF, one page unless the text is long."""

from collections.abc import Sequence
from io import BytesIO

from django.utils.translation import gettext as _
from fpdf.enums import Align

from webportal.records.bikram_sambat import written_moment
from webportal.review.models import Addendum
from webportal.review.reports.content import Report
from webportal.review.reports.lines import facts, signatures, whose
from webportal.review.reports.printing import UNKNOWN, Document

_PICTURE_HEIGHT = 105.0  # millimetres
_TEXT_WIDTH = 180.0
_FOOTER = 14.0  # above the lower edge


class _Document(Document):
    """A report whose every sheet says whose it is: sheets of two patients get mixed up."""

    def __init__(self, report: Report) -> None:
        super().__init__(orientation="portrait")
        self.whose = whose(report)
        self.has_unknown = False

    def footer(self) -> None:
        """Print the patient and the page number."""
        self.set_y(-_FOOTER)
        page = _("Page %(page)s of %(pages)s") % {"page": self.page_no(), "pages": "{nb}"}
        _write(self, f"{self.whose} · {page}", size=8)


def as_pdf(report: Report, picture: bytes | None) -> bytes:
    """Return the PDF; `picture` is the key image as a PNG, None if it cannot be shown."""
    document = _Document(report)
    document.set_margins(15, 15, 15)
    document.set_auto_page_break(auto=True, margin=_FOOTER + 4)
    document.set_title(_("Chest radiograph report"))
    document.add_page()
    _write(document, _("Chest radiograph report"), size=15, style="B")
    document.ln(1)
    for label, value in facts(report):
        _write(document, f"{label}: {value}", size=9)
    document.ln(3)
    _write(document, report.finding, size=13, style="B")
    for line in report.details:
        _write(document, line, size=10)
    if report.read.comment:
        document.ln(1)
        _write(document, report.read.comment, size=10)
    for line in report.first_reader:
        document.ln(1)
        _write(document, line, size=10)
    heading = _("Addendum, {author}, {date}: {reason}")
    _write_addenda(document, heading, report.addenda)
    heading = _("Addendum to an earlier read, {author}, {date}: {reason}")
    _write_addenda(document, heading, report.earlier_addenda)
    document.ln(3)
    for line in signatures(report):
        _write(document, line, size=9)
    if document.has_unknown:
        words = _(
            "Characters that this file has no font for are shown as %(sign)s; the portal shows "
            "them."
        )
        _write(document, words % {"sign": UNKNOWN}, size=8)
    if picture is not None:
        document.ln(3)
        document.image(
            BytesIO(picture), x=Align.C, w=_TEXT_WIDTH, h=_PICTURE_HEIGHT, keep_aspect_ratio=True
        )
        _write(document, _("Key image. Not for diagnosis: reduced for this report."), size=8)
    return bytes(document.output())


def _write_addenda(document: _Document, heading: str, addenda: Sequence[Addendum]) -> None:
    for addendum in addenda:
        document.ln(2)
        at = written_moment(addendum.signed_at)
        words = heading.format(author=addendum.author, date=at, reason=addendum.reason)
        _write(document, words, size=10, style="B")
        _write(document, addendum.text, size=10)


def _write(document: _Document, text: str, *, size: int, style: str = "") -> None:
    # Bold is available for Latin script only; names in other scripts use the regular font.
    document.set_font("noto", style=style, size=size)
    known = document.in_known_letters(text)
    document.has_unknown |= UNKNOWN in known
    document.multi_cell(w=0, text=known, new_x="LMARGIN", new_y="NEXT")
