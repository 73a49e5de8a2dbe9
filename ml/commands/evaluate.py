"""Measure a package on labelled images."""

import argparse
from pathlib import Path

import numpy as np

from ml.assessment import Assessment
from ml.commands.common import add_package_arguments, assess_files, print_figures
from ml.dataset import find_images, labels
from ml.evaluation import measure
from ml.package import load_package
from ml.predictor import Predictor

HELP = "measure a package on labelled images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Assess every labelled image and print the figures."""
    found = find_images(arguments.data)
    package = load_package(arguments.package)
    predictor = Predictor(package, device=arguments.device)
    results = assess_files([image.path for image in found], predictor)
    targets = labels(found)
    readable = np.array([isinstance(result, Assessment) for result in results])
    probabilities = np.array(
        [
            result.probability
            if isinstance(result, Assessment) and result.probability is not None
            else np.nan
            for result in results
        ]
    )
    assessed = ~np.isnan(probabilities)
    refused = readable & ~assessed
    figures = {
        "package": package.version,
        "n": int(readable.sum()),
        "unreadable": int((~readable).sum()),
        "refused": round(float(refused.sum() / max(readable.sum(), 1)), 4),
        **measure(targets[assessed], probabilities[assessed], package.thresholds),
    }
    print_figures(figures, as_json=arguments.json)
    return 0
