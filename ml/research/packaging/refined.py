"""From a refined network to a package, including its results in adults."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from ml.research.datasets.radiographs import LabelledImage, labels, load_inputs
from ml.research.datasets.sources import Sources
from ml.research.datasets.targets import NORMAL, OPACITY, UNREAD, reading_of
from ml.research.evaluation.adults import measure_adults, plotted_adults
from ml.research.evaluation.figures import Cases
from ml.research.evaluation.held_out import measured_at, plotted_children
from ml.research.evaluation.operating_points import operating_points
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import Scale
from ml.research.evaluation.shortcuts import with_all_lent
from ml.research.gate.held_out import refused_by
from ml.research.packaging.export import export
from ml.research.packaging.plots import Plotted, splits_of, write_package_plots
from ml.research.packaging.trained import network_facts
from ml.research.packaging.writing import with_consistency, write_package
from ml.research.training.learning import LearningOptions
from ml.research.training.parts import InParts
from ml.serving.gate.decision import Gate
from ml.serving.package import (
    FACTS_FILE,
    FORMAT,
    GATE_FILE,
    NETWORK_FILE,
    WEIGHTS_FILE,
    ModelPackage,
    OperatingPoint,
)
from ml.serving.runtimes.onnxruntime import ONNXRuntime


@dataclass(frozen=True)
class CalibrationData:
    """What calibrates a refined network.

    ``children`` are the held-out folds, whom no training saw; ``lent`` the same images with greys,
    sharpness and corners of the other class, as devices never seen may have them; ``adults`` those
    that radiologists read, each with the answer of a network that did not see the patient.
    """

    children: Mapping[str, Responses]
    lent: Mapping[str, Responses]
    adults: Responses

    @classmethod
    def of(cls, trained: InParts, sources: Sources) -> Self:
        """Assess the held-out folds, and each adult whom radiologists read."""
        size = sources.material.inputs.shape[1]
        children, lent = {}, {}
        for name in ("random", "pessimistic"):
            images = getattr(sources.split, name)
            inputs = load_inputs(images, size, name)
            children[name] = Responses.of(trained.network, inputs, images)
            all_lent = with_all_lent(inputs, labels(images))
            lent[name] = Responses.of(trained.network, all_lent, images)
        first = len(sources.split.training)
        read = [first + n for n, i in enumerate(sources.adults) if reading_of(i) != UNREAD]
        return cls(children, lent, trained.left_out(sources.material, np.array(read)))

    def scale(self, training: Sequence[LabelledImage], without: str = "") -> Scale:
        """Fit to all but one of the children's folds.

        The calibration is that of all groups together, of adults those with an opacity and those
        with a normal chest. *Likely* has its specificity in all of them; *unlikely* and *decision*
        have their sensitivities in children, for whom the version is made.
        """
        children = [fold for name, fold in self.children.items() if name != without]
        lent = [replace(f, subtype_logits=None) for n, f in self.lent.items() if n != without]
        plain = _plain(self.adults)
        fitted = Scale.fit([*children, *lent, plain], training)
        # An image with transferred properties is not a further patient: it adds no certainty.
        seen = sum(len(fold.images) for fold in (*children, plain))
        pneumonia = fitted.pneumonia._replace(margin=1 / (seen + 2))

        def points(folds: Sequence[Responses]) -> dict[str, OperatingPoint]:
            images = [image for fold in folds for image in fold.images]
            logits = np.concatenate([fold.logits for fold in folds])
            return operating_points(Cases.of(images, pneumonia.probabilities(logits)))

        of_children, of_all = points(children), points([*children, *lent, plain])
        highest = max(of_children["likely"], of_all["likely"], key=lambda point: point.threshold)
        return Scale(pneumonia, fitted.bacterial, {**of_children, "likely": highest})


def training_facts(
    children: Sequence[LabelledImage],
    adults: Sequence[LabelledImage],
    options: LearningOptions,
    command: str,
    **origin: str,
) -> dict[str, Any]:
    """Return what a package says of its training on children and adults, for JSON.

    ``origin`` is the version of the network that it started from (``start``) and of its
    ``teacher``, if it had one.
    """
    return {
        "images": len(children),
        "pneumonia": int(labels(list(children)).sum()),
        "patients": len({image.patient for image in children}),
        "adults": {
            "images": len(adults),
            "patients": len({image.patient for image in adults}),
            "read_by_radiologists": sum(reading_of(image) != UNREAD for image in adults),
            **origin,
        },
        "command": command,
        "options": asdict(options),
    }


def build_refined_package(
    out: Path,
    network: keras.Model,
    start: ModelPackage,
    training: Sequence[LabelledImage],
    calibration_data: CalibrationData,
    facts: Mapping[str, Any],
    fullres: Path | None = None,
    gated: tuple[Gate, Mapping[str, Any]] | None = None,
    pointing: Mapping[str, Any] | None = None,
    trained_on: Sequence[LabelledImage] = (),
    histories: Sequence[Path] = (),
) -> ModelPackage:
    """Calibrate, set the operating points, measure, and write the package.

    ``gated`` is a new gate with its figures. Without it the start's gate stays: it looks at
    features that refining leaves as they are, so its figures hold too. ``pointing`` are the figures
    of the heat map against drawn boxes. For the plots, ``trained_on`` are the adults of the
    training, and ``histories`` the files with its losses by epoch.
    """
    out.mkdir(parents=True, exist_ok=True)
    network.save_weights(out / WEIGHTS_FILE)
    export(network, out)
    before = json.loads((start.path / FACTS_FILE).read_text())
    # The new network assesses adults itself.
    before.pop("adult_stages", None)
    if gated:
        gate, gate_figures = gated
        gate.save(out / GATE_FILE)
    else:
        gate, gate_figures = Gate.load(start.gate_path), before["gate"]
        shutil.copy(start.gate_path, out / GATE_FILE)
    scale = calibration_data.scale(training)
    children = calibration_data.children
    refused = {name: refused_by(gate, fold) for name, fold in children.items()}
    figures = {}
    for name, fold in children.items():
        others = calibration_data.scale(training, without=name)
        figures[name] = measured_at(others, fold, refused[name])
    plotted = Plotted(
        {
            **splits_of(training, {name: fold.images for name, fold in children.items()}),
            "adults, training": [reading_of(image) for image in trained_on],
        },
        {
            **plotted_children(figures, children, refused),
            **plotted_adults(calibration_data.adults, scale.pneumonia),
        },
        histories,
        "adults: opacity or not; by networks that had not seen them",
    )
    package_facts = before | {
        "format": FORMAT,
        "version": out.name,
        **network_facts(
            ONNXRuntime(out / NETWORK_FILE), scale, training, calibration_data.children
        ),
        "figures": figures,
        "gate": gate_figures,
        "adults": measure_adults(calibration_data.adults, scale),
        "pointing": pointing,
        "pointing_seen": False,
        "training": dict(facts),
        "plots": write_package_plots(out, plotted, scale.thresholds),
    }
    return with_consistency(write_package(out, package_facts), fullres)


def _plain(adults: Responses) -> Responses:
    """Return the adults with an opacity and those with a normal chest, under these names."""
    kinds = {OPACITY: "pneumonia", NORMAL: "normal"}
    readings = [reading_of(image) for image in adults.images]
    kept = [row for row, reading in enumerate(readings) if reading in kinds]
    images = [replace(adults.images[row], kind=kinds[readings[row]]) for row in kept]
    maps, layouts = adults.activation_maps[kept], adults.layouts[kept]
    return Responses(adults.inputs[kept], images, adults.logits[kept], maps, layouts, None)
