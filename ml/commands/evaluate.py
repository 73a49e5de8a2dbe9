"""Measure a package on labelled images."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from ml.commands.common import add_package_arguments, print_figures, read_cases
from ml.commands.errors import CommandError
from ml.research.datasets.label_sheet import check_column, group_of, read_label_sheet
from ml.research.datasets.radiographs import LabelledImage, find_images
from ml.research.evaluation.consistency import compare_kinds_of_file, find_originals
from ml.research.evaluation.figures import METHOD, measure, measure_groups
from ml.serving.package import load_package
from ml.serving.predictor import Predictor

HELP = "measure a package on labelled images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folders NORMAL and PNEUMONIA; with --labels, where its files are",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="a sheet with the columns file and label (normal or pneumonia; blank: left out)",
    )
    parser.add_argument(
        "--by", metavar="COLUMN", help="figures for each group as well, by a column of the sheet"
    )
    parser.add_argument(
        "--ignore-gate", action="store_true", help="also assess what the gate would refuse"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write plots there")
    parser.add_argument(
        "--fullres", type=Path, metavar="DIR", help="full-size files for comparing file formats"
    )
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Assess every labelled image, print the figures and draw the plots."""
    if arguments.plots:
        # Fail now, not after minutes of predicting.
        try:
            from ml.research.evaluation.group_plots import write_group_plots
            from ml.research.evaluation.plots import write_plots
        except ModuleNotFoundError as error:
            raise CommandError(
                f"--plots needs {error.name}, which 'make install EXTRAS=evaluation' installs"
            ) from error
    package = load_package(arguments.package)
    found, unlabelled = _labelled(arguments)
    predictor = Predictor(package, device=arguments.device, ignore_gate=arguments.ignore_gate)
    cases, read = read_cases(found, predictor)
    labelled = [image for image, _ in read]
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    figures: dict[str, object] = {
        "package": package.version,
        "gate": "ignored" if arguments.ignore_gate else "asked",
        "unreadable": len(found) - len(labelled),
        "unlabelled": unlabelled,
        **measure(cases, thresholds),
        "method": METHOD,
    }
    if package.adult:
        figures["assessed_as"] = Counter(each.assessed_as or "refused" for _, each in read)
    groups: list[str] = []
    if arguments.by:
        figures["by"] = arguments.by
        groups = [group_of(image, arguments.by) for image in labelled]
        figures["groups"] = measure_groups(cases, groups, thresholds)
    if arguments.fullres:
        originals = find_originals(arguments.fullres)
        figures["sameness"] = compare_kinds_of_file(originals, predictor)
    print_figures(figures, as_json=arguments.json)
    if arguments.plots:
        files = write_plots(arguments.plots, cases, labelled, thresholds)
        if groups:
            files += write_group_plots(arguments.plots, cases, groups, thresholds)
        for file in files:
            print(f"Wrote {file}", file=sys.stderr)
    return 0


def _labelled(arguments: argparse.Namespace) -> tuple[list[LabelledImage], int]:
    """Return the labelled files, and the number of rows without a label."""
    if arguments.labels is None:
        if arguments.data is None:
            raise CommandError("Give the images to measure on with --data or --labels.")
        if arguments.by:
            raise CommandError("--by needs the columns of a sheet: give --labels.")
        return find_images(arguments.data), 0
    try:
        found, unlabelled = read_label_sheet(
            arguments.labels, arguments.data or arguments.labels.parent
        )
    except OSError as error:
        raise CommandError(f"{arguments.labels} cannot be read: {error.strerror}.") from error
    if arguments.by:
        check_column(found, arguments.by)
    return found, unlabelled
