"""Assess single files."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ml.commands.common import Outcome, add_package_arguments, assess_files
from ml.errors import ImageError
from ml.serving.assessment import Assessment
from ml.serving.package import ModelPackage, load_package
from ml.serving.predictor import Predictor

HELP = "assess single files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="DICOM, JPEG or PNG")
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the result of each file; returns 1 if one could not be read, after all the others."""
    package = load_package(arguments.package)
    outcomes = assess_files(arguments.files, Predictor(package, device=arguments.device))
    rows = [
        {"file": str(path), **_row(outcome, package)}
        for path, outcome in zip(arguments.files, outcomes, strict=True)
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            probability = row["probability"]
            shown = "   -  " if probability is None else f"{probability:6.3f}"
            print(f"{shown}  {row['category']:<15} {row['file']}  {row['reason']}".rstrip())
    return 1 if any(row["category"] == "unreadable" for row in rows) else 0


def _row(outcome: Outcome, package: ModelPackage) -> dict[str, object]:
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    shared = {"package": package.version, "thresholds": thresholds}
    if not isinstance(outcome, Assessment):
        return {
            "probability": None,
            "category": "unreadable",
            "reason_code": outcome.code if isinstance(outcome, ImageError) else "io_error",
            "reason": str(outcome),
            "pneumonia_at_decision": None,
            "bacterial_probability": None,
            "correction": "",
            "assessed_as": "",
            **shared,
            "heatmap": None,
        }
    probability = outcome.probability
    return {
        **asdict(outcome),
        "pneumonia_at_decision": (
            None if probability is None else probability >= thresholds["decision"]
        ),
        **shared,
        "heatmap": outcome.heatmap.tolist(),
    }
