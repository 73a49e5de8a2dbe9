"""Fit a new gate to radiographs from several hospitals, as a new version of a package."""

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from ml.commands.errors import CommandError
from ml.research.dataset import LabelledImage, find_images, load_inputs, make_folds
from ml.research.label_sheet import group_of, read_pictures
from ml.serving.package import (
    FACTS_FILE,
    FORMAT,
    GATE_FILE,
    NETWORK_FILE,
    REFITTABLE,
    SHIPPED_PACKAGE,
    WEIGHTS_FILE,
    load_package,
)

HELP = "fit a new gate to radiographs of several hospitals, as a new version of a package"
# The percentage of a sheet's patients used for fitting, and the percentage up to which they choose
# limits; the others measure.
FITTED, CHOOSING = 60, 75
CHILDREN = 1200


class Sheet(NamedTuple):
    """The images of a sheet, (n, size, size), with numbers from 0 to 99 that split the patients."""

    name: str
    images: list[LabelledImage]
    inputs: np.ndarray
    parts: np.ndarray

    @classmethod
    def read(cls, path: Path, size: int) -> Self:
        """Read a sheet and its images; it is named after its folder."""
        images = read_pictures(path)
        digests = [hashlib.sha256(image.patient.encode()).hexdigest() for image in images]
        parts = np.array([int(digest, 16) % 100 for digest in digests])
        name = path.parent.name
        return cls(name, images, load_inputs(images, size, name), parts)

    def part(self, first: int, end: int) -> Self:
        """Return the images of some of the patients."""
        chosen = (self.parts >= first) & (self.parts < end)
        images = [image for image, kept in zip(self.images, chosen, strict=True) if kept]
        return self._replace(images=images, inputs=self.inputs[chosen], parts=self.parts[chosen])

    def by(self, column: str) -> dict[str, np.ndarray]:
        """Return the images by their value in a column."""
        values = np.array([image.columns[column] for image in self.images])
        return {f"{self.name}: {v}": self.inputs[values == v] for v in np.unique(values)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="what the package was trained on"
    )
    parser.add_argument(
        "--chests",
        type=Path,
        required=True,
        metavar="CSV",
        help="a sheet (file, patient, view, age, rsna) of upright frontal chests elsewhere",
    )
    parser.add_argument(
        "--others",
        type=Path,
        required=True,
        metavar="CSV",
        help="a sheet (file, labels) of pictures that are no chests, to fit and measure with",
    )
    parser.add_argument(
        "--measure-only",
        type=Path,
        action="append",
        default=[],
        metavar="CSV",
        help="a sheet of pictures that must not pass as they are, only to measure with",
    )
    parser.add_argument(
        "--leave-out",
        choices=("data", "chests"),
        help="fit without one source, to see what becomes of radiographs from elsewhere",
    )
    parser.add_argument("--package", type=Path, default=SHIPPED_PACKAGE, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, help="the package; its name = version")


def run(arguments: argparse.Namespace) -> int:
    """Re-export the network, fit, measure, and write the package."""
    if arguments.out.exists():
        raise CommandError(f"{arguments.out} is there already. A changed package is a new version.")
    # Imports needed only here and in training are not loaded for the other commands.
    from ml.research.export import export
    from ml.research.gate.fitting import Source, fit_gate
    from ml.research.gate.measuring import Measured, measure_gate
    from ml.research.packaging import (
        Responses,
        cross_measured,
        is_choosing,
        measured_of,
        refused_by,
        write_package,
    )
    from ml.serving.runtimes.onnxruntime import ONNXRuntime
    from ml.serving.runtimes.tensorflow import load_network

    package = load_package(arguments.package, REFITTABLE)
    size = package.input_size
    chests, others = Sheet.read(arguments.chests, size), Sheet.read(arguments.others, size)
    measure_only = [Sheet.read(path, size) for path in arguments.measure_only]
    folds = make_folds(find_images(arguments.data), seed=package.training["options"]["seed"])

    arguments.out.mkdir(parents=True)
    export(load_network(package.weights_path, package.backbone, size), arguments.out)
    shutil.copy(package.weights_path, arguments.out / WEIGHTS_FILE)
    network = ONNXRuntime(arguments.out / NETWORK_FILE)

    def layouts_of(inputs: np.ndarray) -> np.ndarray:
        return network.outputs(inputs)["layout"]

    held_out = {
        name: Responses.of_runtime(network, load_inputs(fold, size, name), fold)
        for name, fold in (("random", folds.random), ("pessimistic", folds.pessimistic))
    }
    responses = list(held_out.values())
    choosing = is_choosing([image for fold in responses for image in fold.images])
    order = np.random.default_rng(0).permutation(len(folds.training))[:CHILDREN]
    sources = {
        "data": Source(
            load_inputs([folds.training[i] for i in order], size, "training images"),
            np.concatenate([fold.inputs for fold in responses])[choosing],
        ),
        "chests": Source(chests.part(0, FITTED).inputs, chests.part(FITTED, CHOOSING).inputs),
    }
    used = [source for name, source in sources.items() if name != arguments.leave_out]
    gate = fit_gate(used, layouts_of, others.part(0, CHOOSING).inputs)

    elsewhere, no_chests = chests.part(CHOOSING, 100), others.part(CHOOSING, 100)
    groups = {
        column: [group_of(image, column) for image in elsewhere.images]
        for column in ("rsna", "view", "age")
    }
    patients = [image.patient for image in elsewhere.images]
    measured = {
        arguments.data.name: measured_of(responses, ~choosing),
        chests.name: Measured(elsewhere.inputs, patients, groups),
    }
    real = no_chests.by("labels")
    for sheet in measure_only:
        real |= sheet.by("view")
    facts = json.loads((package.path / FACTS_FILE).read_text()) | {
        "format": FORMAT,
        "version": arguments.out.name,
        "figures": cross_measured(
            folds.training,
            held_out,
            {name: refused_by(gate, fold) for name, fold in held_out.items()},
        ),
        "gate": measure_gate(gate, measured, layouts_of, real),
    }
    gate.save(arguments.out / GATE_FILE)
    written = write_package(arguments.out, facts)
    print(f"Wrote {written.path} (SHA-256 {written.sha256})")
    return 0
