"""Give adults a calibration of their own on a package's network, as a new version."""

import argparse
from pathlib import Path

from ml.commands.arguments import (
    add_adults,
    add_boxes,
    add_fullres,
    add_out,
    add_training_data,
    refuse_existing,
)
from ml.commands.errors import CommandError
from ml.serving.package import SHIPPED_PACKAGE, load_package

HELP = "calibrate a package's network for adults as well, as a new version with the same network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_training_data(parser)
    add_adults(parser)
    parser.add_argument(
        "--package",
        type=Path,
        default=SHIPPED_PACKAGE,
        metavar="DIR",
        help="the package to calibrate (default: the shipped one)",
    )
    add_out(parser)
    parser.add_argument("--pool", type=int, metavar="N", help="changed copies (default: 4096)")
    add_boxes(parser)
    add_fullres(parser)


def run(arguments: argparse.Namespace) -> int:
    """Assess the images, fit calibration and chooser, and write the package."""
    refuse_existing(arguments.out)
    # Imports needed only here and in training are not loaded for the other commands.
    from ml.research.datasets.sources import Sources
    from ml.research.packaging.calibrated import CalibratingOptions, calibrate_for_adults

    package = load_package(arguments.package)
    if package.adult:
        raise CommandError(f"{package.version} has a calibration for adults.")
    if not all("calibration" in fold for fold in package.figures.values()):
        raise CommandError(
            f"{package.version} does not record with which calibration its folds were measured:"
            " package the network again."
        )
    given = {"pool": arguments.pool} if arguments.pool is not None else {}
    # The folds held out from the package's network stay held out.
    options = CalibratingOptions(**given, seed=package.training["options"]["seed"])
    sources = Sources.read(arguments.data, arguments.adults, package.input_size, options.seed)
    written = calibrate_for_adults(
        arguments.out,
        package,
        sources,
        options,
        f"python -m ml calibrate --data DIR --adults CSV --package {package.version}"
        f" --out {arguments.out.name}"
        + "".join(f" --{name} {value}" for name, value in given.items()),
        arguments.boxes,
        arguments.fullres,
    )
    print(f"Wrote {written.path} (SHA-256 {written.sha256})")
    return 0
