"""The certificate of an erasure: counts and hashes of the erased data, and its audit entries.

It names no patient. Import this module lazily; see webportal.review.reports.printing.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from webportal.audit.models import AuditEntry
from webportal.erasure.messages import KINDS, OBSTACLES
from webportal.erasure.models import Erasure
from webportal.records.bikram_sambat import written_day, written_moment
from webportal.review.reports.printing import Document
from webportal.upkeep.pauses import open_pauses
from webportal.version import VERSION


def as_pdf(erasure: Erasure) -> bytes:
    """Return the certificate of a finished erasure as a PDF."""
    document = Document(orientation="portrait")
    document.set_margins(15, 15, 15)
    document.set_auto_page_break(auto=True, margin=15)
    document.set_title(_("Certificate of erasure"))
    document.add_page()
    _write(document, _("Certificate of erasure"), size=15, style="B")
    document.ln(1)
    for line in _facts(erasure):
        _write(document, line, size=10)
    _heading(document, _("What was erased"))
    for code, count in erasure.counts.items():
        _write(document, f"{KINDS.get(code, code)}: {count}", size=10)
    if erasure.skipped:
        _heading(document, _("What was not erased"))
        for study, code in erasure.skipped:
            _write(document, f"{study}: {OBSTACLES.get(code, code)}", size=9)
    _heading(document, _("Where the audit trail says so"))
    for entry in AuditEntry.objects.filter(sequence__in=erasure.entries).order_by("sequence"):
        words = _("Entry {number}, {date}, MAC {mac}")
        at = written_moment(entry.at)
        _write(document, words.format(number=entry.sequence, date=at, mac=entry.mac), size=8)
    _heading(document, _("SHA-256 of the files"))
    for sha256 in erasure.hashes:
        _write(document, sha256, size=8)
    _heading(document, _("What this certificate does not cover"))
    for line in limits(erasure):
        _write(document, line, size=9)
    return bytes(document.output())


def _facts(erasure: Erasure) -> Iterator[str]:
    yield _("Number: {id}").format(id=erasure.pk)
    if erasure.reference:
        yield _("Reference of the hospital: {text}").format(text=erasure.reference)
    yield _("Reason: {text}").format(text=erasure.reason)
    what = _("A patient with all studies") if erasure.is_of_patient else _("Studies that were due")
    yield _("What: {text}").format(text=what)
    for words, person, at in (
        (_("Requested by {person}, {date}"), erasure.requested_by, erasure.requested_at),
        (_("Confirmed by {person}, {date}"), erasure.decided_by, erasure.decided_at),
    ):
        if at is not None:
            who = person.username if person else _("a command on the server")
            yield words.format(person=who, date=written_moment(at))
    if erasure.finished_at is not None:
        yield _("Done: {date}").format(date=written_moment(erasure.finished_at))
    yield f"Chestline {VERSION}"


def limits(erasure: Erasure) -> Iterator[str]:
    """The limits of a certificate, one sentence each."""
    if erasure.unreadable:
        yield _(
            "Files in the storage and in the folder of the DICOM inbox that cannot be read, so that"
            " nobody can tell whose they are: {count}. They stay."
        ).format(count=erasure.unreadable)
    yield _(
        "Files in the storage that no record names, such as those received after a backup that was"
        " restored later, were searched only in the trash. They are moved there a day after they"
        " were stored, and deleted {days} days later."
    ).format(days=settings.STORAGE_TRASH_DAYS)
    if open_pauses().exists():
        yield _("Removal of such files is paused at present: they stay until it is resumed.")
    if settings.BACKUP_REPOSITORY and settings.BACKUP_KEEP_DAYS > 0 and erasure.finished_at:
        until = erasure.finished_at + timedelta(days=settings.BACKUP_KEEP_DAYS)
        yield _(
            "Earlier encrypted backups may contain the data until {date}, when they are deleted;"
            " restoring one erases the data again."
        ).format(date=written_day(until.date()))
    else:
        yield _(
            "Earlier backups may contain the data for as long as they are kept. Those that"
            " Chestline restores are erased again."
        )
    yield _(
        "Copies that left the system earlier are outside its control: reports and exports that"
        " were downloaded or printed, e-mail, and copies on modalities and in other archives."
    )


def _heading(document: Document, text: str) -> None:
    document.ln(3)
    _write(document, text, size=12, style="B")


def _write(document: Document, text: str, *, size: int, style: str = "") -> None:
    document.set_font("noto", style=style, size=size)
    known = document.in_known_letters(text)
    document.multi_cell(w=0, text=known, new_x="LMARGIN", new_y="NEXT")
