"""Add figures from independent images to a package, as a new version."""

import argparse
import json
import shutil
from pathlib import Path

from ml.commands.arguments import add_out, refuse_existing
from ml.commands.common import read_cases
from ml.research.datasets.radiographs import find_images
from ml.research.evaluation.figures import measure
from ml.research.packaging.card import write_card
from ml.serving.package import CARD_FILE, FACTS_FILE, SHIPPED_PACKAGE, load_package, seal_package
from ml.serving.predictor import Predictor

HELP = "add figures from independent images to a package, as a new version"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folders NORMAL and PNEUMONIA; none of the images may have been used for the package,"
        " neither to train it nor to choose its calibration or thresholds",
    )
    parser.add_argument(
        "--of",
        required=True,
        metavar="WORDS",
        help="the source of the images: hospital, population",
    )
    add_out(parser)
    parser.add_argument("--package", type=Path, default=SHIPPED_PACKAGE, metavar="DIR")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")


def run(arguments: argparse.Namespace) -> int:
    """Measure the package at its own thresholds and rewrite it with the figures."""
    package = load_package(arguments.package)
    refuse_existing(arguments.out)
    labelled = find_images(arguments.data)
    cases, _ = read_cases(labelled, Predictor(package, device=arguments.device))
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    figures = {"source": arguments.of, **measure(cases, thresholds)}
    facts = json.loads((package.path / FACTS_FILE).read_text())
    facts["version"] = arguments.out.name
    facts["independent"] = [*facts.get("independent", []), figures]
    shutil.copytree(package.path, arguments.out)
    (arguments.out / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n")
    (arguments.out / CARD_FILE).write_text(write_card(facts))
    seal_package(arguments.out)
    print(f"Wrote {arguments.out} (SHA-256 {load_package(arguments.out).sha256})")
    return 0
