"""Arguments shared by the commands that write packages."""

import argparse
from pathlib import Path

from ml.commands.errors import CommandError


def add_training_data(parser: argparse.ArgumentParser) -> None:
    """Add the folder of labelled images."""
    parser.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")


def add_adults(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the sheet of adults' radiographs."""
    parser.add_argument(
        "--adults",
        type=Path,
        required=required,
        metavar="CSV",
        help="a sheet (file, patient, view, age, labels, trust, rsna, google_airspace) of adults'"
        " radiographs, beside it",
    )


def add_boxes(parser: argparse.ArgumentParser) -> None:
    """Add the sheet of boxes that the heat map is compared with."""
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="a sheet (file, finding, x, y, width, height) of boxes drawn in the adults'"
        " radiographs, only for measuring the heat map",
    )


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    """Add the folder of a training's checkpoints."""
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="where an interrupted training resumes (default: OUT.checkpoints)",
    )


def add_fullres(parser: argparse.ArgumentParser) -> None:
    """Add the folder of full-size files."""
    parser.add_argument(
        "--fullres", type=Path, metavar="DIR", help="full-size files for comparing file formats"
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the new package."""
    parser.add_argument(
        "--out", type=Path, required=True, help="the new package; its name is the version"
    )


def refuse_existing(package: Path) -> None:
    """Raise CommandError if the new package is there already: a version never changes."""
    if package.exists():
        raise CommandError(f"{package} is there already. A changed package is a new version.")
