"""Train a network on children and adults together, taught where to look by a package."""

import argparse
from pathlib import Path

from ml.commands.errors import CommandError
from ml.serving.package import SHIPPED_PACKAGE, load_package

HELP = "train on children and adults from ImageNet weights, with a package as teacher"
OPTIONS = ("pool", "epochs", "images_per_epoch", "left_out")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")
    parser.add_argument(
        "--adults",
        type=Path,
        required=True,
        metavar="CSV",
        help="a sheet (file, patient, view, age, labels, trust, rsna, google_airspace) of adults'"
        " radiographs, beside it",
    )
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
        help="a sheet of pictures that must not pass as they are, only to measure the gate with",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="a sheet (file, finding, x, y, width, height) of boxes drawn in the adults'"
        " radiographs, only to measure the heat map with",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        default=SHIPPED_PACKAGE,
        metavar="DIR",
        help="the package that shows where to look (default: the shipped one)",
    )
    parser.add_argument("--out", type=Path, required=True, help="the package; its name = version")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="where a broken-off training goes on from (default: OUT.checkpoints)",
    )
    parser.add_argument("--pool", type=int, metavar="N", help="changed images (default: 14400)")
    parser.add_argument("--epochs", type=int, help="default: 12")
    parser.add_argument("--images-per-epoch", type=int, metavar="N", help="default: 2400")
    parser.add_argument(
        "--left-out",
        type=int,
        choices=range(3),
        help="the third of the patients that is not trained on (default: 0)",
    )
    parser.add_argument(
        "--fullres", type=Path, metavar="DIR", help="full-size files to compare kinds of file with"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train without one part of the patients, fit a gate, and package."""
    if arguments.out.exists():
        raise CommandError(f"{arguments.out} is there already. A changed package is a new version.")
    # Imports needed only for training are not loaded for the other commands.
    from ml.research.joint import TaughtPool, fill_pool, has_same_trunk, start, train_jointly
    from ml.research.joint_packaging import Measuring, Sources, options_of, package_jointly
    from ml.serving.network import fold
    from ml.serving.runtimes.tensorflow import load_network

    taught_by = load_package(arguments.teacher)
    given = {n: value for n in OPTIONS if (value := getattr(arguments, n)) is not None}
    options = options_of(taught_by, given)
    teacher = load_network(taught_by.weights_path, taught_by.backbone, taught_by.input_size)
    network = start(options)
    if not has_same_trunk(fold(network), teacher, options.frozen_stages):
        raise CommandError(f"The first stages of {taught_by.version} are not those of ImageNet.")
    sources = Sources.read(arguments.data, arguments.adults, options)
    checkpoints = arguments.checkpoints or arguments.out.with_name(
        f"{arguments.out.name}.checkpoints"
    )
    fill_pool(teacher, sources.material, options, checkpoints / "pool")
    trained = train_jointly(
        network, TaughtPool.read(checkpoints / "pool"), sources.material, options, checkpoints
    )
    package = package_jointly(
        arguments.out,
        fold(trained),
        taught_by,
        sources,
        options,
        Measuring(arguments.others, arguments.measure_only, arguments.boxes, arguments.fullres),
        "python -m ml joint --data DIR --adults CSV --others CSV --teacher"
        f" {taught_by.version} --out {arguments.out.name}"
        + "".join(f" --{name.replace('_', '-')} {value}" for name, value in given.items()),
    )
    print(f"Wrote {package.path} (SHA-256 {package.sha256})")
    return 0
