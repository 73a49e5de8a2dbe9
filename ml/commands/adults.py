"""Train a second set of upper stages, for adults, on the trunk of a package."""

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

HELP = "train upper stages for adults on a package's trunk, as a new version with both sets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_training_data(parser)
    add_adults(parser)
    parser.add_argument(
        "--start",
        type=Path,
        metavar="DIR",
        help="a package with the same trunk, to start from; one that has seen none of these adults"
        " keeps the figures honest (default: that of --package)",
    )
    parser.add_argument(
        "--package",
        type=Path,
        default=SHIPPED_PACKAGE,
        metavar="DIR",
        help="the package whose upper stages assess children (default: the shipped one)",
    )
    add_out(parser)
    add_checkpoints(parser)
    parser.add_argument("--pool", type=int, metavar="N", help="augmented images (default: 43200)")
    parser.add_argument("--steps", type=int, help="steps of each training (default: 300)")
    add_boxes(parser)
    add_fullres(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train without each part of the patients in turn, average the networks, and package."""
    refuse_existing(arguments.out)
    # Imports needed only for training are not loaded for the other commands.
    from ml.research.datasets.sources import Sources
    from ml.research.datasets.targets import reading_of
    from ml.research.packaging.adults import AdultStages
    from ml.research.packaging.branched import add_adult_stages
    from ml.research.packaging.plots import Plotted
    from ml.research.packaging.refined import training_facts
    from ml.research.training.adults import AdultsOptions, train_for_adults
    from ml.research.training.joint import has_same_trunk
    from ml.research.training.learning import HISTORY_FILE
    from ml.research.training.refining import kept_pool
    from ml.serving.network import LATERAL_STAGE
    from ml.serving.runtimes.tensorflow import load_network

    package = load_package(arguments.package)
    begun = load_package(arguments.start) if arguments.start else package
    given = {n: value for n in ("pool", "steps") if (value := getattr(arguments, n)) is not None}
    # The folds held out from the package's network stay held out.
    seed = package.training["options"]["seed"]
    options = AdultsOptions(**given, seed=seed)
    start = load_network(begun)
    if not has_same_trunk(start, load_network(package), LATERAL_STAGE + 1):
        raise CommandError(f"{begun.version} has another trunk than {package.version}.")
    sources = Sources.read(
        arguments.data, arguments.adults, package.input_size, seed, options.trust
    )
    checkpoints = arguments.checkpoints or arguments.out.with_name(
        f"{arguments.out.name}.checkpoints"
    )
    pool = kept_pool(start, sources.material, options, checkpoints)
    trained = train_for_adults(start, pool, sources.material, options, checkpoints)
    stages = AdultStages.of(trained, sources, pool, package, arguments.boxes)
    facts = training_facts(
        sources.split.training,
        sources.adults,
        options,
        f"python -m ml adults --data DIR --adults CSV --start {begun.version}"
        f" --package {package.version} --out {arguments.out.name}"
        + "".join(f" --{name} {value}" for name, value in given.items()),
        start=begun.version,
    )
    written = add_adult_stages(
        arguments.out,
        package,
        trained.network,
        stages.chooser,
        stages.calibration,
        stages.heatmap_full_scale,
        stages.figures,
        {**facts, **stages.about},
        arguments.fullres,
        Plotted(
            {
                "children, training": [image.kind for image in sources.split.training],
                "adults, training": [reading_of(image) for image in sources.adults],
            },
            stages.cases,
            sorted(checkpoints.glob(f"*/{HISTORY_FILE}")),
            "upper stages for adults: opacity or not; by networks that had not seen them",
        ),
    )
    print(f"Wrote {written.path} (SHA-256 {written.sha256})")
    return 0
