"""Run a short training for each of several configurations, and compare them."""

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ml.commands.common import print_figures
from ml.commands.errors import CommandError
from ml.research.datasets.radiographs import find_images, make_folds

if TYPE_CHECKING:
    from ml.research.training.from_imagenet import TrainingOptions

HELP = "compare training options by short training runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "tries",
        nargs="+",
        metavar="OPTION=VALUE[,OPTION=VALUE...]",
        help="the ml.research.training.from_imagenet.TrainingOptions that a trial changes",
    )
    parser.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where finished trials are kept, to resume from",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Train and measure every configuration without figures in DIR, then print the table."""
    from ml.research.comparison import measure_speeds, run_trial

    folds = make_folds(find_images(arguments.data))
    options = {name: read_options(name) for name in arguments.tries}
    arguments.out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, dict[str, Any]] = {}
    for name in options:
        done = arguments.out / f"{name}.json"
        if not done.exists():
            tqdm.write(name)
            measured = run_trial(folds, options[name], arguments.out / name)
            done.write_text(json.dumps(asdict(measured)))
        figures[name] = json.loads(done.read_text())
    speeds = measure_speeds(
        {name: (arguments.out / f"{name}.onnx", options[name].input_size) for name in options}
    )
    for name, speed in speeds.items():
        figures[name]["images_per_second"] = speed
    if arguments.json:
        print_figures({"tries": figures}, as_json=True)
    else:
        print("\n".join(_table(figures)))
    return 0


def read_options(text: str) -> "TrainingOptions":
    """Parse the options changed in a trial; the others are those of a short training run.

    Raises ``CommandError`` for an unknown option or an invalid value.
    """
    from ml.research.training.from_imagenet import TrainingOptions

    short: dict[str, Any] = {"epochs": 6, "images_per_class": 800, "input_size": 160}
    kinds = {field.name: field.type for field in fields(TrainingOptions)}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in kinds:
            raise CommandError(f"{name!r} is not an option of training ({', '.join(kinds)}).")
        try:
            short[name] = type(getattr(TrainingOptions, name))(value)
        except ValueError:
            raise CommandError(f"{value!r} cannot be {name}.") from None
    return TrainingOptions(**short)


def _table(figures: dict[str, dict[str, Any]]) -> list[str]:
    header = ["trial", "acquisition", "three folds", "shortcuts", "rim", "images/s", "training, s"]
    rows = [header, ["---"] * len(header)]
    for name, measured in figures.items():
        rows.append(
            [
                name.replace(",", ", "),
                f"{measured['acquisition_auroc']:.3f},"
                f" {100 * measured['acquisition_specificity']:.0f} %",
                f"{measured['pooled_auroc']:.4f}",
                f"{measured['shortcuts_auroc']:.3f},"
                f" {100 * measured['shortcuts_specificity']:.0f} %",
                f"{100 * measured['rim_share']:.0f} %",
                f"{measured['images_per_second']:.0f}",
                f"{measured['training_seconds']:.0f}",
            ]
        )
    return [f"| {' | '.join(row)} |" for row in rows]
