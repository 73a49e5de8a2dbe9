"""Measure a package on labelled images."""

import argparse
import sys
from pathlib import Path

import numpy as np

from ml.assessment import Assessment
from ml.commands.common import add_package_arguments, assess_files, print_figures
from ml.commands.errors import CommandError
from ml.dataset import find_images
from ml.evaluation import METHOD, Cases, measure
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
    outcomes = assess_files([image.path for image in found], predictor)
    read = [
        (image, outcome)
        for image, outcome in zip(found, outcomes, strict=True)
        if isinstance(outcome, Assessment)
    ]
    for image, outcome in zip(found, outcomes, strict=True):
        if not isinstance(outcome, Assessment):
            print(f"unreadable: {image.path}: {outcome}", file=sys.stderr)
    if not read:
        raise CommandError(f"None of the {len(found)} files under {arguments.data} can be read.")
    labelled = [image for image, _ in read]
    cases = Cases.of(
        labelled,
        np.array([_number(assessment.probability) for _, assessment in read]),
        np.array([_number(assessment.bacterial_probability) for _, assessment in read])
        if package.bacterial_calibration
        else None,
    )
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    figures: dict[str, object] = {
        "package": package.version,
        "unreadable": len(found) - len(read),
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


def _number(probability: float | None) -> float:
    return np.nan if probability is None else probability
