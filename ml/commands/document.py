"""Add plots and the comparison with drawn boxes to a package, as a new version."""

import argparse
import json
import shutil
from pathlib import Path

from ml.commands.arguments import add_adults, add_boxes, add_out, refuse_existing
from ml.commands.errors import CommandError
from ml.serving.package import FACTS_FILE, SHIPPED_PACKAGE, load_package

HELP = "add plots and the comparison with drawn boxes to a package, as a new version"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="the images the package was trained on: folders NORMAL and PNEUMONIA",
    )
    add_adults(parser, required=False)
    add_boxes(parser)
    parser.add_argument("--package", type=Path, default=SHIPPED_PACKAGE, metavar="DIR")
    add_out(parser)


def run(arguments: argparse.Namespace) -> int:
    """Assess the images and rewrite the package; network, gate and thresholds stay."""
    refuse_existing(arguments.out)
    if arguments.boxes and not arguments.adults:
        raise CommandError("--boxes are drawn in adults' radiographs: give their sheet, --adults.")
    # Imports needed only here and in training are not loaded for the other commands.
    from ml.research.packaging.documenting import document
    from ml.research.packaging.plots import write_package_plots
    from ml.research.packaging.writing import write_package

    package = load_package(arguments.package)
    if not all("calibration" in fold for fold in package.figures.values()):
        raise CommandError(
            f"{package.version} does not record with which calibration its folds were measured:"
            " package the network again."
        )
    found = document(package, arguments.data, arguments.adults, arguments.boxes)
    shutil.copytree(package.path, arguments.out)
    facts = json.loads((package.path / FACTS_FILE).read_text())
    facts["version"] = arguments.out.name
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    plots = write_package_plots(arguments.out, found.plotted, thresholds)
    facts["plots"] = facts.get("plots", {}) | plots
    if found.pointing:
        of_adults = facts["adult_stages"] if package.adult else facts
        of_adults |= {"pointing": found.pointing, "pointing_seen": found.has_seen}
    written = write_package(arguments.out, facts)
    print(f"Wrote {written.path} (SHA-256 {written.sha256})")
    return 0
