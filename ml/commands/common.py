"""Helpers shared by several commands: package arguments, reading files, printing figures."""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml.commands.errors import CommandError
from ml.errors import ImageError
from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.figures import Cases
from ml.serving.assessment import Assessment
from ml.serving.package import SHIPPED_PACKAGE
from ml.serving.predictor import Predictor
from ml.serving.preprocessing import read_input

Outcome = Assessment | ImageError | OSError


def add_package_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that runs a package."""
    parser.add_argument("--package", type=Path, default=SHIPPED_PACKAGE, metavar="DIR")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument("--json", action="store_true", help="print JSON")


def assess_files(paths: Sequence[Path], predictor: Predictor) -> list[Outcome]:
    """Assess files in the order given; an unreadable file yields its error instead."""
    size = predictor.package.input_size

    def load(path: Path) -> np.ndarray | ImageError | OSError:
        try:
            return read_input(path.read_bytes(), size)
        except (ImageError, OSError) as error:
            return error

    outcomes: list[Outcome] = []
    with (
        ThreadPoolExecutor() as pool,
        tqdm(total=len(paths), unit="image", disable=None) as progress,
    ):
        for start in range(0, len(paths), predictor.batch_size):
            loaded = list(pool.map(load, paths[start : start + predictor.batch_size]))
            inputs = [item for item in loaded if isinstance(item, np.ndarray)]
            assessments = iter(predictor.predict(np.stack(inputs)) if inputs else [])
            outcomes += [
                next(assessments) if isinstance(item, np.ndarray) else item for item in loaded
            ]
            progress.update(len(loaded))
    return outcomes


def read_cases(
    found: Sequence[LabelledImage], predictor: Predictor
) -> tuple[Cases, list[tuple[LabelledImage, Assessment]]]:
    """Assess labelled images; return the cases of the readable ones, and these as assessed.

    Prints the names of the others to standard error. Raises CommandError if none can be read.
    """
    outcomes = assess_files([image.path for image in found], predictor)
    read = []
    for image, outcome in zip(found, outcomes, strict=True):
        if isinstance(outcome, Assessment):
            read.append((image, outcome))
        else:
            print(f"unreadable: {image.path}: {outcome}", file=sys.stderr)
    if not read:
        raise CommandError(f"None of the {len(found)} files can be read.")
    bacterial = None
    if predictor.package.bacterial_calibration:
        bacterial = np.array([_number(each.bacterial_probability) for _, each in read])
    labelled = [image for image, _ in read]
    probabilities = np.array([_number(each.probability) for _, each in read])
    return Cases.of(labelled, probabilities, bacterial), read


def _number(probability: float | None) -> float:
    return float("nan") if probability is None else probability


def print_figures(figures: dict[str, object], *, as_json: bool) -> None:
    """Print figures as JSON, or one per line."""
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name}: {value}")
