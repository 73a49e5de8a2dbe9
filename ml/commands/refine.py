"""Fine-tune a package's network on adult radiographs in addition to the children's."""

import argparse
from pathlib import Path

from ml.commands.arguments import (
    add_adults,
    add_checkpoints,
    add_fullres,
    add_out,
    add_training_data,
    refuse_existing,
)
from ml.serving.package import SHIPPED_PACKAGE, load_package

HELP = "train a package's network further, on adults' radiographs as well as children's"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_training_data(parser)
    add_adults(parser)
    add_out(parser)
    parser.add_argument("--package", type=Path, default=SHIPPED_PACKAGE, metavar="DIR")
    add_checkpoints(parser)
    parser.add_argument("--pool", type=int, metavar="N", help="augmented images (default: 8640)")
    parser.add_argument("--steps", type=int, help="steps of each training (default: 200)")
    add_fullres(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train without each part of the patients in turn, average the networks, and package."""
    refuse_existing(arguments.out)
    # Imports needed only for training are not loaded for the other commands.
    from ml.research.datasets.sources import Sources
    from ml.research.packaging.refined import CalibrationData, build_refined_package, training_facts
    from ml.research.training.learning import HISTORY_FILE
    from ml.research.training.refining import RefiningOptions, refine_in_parts
    from ml.serving.runtimes.tensorflow import load_network

    start = load_package(arguments.package)
    size = start.input_size
    given = {
        name: value for name in ("pool", "steps") if (value := getattr(arguments, name)) is not None
    }
    # The folds held out from the base network stay held out.
    options = RefiningOptions(**given, seed=start.training["options"]["seed"])
    sources = Sources.read(arguments.data, arguments.adults, size, options.seed)
    checkpoints = arguments.checkpoints or arguments.out.with_name(
        f"{arguments.out.name}.checkpoints"
    )
    refined = refine_in_parts(
        load_network(start),
        sources.material,
        options,
        checkpoints,
    )
    package = build_refined_package(
        arguments.out,
        refined.network,
        start,
        sources.split.training,
        CalibrationData.of(refined, sources),
        training_facts(
            sources.split.training,
            sources.adults,
            options,
            f"python -m ml refine --data DIR --adults CSV --package {start.version}"
            f" --out {arguments.out.name}"
            + "".join(f" --{name} {value}" for name, value in given.items()),
            start=start.version,
        ),
        arguments.fullres,
        trained_on=sources.adults,
        histories=sorted(checkpoints.glob(f"*/{HISTORY_FILE}")),
    )
    print(f"Wrote {package.path} (SHA-256 {package.sha256})")
    return 0
