"""python -m bench.plots: draw the figures that the benchmarks kept in `var/bench`, as SVG, there.

Every plot names the command that measured it, commit, day, machine and load. Needs matplotlib;
without it, this says how to get it, and draws nothing.
"""

import argparse
import json
import math
import statistics
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results import FOLDER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Kept = Mapping[str, Any]

BLUE, GREY, RED, GREEN = "#1f5fa8", "#8a8f98", "#b3261e", "#2e7d4f"
COLOURS = (BLUE, RED, GREEN)
TITLE_CHARACTERS = 105
WHISKERS: dict[str, Any] = {"fmt": "none", "ecolor": "black", "capsize": 4}
TARGET_LINE: dict[str, Any] = {"color": RED, "linestyle": "--", "linewidth": 1.4}


def main() -> int:
    """Draw what was kept, and print the names of the files."""
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the kept figures")
    folder = parser.parse_args().folder
    try:
        files = list(draw(folder))
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        sys.stdout.write("No plots: they need matplotlib (make install EXTRAS=evaluation).\n")
        return 0
    for file in files:
        sys.stdout.write(f"Drew {file}\n")
    if not files:
        sys.stdout.write(f"No plots: no benchmark has kept figures in {folder}.\n")
    return 0


def draw(folder: Path) -> Iterator[Path]:
    """Draw the plots whose figures are in the folder; yield their files.

    Raises ModuleNotFoundError without matplotlib.
    """
    from matplotlib.figure import Figure

    for name, (source, width, height, fill) in PLOTS.items():
        file = folder / f"{source}.json"
        if not file.exists():
            continue
        kept = json.loads(file.read_text())
        figure = Figure(figsize=(width, height), layout="constrained")
        fill(figure, kept["figures"])
        figure.suptitle(title(name, kept), fontsize=9, x=0.01, ha="left")
        drawn = folder / f"{name}.svg"
        figure.savefig(drawn)
        yield drawn


def title(name: str, kept: Kept) -> str:
    """What is drawn, and by which command, of what, when, on which machine and load."""
    load = kept["load_average"]
    what = f"Chestline {kept['release']}" + (f" ({kept['commit']})" if kept["commit"] else "")
    facts = (
        f"{kept['command']}; {what}; {kept['began'][:16].replace('T', ' ')} UTC;"
        f" {kept['machine']}; load average {load['before']:.1f} before,"
        f" {load['after']:.1f} at the end, the benchmark's own included"
    )
    return f"{HEADINGS[name]}\n" + textwrap.fill(facts, TITLE_CHARACTERS)


# ── Speed ───────────────────────────────────────────────────────────────────────────────────────


def _speeds(figure: "Figure", kept: Kept) -> None:
    """Files per second of each system, with the slowest and the fastest block."""
    axes = figure.subplots()
    speeds: dict[str, Any] = kept["speeds"]
    names = list(speeds)
    values = [speeds[name]["per_second"] for name in names]
    colours = [BLUE if name in kept["targets"] else GREY for name in names]
    bars = axes.barh(names, values, color=colours)
    for place, name in enumerate(names):
        _whisker(axes, values[place], place, speeds[name]["blocks"])
        if name in kept["targets"]:
            target = kept["targets"][name]
            label = "target" if name == next(iter(kept["targets"])) else None
            axes.plot([target] * 2, [place - 0.45, place + 0.45], label=label, **TARGET_LINE)
    axes.bar_label(bars, [f"{value:.1f}" for value in values], label_type="center", color="white")
    axes.invert_yaxis()
    axes.set(xlabel="files per second; whiskers: slowest and fastest block", xlim=(0, None))
    if kept["targets"]:
        axes.legend(loc="lower right", fontsize=8)


def _whisker(axes: "Axes", value: float, place: int, all_values: Sequence[float]) -> None:
    """From the least to the greatest value, across the end of a horizontal bar."""
    if len(all_values) > 1:
        # Blocks of different sizes could all be on one side of the total.
        below, above = max(value - min(all_values), 0), max(max(all_values) - value, 0)
        axes.errorbar([value], [place], xerr=[[below], [above]], **WHISKERS)


