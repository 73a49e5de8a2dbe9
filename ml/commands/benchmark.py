"""Measure the speed of a package."""

import argparse
import os
from dataclasses import asdict

from ml.commands.common import add_package_arguments, print_figures
from ml.commands.errors import CommandError
from ml.research.evaluation.benchmark import (
    BASELINE,
    BATCH_SIZES,
    Figures,
    measure_speed,
    runtimes_for,
)
from ml.serving.package import load_package
from ml.serving.runtimes.interface import cores

HELP = "images per second at batch 1, 8 and 32, memory and start-up time of each runtime"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_package_arguments(parser)
    parser.add_argument(
        "--runtime", nargs="+", default=["all"], help="all, or names of runtimes from the table"
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each runtime")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a round")


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print JSON or a table for docs/benchmarks.md."""
    package = load_package(arguments.package)
    wanted = [
        (name, device)
        for name, device in runtimes_for(arguments.device)
        if "all" in arguments.runtime or name in arguments.runtime
    ]
    if not wanted:
        raise CommandError(f"There is no runtime {' '.join(arguments.runtime)} to measure here.")
    figures, failed = measure_speed(package, wanted, arguments.rounds, arguments.seconds)
    if arguments.json:
        facts = {
            "package": package.version,
            "cores": cores(),
            "load_average": round(os.getloadavg()[0], 1),
            "runtimes": {label: asdict(measured) for label, measured in figures.items()},
            "failed": failed,
        }
        print_figures(facts, as_json=True)
    else:
        print("\n".join([*_table(figures), *(f"{label}: {why}" for label, why in failed.items())]))
    return 1 if failed else 0


def _table(figures: dict[str, Figures]) -> list[str]:
    columns = [f"batch {n}" for n in BATCH_SIZES]
    header = ["runtime", *columns, "CPU, ms", "memory, MB", "start, s", "difference"]
    rows = [header, ["---"] * len(header)]
    for label, measured in figures.items():
        device = label.split(", ")[1]
        baseline = figures.get(f"{BASELINE}, {device}")
        speeds = [_with_ratio(measured, baseline, n) for n in BATCH_SIZES]
        rows.append(
            [
                label,
                *speeds,
                f"{measured.cpu_ms[BATCH_SIZES[-1]]:.1f}",
                f"{measured.memory_mb:.0f}",
                f"{measured.start_seconds:.1f}",
                f"{measured.largest_difference:.0e}",
            ]
        )
    return [f"| {' | '.join(row)} |" for row in rows]


def _with_ratio(measured: Figures, baseline: Figures | None, n: int) -> str:
    speed = measured.images_per_second[n]
    if baseline is None:
        return f"{speed:.0f}"
    return f"{speed:.0f} ({speed / baseline.images_per_second[n]:.1f}×)"
