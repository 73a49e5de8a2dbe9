"""The plots of the operations page, from the figures that the scheduler keeps."""

from collections import Counter
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.charts import (
    Axis,
    ChartSeries,
    Plot,
    bars,
    cells,
    gigabytes_text,
    lines,
    waits,
)
from webportal.inference.history import periods
from webportal.inference.models import JobState, PeriodLength, QueuePeriod
from webportal.records.choices import Priority

_MOST_REASONS = 5
_MOST_WORKERS = 12
_LONGEST_NAME = 48
_GIGABYTE = 1024**3


def plots(length: PeriodLength) -> list[Plot]:
    """All of them, of the last day by hour or of the last month by day."""
    shown = periods(length)
    times = _times(length, shown)
    found = [_arrivals(times, shown), _results(times, shown), _waits(times, shown)]
    found += [_reasons(times, shown), _workers(times, shown)]
    disk = _disk(times, shown)
    return found if disk.is_empty else [*found, disk]


def _times(length: PeriodLength, shown: list[QueuePeriod]) -> Axis[datetime]:
    starts = [timezone.localtime(each.starts_at) for each in shown]
    if length == PeriodLength.HOUR:
        return Axis(starts, lambda at: f"{at:%H}", lambda at: f"{at:%Y-%m-%d %H:%M}")
    return Axis(starts, lambda at: f"{at:%m-%d}", lambda at: f"{at:%Y-%m-%d}")


def _arrivals(times: Axis[datetime], shown: list[QueuePeriod]) -> Plot:
    series = [
        ChartSeries(
            str(priority.label),
            f"priority-{_key(priority)}",
            _counts(shown, "arrived", _key(priority)),
        )
        for priority in Priority
    ]
    return bars(_("Images queued"), times, series)


def _results(times: Axis[datetime], shown: list[QueuePeriod]) -> Plot:
    labels = {
        JobState.DONE: _("assessed"),
        JobState.REFUSED: _("not assessable"),
        JobState.QUARANTINED: _("failed"),
    }
    series = [
        ChartSeries(label, f"outcome-{state.value}", _counts(shown, "results", state.value))
        for state, label in labels.items()
    ]
    return bars(_("Images analysed"), times, series)


def _waits(times: Axis[datetime], shown: list[QueuePeriod]) -> Plot:
    series = []
    for priority in Priority:
        for number, share in ((1, _("95th percentile, {priority}")), (0, _("median, {priority}"))):
            values = [
                each.figures.get("times", {}).get(_key(priority), (None, None))[number]
                for each in shown
            ]
            label = share.format(priority=str(priority.label).lower())
            series.append(ChartSeries(label, f"priority-{_key(priority)}", values, number == 0))
    return waits(
        _("Time from arrival to result"),
        times,
        series,
        _(
            "Within this time 95 of 100 images (solid lines) or half of them (dotted) had their"
            " result. The axis is logarithmic."
        ),
    )


def _reasons(times: Axis[datetime], shown: list[QueuePeriod]) -> Plot:
    totals: Counter[str] = Counter()
    for each in shown:
        totals.update(each.figures.get("reasons", {}))
    most = [code for code, _count in totals.most_common(_MOST_REASONS)]
    series = [
        ChartSeries(code, f"kind-{number}", _counts(shown, "reasons", code))
        for number, code in enumerate(most)
    ]
    if len(totals) > len(most):
        others = [
            sum(n for code, n in each.figures.get("reasons", {}).items() if code not in most)
            for each in shown
        ]
        series.append(ChartSeries(_("others"), "kind-others", others))
    return bars(_("Without a result, by reason"), times, series)


def _workers(times: Axis[datetime], shown: list[QueuePeriod]) -> Plot:
    busy: Counter[str] = Counter()
    for each in shown:
        for name, (_images, seconds) in each.figures.get("workers", {}).items():
            busy[name] += seconds
    now = timezone.now()
    names = [name for name, _seconds in busy.most_common(_MOST_WORKERS)]
    series = [
        ChartSeries(name[:_LONGEST_NAME], "", [_load(each, name, now) for each in shown])
        for name in sorted(names)
    ]
    note = _("The share of the time in which the worker had images.")
    if len(busy) > len(names):
        note += " " + _("The {most} busiest of {all}.").format(most=len(names), all=len(busy))
    return cells(_("Load of the workers"), times, series, note)


def load_of(name: str) -> Plot:
    """The load of one worker in the last day by hour."""
    shown, now = periods(PeriodLength.HOUR), timezone.now()
    times = _times(PeriodLength.HOUR, shown)
    values = [_load(each, name, now) for each in shown]
    return cells(_("Load in the last 24 hours"), times, [ChartSeries("", "", values)])


def _load(period: QueuePeriod, name: str, now: datetime) -> float | None:
    """The share of a period, or of what has passed of it, in which the worker was busy."""
    if not period.figures:
        return None
    seconds = period.figures.get("workers", {}).get(name, (0, 0.0))[1]
    until = min(now, period.ends_at, period.computed_at)
    passed = (until - period.starts_at).total_seconds()
    return min(1.0, float(seconds) / passed) if passed > 0 else None


def _disk(times: Axis[datetime], shown: list[QueuePeriod]) -> Plot:
    free = [each.figures.get("free_bytes") for each in shown]
    values = [None if each is None else each / _GIGABYTE for each in free]
    return lines(
        _("Free for images"), times, [ChartSeries(_("free"), "kind-0", values)], gigabytes_text
    )


def _counts(shown: list[QueuePeriod], kind: str, key: str) -> list[float | None]:
    """Counts by period; None where a period has not been computed."""
    return [each.figures.get(kind, {}).get(key, 0) if each.figures else None for each in shown]


def _key(priority: Priority) -> str:
    return priority.name.lower()
