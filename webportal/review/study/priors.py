"""The patient's studies in chronological order, with the model's results and signed reads."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, time

from django.db.models import Prefetch
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.accounts.models import User
from webportal.inference.rounding import Thresholds, thresholds_of
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

MIDNIGHT = time()
DAYS_A_MONTH, DAYS_A_YEAR = 30.44, 365.25


@dataclass(frozen=True)
class TimelineEntry:
    """One study of the patient; `interval` is its distance in time from the current one, as text.

    `at` is None and `interval` empty if it has no date. `time` is the time of day, set only if
    another study has the same date. `order` is less than 0 for a study before the current one,
    greater for one after it, and 0 where that is not known. `thresholds` are those of its result.
    """

    study: Study
    at: date | None
    time: str
    is_shown: bool
    interval: str
    order: int
    hides_result: bool
    reads: list[Read] = field(default_factory=list)
    finding: Finding | None = None
    thresholds: Thresholds = field(default_factory=dict)

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
    findings = findings_of([each.pk for each in studies], reader)
    days = Counter(examined_on(each) for each in studies)
    thresholds = thresholds_of([each.pk for each in studies])
    entries = [
        replace(
            _entry(each, study, each.pk in hidden, is_alone=days[examined_on(each)] == 1),
            thresholds=thresholds.get(each.pk, {}),
        )
        for each in studies
    ]
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


def interval_in_day(minutes: int) -> str:
    """The same within one day, in hours or minutes."""
    distance = abs(minutes)
    if distance == 0:
        return _("the same time")
    if distance < 60:
        words = ngettext("%(count)d minute", "%(count)d minutes", distance) % {"count": distance}
    else:
        hours = round(distance / 60)
        words = ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    form = _("%(time)s earlier") if minutes < 0 else _("%(time)s later")
    return form % {"time": words}


def to_compare(entries: list[TimelineEntry]) -> list[tuple[str, list[TimelineEntry]]]:
    """The studies to lay beside the current one, under headings; those next to it in time first.

    What came later must not be taken for a prior: what has got worse would seem to have got better.
    """
    others = [entry for entry in entries if entry.can_be_compared]
    groups = [
        (_("Prior studies"), [entry for entry in others if entry.order < 0]),
        (_("Studies whose order is not known"), [entry for entry in others if entry.order == 0]),
        (_("Later studies"), [entry for entry in reversed(others) if entry.order > 0]),
    ]
    return [(heading, found) for heading, found in groups if found]


def _entry(study: Study, shown: Study, hides_result: bool, *, is_alone: bool) -> TimelineEntry:
    at, shown_at = examined_on(study), examined_on(shown)
    words, order, time_of_day = "", 0, _time_of_day(study)
    if at is not None and shown_at is not None and study.pk != shown.pk:
        words, order = interval((at - shown_at).days), (at > shown_at) - (at < shown_at)
        if at == shown_at and time_of_day and _time_of_day(shown):
            minutes = _minutes_between(study, shown)
            words, order = interval_in_day(minutes), (minutes > 0) - (minutes < 0)
    return TimelineEntry(
        study=study,
        at=at,
        time="" if is_alone else time_of_day,
        is_shown=study.pk == shown.pk,
        interval=words,
        order=order,
        hides_result=hides_result,
        reads=study.seen_reads,  # type: ignore[attr-defined]  # prefetched above
    )


def _time_of_day(study: Study) -> str:
    """The time of day; "" at midnight, which means that only the date is known."""
    if study.performed_at is None:
        return ""
    local = timezone.localtime(study.performed_at)
    return f"{local:%H:%M}" if local.time() != MIDNIGHT else ""


def _minutes_between(study: Study, shown: Study) -> int:
    assert study.performed_at is not None
    assert shown.performed_at is not None
    return round((study.performed_at - shown.performed_at).total_seconds() / 60)


def _with_finding(entry: TimelineEntry, finding: Finding | None) -> TimelineEntry:
    """Put the standing read first."""
    if finding is None:
        return entry
    reads = sorted(entry.reads, key=lambda read: read.pk != finding.read)
    return replace(entry, finding=finding, reads=reads)
