"""Give adults a calibration of their own on a package's network, as a new version."""

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

HELP = "calibrate a package's network for adults as well, as a new version with the same network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_training_data(parser)
    add_adults(parser)
    parser.add_argument(
        "--start",
        type=Path,
        required=True,
        metavar="DIR",
        help="the package that --package was refined from, which has seen none of these adults",
    )
    parser.add_argument(
        "--package",
        type=Path,
        default=SHIPPED_PACKAGE,
        metavar="DIR",
        help="the package to calibrate, made by 'refine' (default: the shipped one)",
    )
    add_out(parser)
    add_checkpoints(parser)
    parser.add_argument("--pool", type=int, metavar="N", help="augmented images (default: 8640)")
    parser.add_argument("--steps", type=int, help="steps of each training (default: 200)")
    add_boxes(parser)
    add_fullres(parser)


def run(arguments: argparse.Namespace) -> int:
    """Refine once without each part of the patients, and calibrate on the part left out."""
    refuse_existing(arguments.out)
    # Imports needed only for training are not loaded for the other commands.
    from ml.research.datasets.material import PARTS
    from ml.research.datasets.sources import Sources
    from ml.research.evaluation.held_out import plotted_children
    from ml.research.gate.held_out import refused_by
    from ml.research.packaging.adults import AdultStages
    from ml.research.packaging.calibrated import add_adult_calibration
    from ml.research.packaging.plots import Plotted
    from ml.research.packaging.refined import CalibrationData, training_facts
    from ml.research.training.joint import has_same_trunk
    from ml.research.training.refining import RefiningOptions, kept_pool, refine_in_parts
    from ml.serving.gate.decision import Gate
    from ml.serving.network import LATERAL_STAGE
    from ml.serving.runtimes.tensorflow import load_network

    package, begun = load_package(arguments.package), load_package(arguments.start)
    if package.is_branched:
        raise CommandError(f"{package.version} has upper stages for adults, calibrated for them.")
    network, start = load_network(package), load_network(begun)
    if not has_same_trunk(start, network, LATERAL_STAGE + 1):
        raise CommandError(f"{begun.version} has another trunk than {package.version}.")
    given = {n: value for n in ("pool", "steps") if (value := getattr(arguments, n)) is not None}
    # The folds held out from the package's network stay held out.
    seed = package.training["options"]["seed"]
    options = RefiningOptions(**given, left_out=tuple(range(PARTS)), seed=seed)
    sources = Sources.read(arguments.data, arguments.adults, package.input_size, seed)
    checkpoints = arguments.checkpoints or arguments.out.with_name(
        f"{arguments.out.name}.checkpoints"
    )
    trained = refine_in_parts(start, sources.material, options, checkpoints)
    pool = kept_pool(start, sources.material, options, checkpoints)
    # Children are assessed by the network that ships, adults by those that have not seen them.
    trained = trained._replace(network=network)
    data = CalibrationData.of(trained, sources)
    found = AdultStages.of(data, trained, sources, pool, package, arguments.boxes)
    gate = Gate.load(package.gate_path)
    refused = {name: refused_by(gate, fold) for name, fold in data.children.items()}
    facts = training_facts(
        sources.split.training,
        sources.adults,
        options,
        f"python -m ml calibrate --data DIR --adults CSV --start {begun.version}"
        f" --package {package.version} --out {arguments.out.name}"
        + "".join(f" --{name} {value}" for name, value in given.items()),
        start=begun.version,
    )
    written = add_adult_calibration(
        arguments.out,
        package,
        found,
        facts,
        arguments.fullres,
        Plotted(
            {},
            {**plotted_children(package.figures, data.children, refused), **found.cases},
            note="adults: opacity or not; by networks that had not seen them",
        ),
    )
    print(f"Wrote {written.path} (SHA-256 {written.sha256})")
    return 0
