"""Compare a package's heat map with bounding boxes drawn by radiologists."""

import argparse
from pathlib import Path

from ml.commands.common import add_package_arguments, print_figures
from ml.commands.errors import CommandError
from ml.research.datasets.label_sheet import read_pictures
from ml.research.datasets.radiographs import load_inputs
from ml.serving.package import load_package
from ml.serving.runtimes.branched import as_adults
from ml.serving.runtimes.choice import choose_runtime

HELP = "compare the heat map with bounding boxes"
BATCH = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="CSV",
        help="a sheet (file, patient) of radiographs, beside it",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        required=True,
        metavar="CSV",
        help="a sheet (file, finding, x, y, width, height; shares of the image's sides)",
    )
    add_package_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure on every image with a box, whatever the gate says of it.

    As adults' images, in which boxes were drawn, where the package tells these apart.
    """
    from ml.research.evaluation.pointing import measure_pointing, read_boxes
    from ml.research.evaluation.responses import Responses

    package = load_package(arguments.package)
    boxes = read_boxes(arguments.boxes)
    images = [each for each in read_pictures(arguments.images) if each.path.name in boxes]
    if not images:
        raise CommandError(f"No image of {arguments.images} has a box in {arguments.boxes}.")
    inputs = load_inputs(images, package.input_size, "images with boxes")
    runtime = choose_runtime(package, BATCH, device=arguments.device)
    calibration = package.calibration
    if package.adult:
        runtime, calibration = as_adults(runtime), package.adult.calibration
    responses = Responses.of_runtime(runtime, inputs, images)
    figures = measure_pointing(responses, calibration, arguments.boxes)
    print_figures({"package": package.version, **figures}, as_json=arguments.json)
    return 0
