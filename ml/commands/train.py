"""Train a network and write a model package."""

import argparse
from dataclasses import asdict
from itertools import compress

from ml.commands.arguments import add_checkpoints, add_fullres, add_out, add_training_data
from ml.research.datasets.radiographs import find_images, labels, load_inputs, make_folds
from ml.serving.backbones import BACKBONES

HELP = "train a network and write a model package"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_training_data(parser)
    add_out(parser)
    add_checkpoints(parser)
    parser.add_argument(
        "--acquisition-fold",
        action="store_true",
        help="hold out a third fold, with the normal patients whose images are acquired most like"
        " those with pneumonia. For judging a trial; a network for use is trained with them",
    )
    parser.add_argument("--backbone", choices=BACKBONES, help="the EfficientNet (default: lite0)")
    parser.add_argument("--input-size", type=int, metavar="PIXELS", help="default: 224")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    add_fullres(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train on everything but the held-out folds, and package."""
    images = find_images(arguments.data)
    # Imports needed only for training are not loaded for the other commands.
    from ml.research.datasets.acquisition import acquisition_fold
    from ml.research.evaluation.responses import Responses
    from ml.research.packaging.trained import build_package
    from ml.research.training.from_imagenet import TrainingOptions, start_from_imagenet, train
    from ml.research.training.learning import HISTORY_FILE

    overrides = {
        name: value
        for name in ("backbone", "input_size", "epochs", "seed")
        if (value := getattr(arguments, name)) is not None
    }
    options = TrainingOptions(**overrides)
    folds = make_folds(images, seed=options.seed)
    training = folds.training
    held_out = {"random": folds.random, "pessimistic": folds.pessimistic}
    inputs = load_inputs(training, options.input_size, "training images")
    if arguments.acquisition_fold:
        held = acquisition_fold(training, options.seed)
        held_out["acquisition"] = list(compress(training, held))
        training = list(compress(training, ~held))
        inputs = inputs[~held]
    held_out_inputs = {
        name: load_inputs(fold, options.input_size, f"{name} fold")
        for name, fold in held_out.items()
    }
    checkpoints = arguments.checkpoints or arguments.out.with_name(
        f"{arguments.out.name}.checkpoints"
    )
    network = train(
        start_from_imagenet(options),
        inputs,
        training,
        {name: (held_out_inputs[name], labels(fold)) for name, fold in held_out.items()},
        options,
        checkpoints,
    )
    changed = "".join(f" --{name.replace('_', '-')} {value}" for name, value in overrides.items())
    package = build_package(
        arguments.out,
        network,
        Responses.of(network, inputs, training),
        {
            name: Responses.of(network, held_out_inputs[name], fold)
            for name, fold in held_out.items()
        },
        {
            "images": len(training),
            "pneumonia": int(labels(training).sum()),
            "patients": len({image.patient for image in training}),
            "command": f"python -m ml train --data DIR --out {arguments.out.name}{changed}",
            "options": asdict(options),
        },
        arguments.fullres,
        histories=[checkpoints / HISTORY_FILE],
    )
    print(f"Wrote {package.path} (SHA-256 {package.sha256})")
    return 0
