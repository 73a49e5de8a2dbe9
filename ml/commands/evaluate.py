"""Measure a package on labelled images."""

import argparse
import sys
from pathlib import Path

from ml.commands.common import add_package_arguments, print_figures, read_cases
from ml.commands.errors import CommandError
from ml.dataset import find_images
from ml.evaluation import METHOD, measure
from ml.package import load_package
from ml.predictor import Predictor
from ml.sameness import compare_kinds_of_file, find_originals

HELP = "measure a package on labelled images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write plots there")
    parser.add_argument(
        "--fullres", type=Path, metavar="DIR", help="full-size files to compare kinds of file with"
    )
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Assess every labelled image, print the figures and draw the plots."""
    if arguments.plots:
        # Now, not after minutes of predicting.
        try:
            from ml.plots import write_plots
        except ModuleNotFoundError as error:
            raise CommandError(
                f"--plots needs {error.name}: pip install -r requirements-training.txt"
            ) from error
    package = load_package(arguments.package)
    found = find_images(arguments.data)
    predictor = Predictor(package, device=arguments.device)
    cases, labelled = read_cases(found, predictor)
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    figures: dict[str, object] = {
        "package": package.version,
        "unreadable": len(found) - len(labelled),
        **measure(cases, thresholds),
        "method": METHOD,
    }
    if arguments.fullres:
        originals = find_originals(arguments.fullres)
        figures["sameness"] = compare_kinds_of_file(originals, predictor)
    print_figures(figures, as_json=arguments.json)
    if arguments.plots:
        for file in write_plots(arguments.plots, cases, labelled, thresholds):
            print(f"Wrote {file}", file=sys.stderr)
    return 0
