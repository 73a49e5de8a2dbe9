"""Fit a new gate to radiographs from several hospitals, as a new version of a package."""

import argparse
import json
import shutil
from pathlib import Path

from ml.commands.arguments import add_out, refuse_existing
from ml.commands.errors import CommandError
from ml.research.datasets.radiographs import find_images, load_inputs, make_folds
from ml.serving.package import (
    FACTS_FILE,
    FORMAT,
    GATE_FILE,
    HASHES_FILE,
    NETWORK_FILE,
    REFITTABLE,
    SHIPPED_PACKAGE,
    load_package,
)

HELP = "fit a new gate to radiographs of several hospitals, as a new version of a package"
BATCH = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="the images the package was trained on",
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
        help="a sheet (file, labels) of pictures that do not show a chest, to fit and measure with",
    )
    parser.add_argument(
        "--measure-only",
        type=Path,
        action="append",
        default=[],
        metavar="CSV",
        help="a sheet of pictures that must be refused as they are; only for measuring",
    )
    parser.add_argument(
        "--leave-out",
        choices=("data", "chests"),
        help="fit without one source, to see how radiographs of another hospital fare",
    )
    parser.add_argument("--package", type=Path, default=SHIPPED_PACKAGE, metavar="DIR")
    add_out(parser)


def run(arguments: argparse.Namespace) -> int:
    """Re-export the network, fit, measure, and write the package."""
    refuse_existing(arguments.out)
    # Imports needed only here and in training are not loaded for the other commands.
    from ml.research.evaluation.held_out import cross_measured, measured_again, plotted_children
    from ml.research.evaluation.responses import Responses
    from ml.research.gate.held_out import refused_by
    from ml.research.gate.refitting import Sheets, refit
    from ml.research.packaging.export import export
    from ml.research.packaging.plots import Plotted, write_package_plots
    from ml.research.packaging.writing import write_package
    from ml.serving.runtimes.branched import as_children
    from ml.serving.runtimes.choice import start_runtime
    from ml.serving.runtimes.onnxruntime import ONNXRuntime
    from ml.serving.runtimes.tensorflow import load_network

    package = load_package(arguments.package, REFITTABLE)
    # Adults and transferred properties took part in the calibration of its folds' figures.
    was_refined = "adults" in package.training
    if was_refined and not all("calibration" in fold for fold in package.figures.values()):
        raise CommandError(
            f"{package.version} does not record with which calibration its folds were measured,"
            " so they cannot be measured again with another gate: package the network again."
        )
    size = package.input_size
    sheets = Sheets.read(arguments.chests, arguments.others, arguments.measure_only, size)
    folds = make_folds(find_images(arguments.data), seed=package.training["options"]["seed"])

    shutil.copytree(package.path, arguments.out, ignore=shutil.ignore_patterns(HASHES_FILE))
    if package.is_branched:
        network = as_children(start_runtime("onnxruntime", package, "cpu", BATCH))
    else:
        export(load_network(package), arguments.out)
        network = ONNXRuntime(arguments.out / NETWORK_FILE)
    held_out = {
        name: Responses.of_runtime(network, load_inputs(fold, size, name), fold)
        for name, fold in (("random", folds.random), ("pessimistic", folds.pessimistic))
    }
    gate, figures = refit(
        lambda inputs: network.outputs(inputs)["layout"],
        (arguments.data.name, load_inputs(folds.training, size, "training images")),
        held_out,
        sheets,
        arguments.leave_out,
    )
    refused = {name: refused_by(gate, fold) for name, fold in held_out.items()}
    before = json.loads((package.path / FACTS_FILE).read_text())
    if was_refined:
        of_folds = {
            name: measured_again(before["figures"][name], fold, refused[name])
            for name, fold in held_out.items()
        }
    else:
        of_folds = cross_measured(folds.training, held_out, refused)
    plotted = Plotted({}, plotted_children(of_folds, held_out, refused))
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    plots = before.get("plots", {}) | write_package_plots(arguments.out, plotted, thresholds)
    facts = before | {
        # A package of an earlier format becomes one of today's.
        "format": before["format"] if package.adult else FORMAT,
        "version": arguments.out.name,
        "figures": of_folds,
        "gate": figures,
        "plots": plots,
    }
    gate.save(arguments.out / GATE_FILE)
    written = write_package(arguments.out, facts)
    print(f"Wrote {written.path} (SHA-256 {written.sha256})")
    return 0
