"""Plots drawn on the server as SVG: bars, lines, and cells for the load of workers.

This module computes where everything is; `operations/plot.html` draws it. Colours are classes,
because the Content-Security-Policy allows no inline styles. Each plot also has its figures as a
table, for those who cannot see it and for copying.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils import formats
from django.utils.translation import gettext as _

WIDTH, HEIGHT = 400, 156
LEFT, RIGHT, TOP, BOTTOM = 46, 394, 8, 134
# The marks on an axis of times, in seconds.
_TIMES = (0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
_CELL_HEIGHT = 14

Values = Sequence[float | None]
T = TypeVar("T")


@dataclass(frozen=True)
class ChartSeries:
    """A row of values, one for each period; None where there is none. `style` names its colour."""

    label: str
    style: str
    values: Values
    is_dashed: bool = False


@dataclass(frozen=True)
class AxisTick:
    """A label on an axis, and where."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A rectangle with its tooltip."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True)
class Path:
    """A line, as the `d` of an SVG path; single points are short lines."""

    d: str
    style: str
    is_dashed: bool


@dataclass(frozen=True)
class Plot:
    """A plot ready to be drawn, and its figures as a table."""

    title: str
    series: Sequence[ChartSeries]
    rows: Sequence[tuple[str, Sequence[str]]]
    x_ticks: Sequence[AxisTick]
    y_ticks: Sequence[AxisTick]
    note: str = ""
    bars: Sequence[Bar] = ()
    paths: Sequence[Path] = ()
    height: int = HEIGHT
    labels: Sequence[AxisTick] = field(default=())
    heading: str = ""

    @property
    def in_words(self) -> str:
        """The values of a plot of one series, as text; '' for others, which are too many."""
        if len(self.series) != 1:
            return ""
        return "; ".join(f"{name} {values[0]}" for name, values in self.rows)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.bars and not self.paths


@dataclass(frozen=True)
class Axis(Generic[T]):
    """The horizontal axis: its places, such as the starts of periods, and how they are named.

    `label_at` is where in its place a label stands, from 0 to 1; `heading` is above the places in
    a table, '' where they are periods.
    """

    places: Sequence[T]
    short: Callable[[T], str]
    long: Callable[[T], str]
    label_at: float = 0.5
    heading: str = ""

    @property
    def width(self) -> float:
        """The width of one place."""
        return (RIGHT - LEFT) / len(self.places)

    def ticks(self) -> list[AxisTick]:
        """Every sixth label or so."""
        every = math.ceil(len(self.places) / 6)
        chosen = range((len(self.places) - 1) % every, len(self.places), every)
        return [
            AxisTick(
                round(LEFT + (number + self.label_at) * self.width, 1),
                self.short(self.places[number]),
            )
            for number in chosen
        ]

    def names(self) -> list[str]:
        """The places in a table."""
        return [self.long(place) for place in self.places]


def bars(title: str, axis: Axis[Any], series: Sequence[ChartSeries], note: str = "") -> Plot:
    """Stacked bars of counts."""
    totals = [
        sum(each.values[number] or 0 for each in series) for number in range(len(axis.places))
    ]
    top = _nice(max(totals, default=0))
    scale = (BOTTOM - TOP) / top
    drawn = []
    for number, start in enumerate(axis.places):
        y: float = BOTTOM
        for each in series:
            value = each.values[number]
            if not value:
                continue
            height = value * scale
            y -= height
            drawn.append(
                Bar(
                    x=round(LEFT + number * axis.width + 0.1 * axis.width, 1),
                    y=round(y, 1),
                    width=round(0.8 * axis.width, 1),
                    height=round(max(height, 0.7), 1),
                    style=each.style,
                    title=f"{axis.long(start)}: {each.label} {count_text(value)}",
                )
            )
    ticks = [AxisTick(BOTTOM - top * scale * part, count_text(top * part)) for part in (0, 0.5, 1)]
    return _plot(title, axis, series, count_text, note, y_ticks=ticks, bars=drawn)


