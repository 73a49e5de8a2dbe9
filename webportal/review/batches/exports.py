"""Export of a batch's results as files."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.inference import rounding
from webportal.inference.models import JobState
from webportal.inference.purpose.reasons import in_short
from webportal.intake.models import UploadBatch
from webportal.labels import label_of
from webportal.records.choices import Category, Priority
from webportal.review.batches.results import ANALYSED, FileRow
from webportal.review.reads.headline import stands_to

DISCLAIMER = gettext_lazy(
    "The model assists, it never decides: its result is not a finding. A study counts as read only"
    " where a finding is signed; the signed read in the portal is what holds."
)
IDENTITY_CORRECTED = gettext_lazy("identity corrected")
_DIGITS = 4
# Prefixes that a spreadsheet would treat as a formula (OWASP, CSV Injection), including full-width
# ones.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Export:
    """Contents of an export: `rows` as `exported_by` may see them, with or without results."""

    batch: UploadBatch
    rows: Sequence[FileRow]
    with_results: bool
    exported_by: str


def as_csv(export: Export) -> str:
    """Return one row per file, in UTF-8 with stable column names; safe to open in a spreadsheet.

    Cells that a spreadsheet would evaluate as a formula are prefixed with an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    results = []
    if export.with_results:
        results = ["finding", "other_findings", "signed_by", "signed_at", "model_is"]
        results += ["category", "probability", "purpose", "doubts", "model_version"]
        results += ["result_withheld"]
    names = ["file", "verdict", "reason", "patient_id", "patient_name", "study"]
    names += ["accession_number", "study_date", "priority", "analysis", *results, "reading_state"]
    names += ["identity_corrected", *(["finding_remarks"] if export.with_results else [])]
    writer.writerow(names)
    for row in export.rows:
        probability = _share(row)
        found = []
        if export.with_results:
            doubts = "; ".join(in_short(row.purpose_reasons))
            found = [*_finding_cells(row), row.category, probability, row.purpose, doubts]
            found += [row.model_version, "yes" if row.result_withheld else ""]
        cells = [row.file_name, row.verdict, row.reason.english, row.patient_id, row.patient_name]
        cells += [str(row.study_id or ""), row.accession_number, format_date(row.performed_at)]
        cells += ["" if row.priority is None else Priority(row.priority).name.lower()]
        cells += [row.analysis, *found, row.reading_state]
        cells += ["yes" if row.identity_corrected else ""]
        if export.with_results:
            cells += ["; ".join(row.finding.remarks) if row.finding else ""]
        writer.writerow(_harmless(cells))
    return buffer.getvalue()


def _share(row: FileRow) -> str:
    """The probability, 0 to 1, on its side of the thresholds; '' if there is none."""
    if row.probability is None:
        return ""
    return f"{rounding.rounded(row.probability, row.thresholds, _DIGITS):.{_DIGITS}f}"


def _harmless(cells: Iterable[str]) -> list[str]:
    return [f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells]


def _finding_cells(row: FileRow) -> list[str]:
    """The signed finding and its relation to the model's result; empty if there is none."""
    if row.finding is None:
        return [""] * 5
    others, at = "; ".join(row.finding.others), timezone.localtime(row.finding.signed_at)
    stands = row.finding.against(row.category)
    return [row.finding.value, others, row.finding.reader, f"{at:%Y-%m-%d %H:%M}", stands]


def describe_finding(row: FileRow) -> str:
    """The signed finding as text, with signer, time and remarks; '' if there is none."""
    if row.finding is None:
        return ""
    labels = ", ".join([row.finding.label, *row.finding.other_labels])
    at = f"{timezone.localtime(row.finding.signed_at):%Y-%m-%d %H:%M}"
    return "; ".join([f"{labels} ({row.finding.reader}, {at})", *row.finding.remarks])


def format_date(at: datetime | None) -> str:
    """The date in local time; '' if unknown."""
    return "" if at is None else f"{timezone.localtime(at):%Y-%m-%d}"


def describe_compared_result(row: FileRow) -> str:
    """The model's result as shown beside a signed finding: whether it agrees or was overruled."""
    stands = stands_to(row.finding, row.category) if row.finding else ""
    return f"{describe_result(row)} – {stands}" if stands else describe_result(row)


def describe_result(row: FileRow) -> str:
    """The result of a file as text, or the progress of its analysis if there is none yet."""
    if row.category:
        words = label_of(Category, row.category)
        if row.probability is None:
            return words
        return f"{words}, {rounding.percent(row.probability, row.thresholds)}"
    if row.analysis == ANALYSED:
        return _("hidden until your own read is signed")
    return label_of(JobState, row.analysis) if row.analysis else ""
