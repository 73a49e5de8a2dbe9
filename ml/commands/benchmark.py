"""Measure the speed of a package."""

import argparse
import time

import numpy as np

from ml.commands.common import add_package_arguments, print_figures
from ml.package import load_package
from ml.predictor import Predictor

HELP = "images a second at batch 1, 8 and 32"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Predict random inputs for three seconds a batch size and print the speed."""
    package = load_package(arguments.package)
    predictor = Predictor(package, device=arguments.device)
    rng = np.random.default_rng(0)
    size = package.input_size
    figures: dict[str, object] = {"package": package.version, "device": predictor.device_name}
    for batch_size in (1, 8, 32):
        batch = rng.integers(0, 256, (batch_size, size, size), dtype=np.uint8)
        predictor.predict(batch)
        started = time.perf_counter()
        done = 0
        while (elapsed := time.perf_counter() - started) < 3:
            predictor.predict(batch)
            done += batch_size
        figures[f"images_per_second_at_batch_{batch_size}"] = round(done / elapsed, 1)
    print_figures(figures, as_json=arguments.json)
    return 0
