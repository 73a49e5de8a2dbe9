"""The newest week compared with the reference, as shares by group."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.inference.figures import percent
from webportal.inference.models import ModelVersion
from webportal.oversight.drift.groups import AGES, OTHERS, UNKNOWN, VIEWS
from webportal.oversight.models import DriftWeek
from webportal.oversight.statistics import stability_of_counts, wilson

LABELS: dict[str, str | Promise] = {
    "scored": gettext_lazy("scored"),
    "refused": gettext_lazy("refused by the gate"),
    "outside": gettext_lazy("outside its purpose"),
    "as_adult": gettext_lazy("assessed as an adult’s image"),
    "withheld": gettext_lazy("not a frontal chest by the header"),
    "under_1": gettext_lazy("under 1 year"),
    "1_to_5": gettext_lazy("1 to 5 years"),
    "6_to_17": gettext_lazy("6 to 17 years"),
    "18_to_64": gettext_lazy("18 to 64 years"),
    "65_and_over": gettext_lazy("65 years and over"),
    "ap": "AP",
    "pa": "PA",
    "frontal": gettext_lazy("frontal, AP or PA not known"),
    "not_frontal": gettext_lazy("not frontal"),
    "several": gettext_lazy("contradictory"),
    OTHERS: gettext_lazy("others"),
    UNKNOWN: gettext_lazy("not known"),
}
RESULTS = ("scored", "refused", "outside", "as_adult", "withheld")


@dataclass(frozen=True)
class DriftLine:
    """A group with its share in the reference and in the week, and the interval of the latter."""

    label: str
    before: str
    now: str
    interval: str


@dataclass(frozen=True)
class DriftSection:
    """A characteristic: its groups, and its stability index if there are enough images."""

    title: str
    before: int
    now: int
    psi: float | None
    lines: Sequence[DriftLine]


def label(name: str) -> str:
    """A group in words; equipment is named as the header has it."""
    return str(LABELS.get(name, name))


def summed(weeks: Sequence[DriftWeek], key: str) -> Counter[str]:
    """The counts of several weeks together."""
    total: Counter[str] = Counter()
    for week in weeks:
        total.update(week.figures.get(key, {}))
    return total


def compared(reference: Sequence[DriftWeek], week: DriftWeek) -> list[DriftSection]:
    """Each characteristic of a week beside the reference."""
    found = [
        _section(_("Results"), "results", RESULTS, reference, week),
        _section(_("Age"), "ages", AGES, reference, week),
        _section(_("View"), "views", VIEWS, reference, week),
        _section(_("Equipment"), "equipment", (), reference, week),
    ]
    return [*found, _overruled(reference, week)]


def of_card(model: ModelVersion) -> list[tuple[str, str]]:
    """The share of each of the card's image sets that the gate refused."""
    return [
        (name, percent(figures["refused"]))
        for name, figures in model.figures.items()
        if isinstance(figures, Mapping) and figures.get("refused") is not None
    ]


def _section(
    title: str, key: str, names: Sequence[str], reference: Sequence[DriftWeek], week: DriftWeek
) -> DriftSection:
    before, now = summed(reference, key), summed([week], key)
    if not names:
        both = (before + now).most_common()
        names = [name for name, _count in both if name not in (OTHERS, UNKNOWN)]
        names = [*names, OTHERS, UNKNOWN]
    names = [name for name in names if before[name] or now[name]]
    totals = before.total(), now.total()
    psi = None
    if min(totals) >= settings.DRIFT_MIN_IMAGES:
        counts = [np.array([each[name] for name in names]) for each in (before, now)]
        psi = stability_of_counts(*counts)
    lines = [_line(label(name), before[name], totals[0], now[name], totals[1]) for name in names]
    return DriftSection(title, *totals, psi, lines)


def _overruled(reference: Sequence[DriftWeek], week: DriftWeek) -> DriftSection:
    def figure(weeks: Sequence[DriftWeek], key: str) -> int:
        return sum(each.figures.get(key, 0) for each in weeks)

    before, now = figure(reference, "reads"), figure([week], "reads")
    counts = figure(reference, "overruled"), figure([week], "overruled")
    line = _line(_("overruled by the reader"), counts[0], before, counts[1], now)
    return DriftSection(_("Signed reads"), before, now, None, [line])


def _line(name: str, before: int, of_before: int, now: int, of_now: int) -> DriftLine:
    interval = ""
    if of_now:
        low, high = wilson(now, of_now)
        interval = f"({100 * low:.1f}–{100 * high:.1f})"
    return DriftLine(name, _share(before, of_before), _share(now, of_now), interval)


def _share(count: int, of: int) -> Any:
    return percent(count / of) if of else "–"
