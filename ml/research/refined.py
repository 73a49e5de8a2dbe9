"""From a refined network to a package, with what it says of adults too."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.research.dataset import LabelledImage
from ml.research.evaluation import Cases, measure
from ml.research.export import export
from ml.research.packaging import (
    Responses,
    Scale,
    network_facts,
    refused_by,
    with_consistency,
    write_package,
)
from ml.research.targets import NORMAL, OPACITY, reading_of
from ml.serving.gate.decision import Gate
from ml.serving.package import (
    FACTS_FILE,
    FORMAT,
    GATE_FILE,
    NETWORK_FILE,
    WEIGHTS_FILE,
    ModelPackage,
)
from ml.serving.runtimes.onnxruntime import ONNXRuntime


def build_refined_package(
    out: Path,
    network: keras.Model,
    start: ModelPackage,
    training: Sequence[LabelledImage],
    held_out: Mapping[str, Responses],
    adults: Responses,
    facts: Mapping[str, Any],
    fullres: Path | None = None,
) -> ModelPackage:
    """Calibrate, set the operating points, measure, and write the package, with the start's gate.

    The gate looks at features that refining leaves as they are, so its figures hold too.
    ``held_out`` are children whom no training saw. ``adults`` were read by radiologists; each has
    the answer of the network that was trained without the patient.
    """
    out.mkdir(parents=True, exist_ok=True)
    network.save_weights(out / WEIGHTS_FILE)
    export(network, out)
    shutil.copy(start.gate_path, out / GATE_FILE)
    gate = Gate.load(start.gate_path)
    scale = Scale.fit(list(held_out.values()), training)
    thresholds = {name: point.threshold for name, point in scale.points.items()}
    package_facts = json.loads((start.path / FACTS_FILE).read_text()) | {
        "format": FORMAT,
        "version": out.name,
        **network_facts(
            ONNXRuntime(out / NETWORK_FILE),
            scale,
            training,
            held_out,
            {name: refused_by(gate, fold) for name, fold in held_out.items()},
        ),
        "adults": measure_adults(adults, scale, thresholds),
        "training": dict(facts),
    }
    return with_consistency(write_package(out, package_facts), fullres)


def measure_adults(
    adults: Responses, scale: Scale, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Measure opacity against normal within each view, where the view cannot help, and all."""
    readings = np.array([reading_of(image) for image in adults.images])
    views = np.array([image.columns["view"] for image in adults.images])
    cases = Cases(
        np.where(readings == OPACITY, "pneumonia", "normal"),
        np.array([image.patient for image in adults.images]),
        scale.pneumonia.probabilities(adults.logits),
    )
    plain = np.isin(readings, (OPACITY, NORMAL))
    groups = {
        "opacity against normal, PA": plain & (views == "PA"),
        "opacity against normal, AP": plain & (views == "AP"),
        "opacity against all others": np.ones(len(readings), np.bool_),
    }
    return {name: measure(cases.subset(chosen), thresholds) for name, chosen in groups.items()}