def _beside_baselines(figure: "Figure", kept: Kept) -> None:
    """The table of `python -m bench`: each figure, its baseline and its target."""
    rows = kept["figures"]
    for axes, row in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        values = [row["measured"], row["baseline"]]
        bars = axes.barh(["measured", "baseline"], values, color=[BLUE, GREY])
        axes.bar_label(
            bars, [f"{value:.1f}" for value in values], label_type="center", color="white"
        )
        for place, key in enumerate(("each_measured", "each_baseline")):
            _whisker(axes, values[place], place, row[key])
        axes.axvline(row["limit"], **TARGET_LINE)
        axes.invert_yaxis()
        axes.set_title(f"{row['name']}, {row['unit']}; target: {row['target']}", fontsize=9)
        axes.set_xlim(0, None)


# ── Latency ─────────────────────────────────────────────────────────────────────────────────────


def _loads(figure: "Figure", kept: Kept) -> None:
    """Percentiles from queue to result by load: measured and predicted."""
    axes = figure.subplots()
    loads = kept["loads"]
    shares = [100 * each["load"] for each in loads]
    for colour, name in zip(COLOURS, loads[0]["measured"], strict=True):
        measured = [1000 * each["measured"][name] for each in loads]
        predicted = [[1000 * value for value in each["predicted"][name]] for each in loads]
        middle = [statistics.mean(each) for each in predicted]
        axes.plot(shares, measured, "o-", color=colour, label=f"{name}, measured")
        axes.plot(shares, middle, "x--", color=colour, label=f"{name}, predicted")
        least, most = [min(each) for each in predicted], [max(each) for each in predicted]
        axes.fill_between(shares, least, most, color=colour, alpha=0.15, linewidth=0)
    axes.set(
        xlabel=f"load, % of the {kept['images_per_second']:.1f} images/s that the worker does;"
        " shaded: range of the simulations",
        ylabel="queue to result, ms",
        yscale="log",
        xticks=shares,
    )
    _plain_numbers(axes.yaxis)
    axes.grid(alpha=0.3)
    axes.legend(ncols=3, fontsize=8)


def _stat(figure: "Figure", kept: Kept) -> None:
    """Every stat study, idle and behind the backlog, with medians and the limit."""
    axes = figure.subplots()
    stat = kept["stat"]
    for place, (colour, seconds) in enumerate(
        zip((GREY, BLUE), stat["seconds"].values(), strict=True)
    ):
        axes.plot([1000 * each for each in seconds], [place] * len(seconds), "o", color=colour)
        median = 1000 * statistics.median(seconds)
        axes.plot([median] * 2, [place - 0.25, place + 0.25], color="black")
        axes.annotate(f"median {median:.0f}", (median, place - 0.3), ha="center", fontsize=8)
    axes.axvline(1000 * stat["limit"], label="limit of the median behind them", **TARGET_LINE)
    axes.set_yticks(range(len(stat["seconds"])), list(stat["seconds"]))
    axes.set(xlabel="upload to result, ms", xlim=(0, None), ylim=(1.5, -0.5))
    axes.legend(fontsize=8)


def _capacity(figure: "Figure", kept: Kept) -> None:
    """Times to the result: simulated against measured, within a band of the target."""
    axes = figure.subplots()
    # NaN where a run had too few batches for a speed.
    found = [
        each
        for each in kept["comparisons"]
        if each["kind"] == "to result" and math.isfinite(each["own"])
    ]
    if not found:
        axes.text(0.5, 0.5, "too few batches to simulate", ha="center")
        return
    measured = [1000 * each["measured"] for each in found]
    ends = [0.8 * min(measured), 1.25 * max(measured)]
    axes.plot(ends, ends, color=GREY)
    low, high = ([(1 + side * kept["target"]) * end for end in ends] for side in (-1, 1))
    band = f"within {kept['target']:.0%}"
    axes.fill_between(ends, low, high, color=GREEN, alpha=0.15, linewidth=0, label=band)
    for key, mark, colour, label in (
        ("own", "o", BLUE, "with the speeds of the same run"),
        ("others", "x", GREY, "with those of the other runs"),
    ):
        axes.plot(measured, [1000 * each[key] for each in found], mark, color=colour, label=label)
    for each in found:
        words = f"{each['workers']} worker(s), {each['run']}, {each['figure']}"
        place = (1000 * each["measured"], 1000 * each["own"])
        axes.annotate(words, place, (6, -8), textcoords="offset points", fontsize=6)
    axes.set(
        xlabel="queue to result, measured, ms",
        ylabel="simulated, ms",
        xscale="log",
        yscale="log",
        xlim=ends,
    )
    _plain_numbers(axes.xaxis)
    _plain_numbers(axes.yaxis)
    axes.legend(fontsize=8)


