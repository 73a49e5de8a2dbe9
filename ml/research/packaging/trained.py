"""From a trained network to a model package, with all figures from the held-out folds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.figures import METHOD
from ml.research.evaluation.heatmap import rim_share
from ml.research.evaluation.held_out import cross_measured, plotted_children
from ml.research.evaluation.occlusion import check_by_occlusion
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import ASSUMED_PREVALENCE, Scale, full_scale, maps_with_pneumonia
from ml.research.gate.fitting import PER_KIND, VARIED, Source, fit_gate
from ml.research.gate.held_out import is_choosing, measured_of, refused_by
from ml.research.gate.measuring import measure_gate
from ml.research.packaging.export import export
from ml.research.packaging.plots import Plotted, splits_of, write_package_plots
from ml.research.packaging.writing import with_consistency, write_package
from ml.serving.calibration import Calibration, Floats
from ml.serving.network import backbone_of
from ml.serving.package import FORMAT, GATE_FILE, NETWORK_FILE, WEIGHTS_FILE, ModelPackage
from ml.serving.runtimes.interface import Runtime
from ml.serving.runtimes.onnxruntime import ONNXRuntime

# For whom the model is intended: the images used for training and calibration are of these.
POPULATION = {"youngest_years": 1, "oldest_years": 5, "views": ["AP"]}
OCCLUDED_IMAGES = 200


def build_package(
    out: Path,
    network: keras.Model,
    training: Responses,
    held_out: Mapping[str, Responses],
    facts: Mapping[str, Any],
    fullres: Path | None = None,
    ood_per_kind: int = PER_KIND,
    histories: Sequence[Path] = (),
) -> ModelPackage:
    """Calibrate, set the operating points, fit the gate, measure, and write the package.

    ``held_out`` are the folds that training never saw, two or more; calibration and operating
    points come from all of them together, the gate's limits from half of their patients. The
    figures of a fold are measured with calibration and operating points from the *other* folds.
    ``facts`` describe the training. ``fullres`` has full-size files to compare kinds of file with,
    in folders NORMAL and PNEUMONIA. ``ood_per_kind`` is for the gate, see ``fit_gate``.
    ``histories`` are the files with the training's losses by epoch, for a plot.
    """
    folds = list(held_out.values())
    scale = Scale.fit(folds, training.images)
    choosing = is_choosing([image for fold in folds for image in fold.images])
    held_out_inputs = np.concatenate([fold.inputs for fold in folds])
    out.mkdir(parents=True, exist_ok=True)
    network.save_weights(out / WEIGHTS_FILE)
    export(network, out)
    # Faster than Keras, and the export has just been verified against it.
    exported = ONNXRuntime(out / NETWORK_FILE)

    def layouts_of(inputs: NDArray[np.uint8]) -> Floats:
        return exported.outputs(inputs)["layout"]

    gate = fit_gate(
        [Source(training.inputs, held_out_inputs[choosing])],
        layouts_of,
        per_kind=ood_per_kind,
        varied=min(VARIED, len(training.inputs)),
    )
    refused = {name: refused_by(gate, fold) for name, fold in held_out.items()}
    figures = cross_measured(training.images, held_out, refused)
    plotted = Plotted(
        splits_of(training.images, {name: fold.images for name, fold in held_out.items()}),
        plotted_children(figures, held_out, refused),
        histories,
    )
    backbone = backbone_of(network)
    package_facts: dict[str, Any] = {
        "format": FORMAT,
        "name": f"Pneumonia on frontal chest radiographs (EfficientNet-{backbone.title()})",
        "version": out.name,
        "backbone": backbone,
        "input": {
            "size": int(network.input_shape[1]),
            "pixels": "uint8 grey, MONOCHROME2, squeezed to a square",
        },
        "population": POPULATION,
        **network_facts(exported, scale, training.images, held_out),
        "figures": figures,
        "gate": measure_gate(
            gate,
            {"held-out images": measured_of(folds, ~choosing)},
            layouts_of,
            per_kind=ood_per_kind,
        ),
        "training": dict(facts),
        "plots": write_package_plots(out, plotted, scale.thresholds),
    }
    gate.save(out / GATE_FILE)
    return with_consistency(write_package(out, package_facts), fullres)


def network_facts(
    exported: Runtime,
    scale: Scale,
    training: Sequence[LabelledImage],
    held_out: Mapping[str, Responses],
) -> dict[str, Any]:
    """Return what a package says of its network, but the figures, from the held-out folds."""
    kinds = [image.kind for image in training if image.kind in ("bacteria", "virus")]
    return {
        "thresholds": {name: asdict(point) for name, point in scale.points.items()},
        "calibration": {
            **scale.pneumonia._asdict(),
            "prevalence": ASSUMED_PREVALENCE,
        },
        "bacterial_calibration": scale.bacterial
        and {
            **scale.bacterial._asdict(),
            "prevalence": round(kinds.count("bacteria") / len(kinds), 4),
        },
        "heatmap_places": int(next(iter(held_out.values())).activation_maps.shape[1]),
        "heatmap_full_scale": full_scale(scale.pneumonia, held_out),
        "heatmap_rim_share": rim_share(maps_with_pneumonia(scale.pneumonia, held_out)),
        "figures_method": METHOD,
        "occlusion": occlusion(exported, scale.pneumonia, held_out),
        "sameness": None,
    }


def occlusion(
    network: Runtime, fitted: Calibration, held_out: Mapping[str, Responses]
) -> dict[str, Any]:
    """Check the heat map on a sample of the held-out images with pneumonia."""
    targets = np.concatenate([fold.targets for fold in held_out.values()])
    ill = np.flatnonzero(targets == 1)
    sample = np.random.default_rng(0).permutation(ill)[:OCCLUDED_IMAGES]
    inputs = np.concatenate([fold.inputs for fold in held_out.values()])[sample]
    maps = np.concatenate([fold.activation_maps for fold in held_out.values()])[sample]

    def log_odds(pictures: NDArray[np.uint8]) -> Floats:
        return fitted.log_odds(network.outputs(pictures)["logit"])

    return check_by_occlusion(log_odds, inputs, fitted.log_odds(maps))
