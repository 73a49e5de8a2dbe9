"""The patient's studies in chronological order, with the model's results and signed reads."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import date

from django.db.models import Prefetch
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.accounts.models import User
from webportal.records.ages import examined_on
from webportal.records.models import NEWEST_FIRST, Radiograph, Study
from webportal.review.models import Read
from webportal.review.reads.blinding import (
    studies_with_hidden_results,
    studies_with_withheld_results,
    visible_reads,
)
from webportal.review.reads.headline import Finding, findings_of
from webportal.review.reads.standing import standing_reads

DAYS_A_MONTH, DAYS_A_YEAR = 30.44, 365.25


@dataclass(frozen=True)
class TimelineEntry:
    """One study of the patient; `interval` is its distance in time from the current one, as text.

    `at` is None and `interval` empty if it has no date.
    """

    study: Study
    at: date | None
    is_shown: bool
    interval: str
    hides_result: bool
    reads: list[Read] = field(default_factory=list)
    finding: Finding | None = None

    @property
    def radiographs(self) -> list[Radiograph]:
        """Its images."""
        return list(self.study.radiographs.all())

    @property
    def can_be_compared(self) -> bool:
        """Whether it is another study with an image to compare with."""
        return not self.is_shown and bool(self.radiographs)


def timeline(study: Study, reader: User, *, is_open: bool = False) -> list[TimelineEntry]:
    """The patient's studies, newest first, with the reads and results this reader may see.

    Undated studies come last. `is_open` is that of `withheld_results`; a closed result of the
    current study is opened in place by the page.
    """
    signed = standing_reads().filter(visible_reads(reader))
    studies = list(
        study.patient.studies.visible_to(reader)
        .order_by(*NEWEST_FIRST)
        .prefetch_related(
            "radiographs",
            "identity_corrections",
            Prefetch("reads", signed.select_related("reader").order_by("signed_at"), "seen_reads"),
        )
        .defer("history")
    )
    others = [each.pk for each in studies if each.pk != study.pk]
    hidden = studies_with_withheld_results(reader, others, is_open=is_open)
    hidden |= studies_with_hidden_results(reader, [study.pk])
    shown_at = examined_on(study)
    findings = findings_of([each.pk for each in studies], reader)
    entries = [_entry(each, study.pk, shown_at, each.pk in hidden) for each in studies]
    return [_with_finding(entry, findings.get(entry.study.pk)) for entry in entries]


def interval(days: int) -> str:
    """Time from one study to another (negative if before), in a suitable unit."""
    if days == 0:
        return _("the same day")
    distance = abs(days)
    if distance < 60:
        words = ngettext("%(count)d day", "%(count)d days", distance) % {"count": distance}
    elif distance < 2 * DAYS_A_YEAR:
        months = round(distance / DAYS_A_MONTH)
        words = ngettext("%(count)d month", "%(count)d months", months) % {"count": months}
    else:
        years = round(distance / DAYS_A_YEAR)
        words = ngettext("%(count)d year", "%(count)d years", years) % {"count": years}
    form = _("%(time)s earlier") if days < 0 else _("%(time)s later")
    return form % {"time": words}


def _entry(
    study: Study, shown: uuid.UUID, shown_at: date | None, hides_result: bool
) -> TimelineEntry:
    at = examined_on(study)
    words = ""
    if at is not None and shown_at is not None and study.pk != shown:
        words = interval((at - shown_at).days)
    return TimelineEntry(
        study=study,
        at=at,
        is_shown=study.pk == shown,
        interval=words,
        hides_result=hides_result,
        reads=study.seen_reads,  # type: ignore[attr-defined]  # prefetched above
    )


def _with_finding(entry: TimelineEntry, finding: Finding | None) -> TimelineEntry:
    """Put the standing read first."""
    if finding is None:
        return entry
    reads = sorted(entry.reads, key=lambda read: read.pk != finding.read)
    return replace(entry, finding=finding, reads=reads)