def _plain_numbers(axis: "Axis") -> None:
    """Write the numbers of a logarithmic axis without powers of ten."""
    from matplotlib.ticker import LogFormatter

    axis.set_major_formatter("{x:,.0f}")
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))


# ── With more rows ──────────────────────────────────────────────────────────────────────────────


def _growth(figure: "Figure", kept: Kept) -> None:
    """CPU time of each step by rows: median and quartiles, and the limit of the last one."""
    axes = figure.subplots()
    databases = kept["databases"]
    rows = [each["rows"] for each in databases]
    for colour, step in zip(COLOURS, databases[0]["steps"], strict=True):
        quartiles = [statistics.quantiles(each["steps"][step], n=4) for each in databases]
        low, middle, high = zip(*quartiles, strict=True)
        axes.fill_between(rows, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(rows, middle, "o-", color=colour, label=step)
        limit = kept["target"] * middle[0]
        axes.plot(rows[-1], limit, "_", color=colour, markersize=16, label=f"{step}, limit")
    axes.set(
        xlabel="finished jobs in the database; shaded: the middle half of the rounds",
        ylabel="CPU time per job, ms",
        xscale="log",
        ylim=(0, None),
    )
    axes.set_xticks(rows, [f"{count:,}" for count in rows])
    axes.grid(alpha=0.3)
    axes.legend(ncols=3, fontsize=8)


def _worklist(figure: "Figure", kept: Kept) -> None:
    """P95 of every kind of request, in the order of that with many studies."""
    axes = figure.subplots()
    worklist = kept.get("worklist")
    if worklist is None:
        axes.text(0.5, 0.5, "not measured", ha="center")
        return
    kinds = sorted(worklist["kinds"].items(), key=lambda kind: float(kind[1][0][1]))
    for number, (colour, count) in enumerate(zip((BLUE, GREY), worklist["studies"], strict=True)):
        values = [timings[number][1] for _, timings in kinds]
        axes.plot(values, range(len(kinds)), "o", color=colour, label=f"{count:,} studies")
    axes.axvline(worklist["target"], label="target", **TARGET_LINE)
    axes.set_yticks(range(len(kinds)), [name for name, _ in kinds], fontsize=6)
    axes.set(xlabel="p95 of the response, ms", xlim=(0, None), ylim=(-1, len(kinds)))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)


#: By file: the benchmark, width and height in inches, and what draws it.
PLOTS: dict[str, tuple[str, float, float, "Callable[[Figure, Kept], None]"]] = {
    "overview": ("bench", 8, 8, _beside_baselines),
    "worklist": ("bench", 8, 11, _worklist),
    "uploads": ("uploads", 8, 4, _speeds),
    "peers": ("peers", 8, 4, _speeds),
    "receiving": ("receiving", 8, 3, _speeds),
    "loads": ("latency", 8, 5.5, _loads),
    "stat": ("latency", 8, 3.5, _stat),
    "growth": ("growth", 8, 5, _growth),
    "capacity": ("capacity", 8, 7, _capacity),
}
HEADINGS = {
    "overview": "Throughput, latency, memory and start-up beside their baselines",
    "worklist": "The worklist with many studies and with few",
    "uploads": "JPEGs from upload to stored result, and the same files in a bare loop",
    "peers": "Chestline, which stores each result, beside servers that keep them in memory",
    "receiving": "Images by C-STORE",
    "loads": "From queue to result under load: measured and simulated",
    "stat": "Stat studies from upload to result, idle and behind routine images",
    "growth": "The cost of a job as the database grows",
    "capacity": "The capacity planner's simulation and the real queue",
}


if __name__ == "__main__":
    sys.exit(main())
