"""Compare the results for one radiograph in several file formats."""

import argparse
from pathlib import Path

from ml.commands.common import add_package_arguments, print_figures
from ml.research.evaluation.consistency import compare_kinds_of_file, find_originals
from ml.serving.package import load_package
from ml.serving.predictor import Predictor

HELP = "compare the results for full-size files, small copies, JPEG, PNG and DICOM"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--fullres",
        type=Path,
        required=True,
        metavar="DIR",
        help="full-size files in folders NORMAL and PNEUMONIA",
    )
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Assess each radiograph in every file format and print how far the results differ."""
    originals = find_originals(arguments.fullres)
    predictor = Predictor(load_package(arguments.package), device=arguments.device)
    print_figures(compare_kinds_of_file(originals, predictor), as_json=arguments.json)
    return 0
