"""Train a network and write a model package."""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml.dataset import find_images, labels, load_inputs, make_folds

HELP = "train a network and write a model package"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", type=Path, required=True, help="folders NORMAL and PNEUMONIA")
    parser.add_argument("--out", type=Path, required=True, help="the package; its name = version")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--fullres", type=Path, metavar="DIR", help="full-size files to compare kinds of file with"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train on all folds but the held-out ones, and pack."""
    found = find_images(arguments.data)
    # What only training needs is not loaded for the other commands.
    from ml.augmentation import augment
    from ml.packaging import Responses, build_package
    from ml.training import TrainingOptions, train

    given = {
        name: value
        for name in ("epochs", "seed")
        if (value := getattr(arguments, name)) is not None
    }
    options = TrainingOptions(**given)
    folds = make_folds(found, seed=options.seed)
    size = options.input_size
    inputs = load_inputs(folds.training, size, "training images")
    targets = labels(folds.training)
    held_out = {"random": folds.random, "pessimistic": folds.pessimistic}
    held_out_inputs = {
        name: load_inputs(fold, size, f"{name} fold") for name, fold in held_out.items()
    }
    reported_on = {name: (held_out_inputs[name], labels(fold)) for name, fold in held_out.items()}
    network = train(inputs, targets, reported_on, options)
    rng = np.random.default_rng(options.seed)
    copies = np.stack([augment(image, rng) for image in tqdm(inputs, "augmented copies")])
    changed = "".join(f" --{name} {value}" for name, value in given.items())
    package = build_package(
        arguments.out,
        network,
        Responses.of(network, np.concatenate([inputs, copies]), folds.training * 2),
        {
            name: Responses.of(network, held_out_inputs[name], fold)
            for name, fold in held_out.items()
        },
        {
            "images": len(targets),
            "pneumonia": int(targets.sum()),
            "patients": len({image.patient for image in folds.training}),
            "command": f"python -m ml train --data DIR --out {arguments.out.name}{changed}",
            "options": asdict(options),
        },
        arguments.fullres,
    )
    print(f"Wrote {package.path} (SHA-256 {package.sha256})")
    return 0
