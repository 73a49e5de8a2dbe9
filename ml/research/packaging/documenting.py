"""Plots and the comparison with drawn boxes for a package that is there already.

The network runs on the images again; calibration, thresholds and figures stay as they are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml.research.datasets.label_sheet import read_pictures
from ml.research.datasets.material import part_of
from ml.research.datasets.radiographs import LabelledImage, find_images, load_inputs, make_folds
from ml.research.datasets.targets import UNREAD, reading_of
from ml.research.evaluation.adults import plotted_adults
from ml.research.evaluation.held_out import plotted_children
from ml.research.evaluation.pointing import measure_pointing, read_boxes
from ml.research.evaluation.responses import Responses
from ml.research.gate.held_out import refused_by
from ml.research.packaging.plots import Plotted, splits_of
from ml.serving.gate.decision import Gate
from ml.serving.package import ModelPackage
from ml.serving.runtimes.branched import as_adults, as_children
from ml.serving.runtimes.choice import start_runtime

BATCH = 32


class Documented(NamedTuple):
    """What can be plotted of a package, and the figures of its heat map against drawn boxes.

    ``has_seen`` says whether the network was trained with the adults.
    """

    plotted: Plotted
    pointing: Mapping[str, Any] | None
    has_seen: bool


def document(
    package: ModelPackage, data: Path, adults: Path | None = None, boxes: Path | None = None
) -> Documented:
    """Assess the folds held out of ``data``, and of a sheet of adults those whom radiologists read.

    The adults are assessed whatever the gate says of them. ``boxes`` is a sheet of boxes drawn in
    their radiographs.
    """
    runtime = start_runtime("onnxruntime", package, "cpu", BATCH)
    folds = make_folds(find_images(data), seed=package.training["options"]["seed"])
    splits = {"random": folds.random, "pessimistic": folds.pessimistic}
    size, gate = package.input_size, Gate.load(package.gate_path)
    children = {
        name: Responses.of_runtime(as_children(runtime), load_inputs(fold, size, name), fold)
        for name, fold in splits.items()
    }
    refused = {name: refused_by(gate, fold) for name, fold in children.items()}
    groups = plotted_children(package.figures, children, refused)
    classes = splits_of(folds.training, splits)
    if adults is None:
        return Documented(Plotted(classes, groups), None, has_seen=False)

    everyone = read_pictures(adults)
    trained_on = _trained_on(package, everyone)
    # Those whom the network has not seen, if there are any: they alone say how good it is.
    measured = [image for image in everyone if image not in trained_on] or everyone
    has_seen = measured is everyone and bool(trained_on)
    calibration = package.calibration
    if package.adult:
        runtime, calibration = as_adults(runtime), package.adult.calibration
    drawn = read_boxes(boxes) if boxes else {}
    wanted = [i for i in measured if reading_of(i) != UNREAD or i.path.name in drawn]
    said = Responses.of_runtime(runtime, load_inputs(wanted, size, "adults"), wanted)
    read = said.chosen([reading_of(image) != UNREAD for image in wanted])
    classes["adults, training"] = [reading_of(image) for image in trained_on]
    were_in = "they were in the training" if has_seen else "the network has not seen them"
    note = f"adults: opacity or not; {were_in}"
    return Documented(
        Plotted(classes, groups | plotted_adults(read, calibration), note=note),
        measure_pointing(said, calibration, boxes) if boxes else None,
        has_seen,
    )


def _trained_on(package: ModelPackage, adults: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Return the adults of a sheet who were in the training of a package, by what it says of it."""
    if package.adult:
        return list(adults)
    if "adults" not in package.training:
        return []
    left_out = package.training["options"].get("left_out", ())
    # The mean of several trainings has seen what one of them left out.
    if len(left_out) != 1:
        return list(adults)
    return [image for image in adults if part_of(image) != left_out[0]]
