"""Who was shown a patient, as a PDF that can be handed to the patient.

Import this module lazily, as `webportal.review.reports.printing`.
"""

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from fpdf.enums import TableCellFillMode
from fpdf.fonts import FontFace

from webportal.access.models import AccessEntry
from webportal.auditing.accesses import groups_of, role_labels, what
from webportal.auditing.subjects import Subject
from webportal.records.identity import format_identity, shown_identity
from webportal.review.reports.printing import Document

MOST_ENTRIES = 2000


class _Document(Document):
    """A4 landscape with page numbers."""

    def footer(self) -> None:
        """Print the page number."""
        self.set_y(-15)
        self.set_font("noto", size=8)
        words = _("Page %(page)s of %(pages)s") % {"page": self.page_no(), "pages": "{nb}"}
        self.cell(w=0, align="R", text=words)


def as_pdf(
    entries: QuerySet[AccessEntry], subject: Subject | None, used: dict[str, str], by: str
) -> bytes:
    """Return the accesses grouped by user, then individually, newest first, up to MOST_ENTRIES."""
    document = _Document(orientation="landscape")
    document.set_auto_page_break(auto=True, margin=18)
    document.set_title(_("Access log"))
    document.add_page()
    _write(document, _("Access log"), size=14, style="B")
    made = {"by": by, "at": _moment(timezone.now())}
    _write(document, _("Made by %(by)s, %(at)s") % made)
    if subject is not None:
        _write(document, format_identity(shown_identity(subject.patient)), size=11, style="B")
        for former in subject.former_identities:
            _write(document, _("Formerly: %(identity)s") % {"identity": former})
    if used:
        _write(document, " · ".join(f"{name}: {value}" for name, value in used.items()))
    document.ln(2)
    heads = [_("Who"), _("Role"), _("What"), _("Times"), _("First"), _("Last"), _("From where")]
    rows = [
        [
            f"{group.full_name} ({group.user})" if group.full_name else group.user,
            group.role_labels,
            group.what,
            str(group.count),
            _moment(group.first),
            _moment(group.last),
            ", ".join(group.addresses),
        ]
        for group in groups_of(entries)
    ]
    _table(document, heads, rows, (30, 26, 30, 10, 28, 28, 40))
    shown = list(entries[: MOST_ENTRIES + 1])
    document.ln(4)
    _write(document, _("One by one, the newest first"), size=11, style="B")
    if len(shown) > MOST_ENTRIES:
        words = _("Only the newest %(count)s are listed here; the CSV file has all.")
        _write(document, words % {"count": MOST_ENTRIES})
    heads = [_("When"), _("Who"), _("Role"), _("What"), _("From where"), _("Device")]
    lines = [
        [
            _moment(entry.at),
            entry.user,
            role_labels(entry.roles),
            what(entry.kind, entry.outcome),
            entry.address,
            entry.device,
        ]
        for entry in shown[:MOST_ENTRIES]
    ]
    _table(document, heads, lines, (28, 26, 26, 30, 24, 58))
    return bytes(document.output())


def _table(
    document: Document, heads: list[str], rows: list[list[str]], widths: tuple[int, ...]
) -> None:
    if not rows:
        _write(document, _("Nothing matches."))
        return
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
        for cells in (heads, *rows):
            printed = table.row()
            for cell in cells:
                printed.cell(document.in_known_letters(cell))


def _write(document: Document, text: str, *, size: int = 9, style: str = "") -> None:
    document.set_font("noto", style=style, size=size)
    known = document.in_known_letters(text)
    document.multi_cell(w=0, text=known, new_x="LMARGIN", new_y="NEXT")


def _moment(at: object) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"  # type: ignore[arg-type]
