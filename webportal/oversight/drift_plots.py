"""The plots of the page about drift, one point a week."""

from collections.abc import Sequence
from datetime import date

from django.conf import settings
from django.utils import formats
from django.utils.translation import gettext as _

from webportal.charts import Axis, ChartSeries, Plot, bars, lines, share_text
from webportal.oversight.drift.groups import AGES, OTHERS, UNKNOWN, VIEWS
from webportal.oversight.drift.table import RESULTS, label, summed
from webportal.oversight.models import DriftWeek

_MOST_EQUIPMENT = 5


def plots(weeks: Sequence[DriftWeek]) -> list[Plot]:
    """All of them, of the given weeks."""
    times = Axis([each.starts_on for each in weeks], _short, _long)
    return [
        _stability(times, weeks),
        _shares(times, weeks),
        _counts(times, weeks, _("Images by result"), "results", RESULTS),
        _counts(times, weeks, _("Images by age"), "ages", AGES),
        _counts(times, weeks, _("Images by view"), "views", VIEWS),
        _counts(times, weeks, _("Images by equipment"), "equipment", _most_used(weeks)),
    ]


def _stability(times: Axis[date], weeks: Sequence[DriftWeek]) -> Plot:
    series = [
        ChartSeries("PSI", "kind-0", [each.psi for each in weeks]),
        ChartSeries("KS", "kind-2", [each.ks for each in weeks]),
        ChartSeries(_("alert limit for PSI"), "kind-4", [settings.DRIFT_PSI for _ in weeks], True),
    ]
    note = _("Only weeks with enough images are compared with the reference.")
    return lines(_("Change of the scores"), times, series, _two_digits, note, least=0.4)


def _shares(times: Axis[date], weeks: Sequence[DriftWeek]) -> Plot:
    refused = [_share(each.figures["results"], "refused") for each in weeks]
    overruled = [
        each.figures["overruled"] / each.figures["reads"] if each.figures["reads"] else None
        for each in weeks
    ]
    series = [
        ChartSeries(_("refused by the gate"), "kind-1", refused),
        ChartSeries(_("overruled by the reader"), "kind-3", overruled),
    ]
    note = _(
        "Shares of the images that the version is intended for, and of the signed decisions on"
        " its results."
    )
    return lines(_("Refused and overruled"), times, series, share_text, note, least=0.2)


def _share(results: dict[str, int], name: str) -> float | None:
    of = results.get("scored", 0) + results.get("refused", 0)
    return results.get(name, 0) / of if of else None


def _counts(
    times: Axis[date], weeks: Sequence[DriftWeek], title: str, key: str, names: Sequence[str]
) -> Plot:
    found = summed(weeks, key)
    shown = [name for name in names if found[name]]
    series = [
        ChartSeries(
            label(name), _style(name, number), [each.figures[key].get(name) for each in weeks]
        )
        for number, name in enumerate(shown)
    ]
    rest = [
        sum(n for name, n in each.figures[key].items() if name not in shown) or None
        for each in weeks
    ]
    if any(rest):
        series.append(ChartSeries(label(OTHERS), "kind-others", rest))
    return bars(title, times, series)


def _most_used(weeks: Sequence[DriftWeek]) -> list[str]:
    found = summed(weeks, "equipment")
    named = [name for name, _count in found.most_common() if name not in (OTHERS, UNKNOWN)]
    return named[:_MOST_EQUIPMENT]


def _style(name: str, number: int) -> str:
    return "kind-others" if name in (OTHERS, UNKNOWN) else f"kind-{number}"


def _short(monday: date) -> str:
    return f"{monday:%m-%d}"


def _long(monday: date) -> str:
    return f"{monday:%Y-%m-%d}"


def _two_digits(value: float) -> str:
    return str(formats.number_format(round(value, 2), 2))