def lines(
    title: str,
    axis: Axis[Any],
    series: Sequence[ChartSeries],
    text: Callable[[float], str],
    note: str = "",
    least: float = 2.0,
) -> Plot:
    """Lines on an axis from 0 to `least` or more."""
    present = [value for each in series for value in each.values if value is not None]
    top = _nice(max(present, default=0), least)
    ticks = [AxisTick(BOTTOM - (BOTTOM - TOP) * part, text(top * part)) for part in (0, 0.5, 1)]

    def place(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * value / top

    return _plot(title, axis, series, text, note, y_ticks=ticks, paths=_paths(axis, series, place))


def waits(title: str, axis: Axis[Any], series: Sequence[ChartSeries], note: str = "") -> Plot:
    """Lines of times on a logarithmic axis, because seconds and hours are both of interest."""
    present = [value for each in series for value in each.values if value]
    low = max((each for each in _TIMES if each <= min(present, default=1)), default=_TIMES[0])
    high = min((each for each in _TIMES if each >= max(present, default=10)), default=_TIMES[-1])
    if high <= low:
        high = min((each for each in _TIMES if each > low), default=low * 10)
    span = math.log(high) - math.log(low)

    def place(value: float) -> float:
        inside = min(max(value, low), high)
        return BOTTOM - (BOTTOM - TOP) * (math.log(inside) - math.log(low)) / span

    ticks = [AxisTick(place(each), seconds_text(each)) for each in _TIMES if low <= each <= high]
    return _plot(
        title, axis, series, seconds_text, note, y_ticks=ticks, paths=_paths(axis, series, place)
    )


def cells(title: str, axis: Axis[Any], series: Sequence[ChartSeries], note: str = "") -> Plot:
    """One row of cells for each series, the darker the higher a value between 0 and 1."""
    drawn, labels = [], []
    y = TOP
    for each in series:
        if each.label:
            y += _CELL_HEIGHT
            labels.append(AxisTick(y - 3, each.label))
        for number, start in enumerate(axis.places):
            value = each.values[number]
            if value is None:
                continue
            drawn.append(
                Bar(
                    x=round(LEFT + number * axis.width + 0.5, 1),
                    y=y,
                    width=round(axis.width - 1, 1),
                    height=_CELL_HEIGHT,
                    style=f"load-{min(5, math.ceil(value * 5))}",
                    title=f"{axis.long(start)}: {each.label} {share_text(value)}",
                )
            )
        y += _CELL_HEIGHT
    height = y + HEIGHT - BOTTOM
    return _plot(title, axis, series, share_text, note, bars=drawn, height=height, labels=labels)


def count_text(value: float) -> str:
    """A count."""
    return str(intcomma(int(value))) if float(value).is_integer() else _decimal(value)


def share_text(value: float) -> str:
    """A share between 0 and 1 in per cent; '< 1 %' where rounding would leave nothing of it."""
    percent = round(100 * value)
    return _("{percent} %").format(percent="< 1" if value > 0 and not percent else percent)


def gigabytes_text(value: float) -> str:
    """A size in gigabytes."""
    return _("{size} GB").format(size=_decimal(value) if value < 10 else intcomma(round(value)))


def seconds_text(value: float) -> str:
    """A time: '2.4 s', '42 s', '7 min', '3 h' or '3 h 12 min'."""
    if value < 10:
        return _("{seconds} s").format(seconds=_decimal(value))
    if value < 60:
        return _("{seconds} s").format(seconds=round(value))
    hours, minutes = divmod(round(value / 60), 60)
    if not hours:
        return _("{minutes} min").format(minutes=minutes)
    if not minutes:
        return _("{hours} h").format(hours=hours)
    return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)


def _decimal(value: float) -> str:
    """Return a number with one decimal place, or none if that is 0."""
    return str(formats.number_format(round(value, 1), 0 if round(value, 1) % 1 == 0 else 1))


def _plot(
    title: str,
    axis: Axis[Any],
    series: Sequence[ChartSeries],
    text: Callable[[float], str],
    note: str,
    *,
    y_ticks: Sequence[AxisTick] = (),
    bars: Sequence[Bar] = (),
    paths: Sequence[Path] = (),
    height: int = HEIGHT,
    labels: Sequence[AxisTick] = (),
) -> Plot:
    rows = []
    for number, name in enumerate(axis.names()):
        values = [each.values[number] for each in series]
        rows.append((name, ["–" if value is None else text(value) for value in values]))
    return Plot(
        title=title,
        series=series,
        rows=rows,
        x_ticks=axis.ticks(),
        y_ticks=[AxisTick(round(tick.at, 1), tick.label) for tick in y_ticks],
        note=note,
        bars=bars,
        paths=paths,
        height=height,
        labels=labels,
        heading=axis.heading,
    )


def _paths(
    axis: Axis[Any], series: Sequence[ChartSeries], place: Callable[[float], float]
) -> list[Path]:
    found = []
    for each in series:
        steps, is_joined = [], False
        for number, value in enumerate(each.values):
            if value is None:
                is_joined = False
                continue
            x, y = LEFT + (number + 0.5) * axis.width, place(value)
            # A line of no length is drawn as a dot by its round ends.
            steps.append(f"{'L' if is_joined else 'M'}{x:.1f} {y:.1f}")
            if not is_joined:
                steps.append("h0")
            is_joined = True
        if steps:
            found.append(Path("".join(steps), each.style, each.is_dashed))
    return found


def _nice(most: float, least: float = 2.0) -> float:
    """The end of an axis: 1, 2, 4 or 6 times a power of ten, so that its half is short."""
    if most <= least:
        return least
    power: float = 10 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 6, 10) if step * power >= most)
