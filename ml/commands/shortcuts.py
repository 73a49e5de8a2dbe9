"""Measure a package on images given the greys, sharpness and corners of the other class."""

import argparse
from pathlib import Path

import numpy as np

from ml.commands.common import add_package_arguments, print_figures
from ml.research.datasets.radiographs import find_images, labels, load_inputs, make_folds
from ml.research.evaluation.shortcuts import measure_shortcuts
from ml.serving.package import load_package
from ml.serving.runtimes.branched import as_children
from ml.serving.runtimes.choice import choose_runtime

HELP = "measure held-out images made to look as if acquired like the other class"
BATCH = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="the images the package was trained on",
    )
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Recreate the folds that training held out, and print the figures."""
    found = find_images(arguments.data)
    package = load_package(arguments.package)
    folds = make_folds(found, seed=package.training["options"]["seed"])
    held_out = folds.random + folds.pessimistic
    inputs = load_inputs(held_out, package.input_size, "held-out images")
    runtime = as_children(choose_runtime(package, BATCH, device=arguments.device))

    def logits_of(images: np.ndarray) -> np.ndarray:
        batches = range(0, len(images), BATCH)
        return np.concatenate(
            [runtime.outputs(images[start : start + BATCH])["logit"] for start in batches]
        )

    figures = measure_shortcuts(inputs, labels(held_out), logits_of)
    print_figures(
        {"package": package.version, "n": len(held_out), **figures}, as_json=arguments.json
    )
    return 0
