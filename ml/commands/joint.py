"""Train on children and adults together, with the heat maps of a package as teacher."""

import argparse
from pathlib import Path

from ml.commands.arguments import (
    add_adults,
    add_boxes,
    add_checkpoints,
    add_fullres,
    add_out,
    add_training_data,
    refuse_existing,
)
from ml.commands.errors import CommandError
from ml.serving.package import SHIPPED_PACKAGE, load_package

HELP = "train on children and adults together, with a package as teacher"
OPTIONS = (
    "pool",
    "epochs",
    "images_per_epoch",
    "learning_rate",
    "other_trust",
    "unread_trust",
    "start_share",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_training_data(parser)
    add_adults(parser)
    parser.add_argument(
        "--others",
        type=Path,
        required=True,
        metavar="CSV",
        help="a sheet (file, labels) of pictures that do not show a chest, for the gate",
    )
    parser.add_argument(
        "--measure-only",
        type=Path,
        action="append",
        default=[],
        metavar="CSV",
        help="a sheet of pictures that must be refused as they are; only for measuring the gate",
    )
    add_boxes(parser)
    parser.add_argument(
        "--teacher",
        type=Path,
        default=SHIPPED_PACKAGE,
        metavar="DIR",
        help="the package whose heat maps are the target (default: the shipped one)",
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="DIR",
        help="the package to start from (default: ImageNet weights)",
    )
    parser.add_argument(
        "--start-share",
        type=float,
        metavar="SHARE",
        help="the share of the starting weights in the shipped weights (default: 0)",
    )
    add_out(parser)
    add_checkpoints(parser)
    parser.add_argument("--pool", type=int, metavar="N", help="augmented images (default: 14400)")
    parser.add_argument("--epochs", type=int, help="default: 12")
    parser.add_argument("--images-per-epoch", type=int, metavar="N", help="default: 2400")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="default: 0.001")
    parser.add_argument(
        "--other-trust",
        type=float,
        metavar="WEIGHT",
        help="weight of adults read as abnormal without an opacity (default: 1)",
    )
    parser.add_argument(
        "--unread-trust",
        type=float,
        metavar="WEIGHT",
        help="weight of adults whose findings software extracted from reports (default: 1)",
    )
    parser.add_argument(
        "--left-out",
        type=int,
        nargs="+",
        choices=range(3),
        help="thirds of the patients: each is left out of one training, and the weights of these"
        " trainings are averaged (default: 0)",
    )
    add_fullres(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train without each part of the patients in turn, fit a gate, and package."""
    refuse_existing(arguments.out)
    # Imports needed only for training are not loaded for the other commands.
    from ml.research.datasets.sources import Sources
    from ml.research.packaging.joint import Measuring, options_of, package_jointly
    from ml.research.training.joint import (
        TaughtPool,
        begin,
        fill_pool,
        has_same_trunk,
        train_jointly_in_parts,
    )
    from ml.research.training.learning import HISTORY_FILE
    from ml.serving.network import fold
    from ml.serving.runtimes.tensorflow import load_network

    taught_by = load_package(arguments.teacher)
    given = {n: value for n in OPTIONS if (value := getattr(arguments, n)) is not None}
    if arguments.left_out:
        given["left_out"] = tuple(arguments.left_out)
    start = None
    if arguments.start:
        package = load_package(arguments.start)
        given["start"] = package.version
        start = load_network(package)
    options = options_of(taught_by, given)
    teacher = load_network(taught_by)
    first = start or fold(begin(options, None))
    if not has_same_trunk(first, teacher, options.frozen_stages):
        raise CommandError(
            f"The first stages of {taught_by.version} are not those of {options.start}."
        )
    sources = Sources.read(
        arguments.data, arguments.adults, options.input_size, options.seed, options.trust
    )
    checkpoints = arguments.checkpoints or arguments.out.with_name(
        f"{arguments.out.name}.checkpoints"
    )
    fill_pool(teacher, sources.material, options, checkpoints / "pool")
    pool = TaughtPool.read(checkpoints / "pool")
    written = package_jointly(
        arguments.out,
        train_jointly_in_parts(start, pool, sources.material, options, checkpoints),
        taught_by,
        sources,
        options,
        Measuring(arguments.others, arguments.measure_only, arguments.boxes, arguments.fullres),
        "python -m ml joint --data DIR --adults CSV --others CSV --teacher"
        f" {taught_by.version} --out {arguments.out.name}"
        + "".join(f" --{name.replace('_', '-')} {_shown(v)}" for name, v in given.items()),
        sorted(checkpoints.glob(f"*/{HISTORY_FILE}")),
    )
    print(f"Wrote {written.path} (SHA-256 {written.sha256})")
    return 0


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
