"""From a trained network to a model package, with everything that the held-out folds tell."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from ml import calibration, evaluation
from ml.calibration import Calibration, Floats
from ml.card import write_card
from ml.gate import Gate, Gaussian, contrast, thumbnails
from ml.package import (
    CARD_FILE,
    FACTS_FILE,
    FORMAT,
    GATE_FILE,
    WEIGHTS_FILE,
    ModelPackage,
    OperatingPoint,
    load_package,
    seal_package,
)
from ml.preprocessing import squeeze

UNLIKELY_SENSITIVITY = 0.99
DECISION_SENSITIVITY = 0.97
LIKELY_SPECIFICITY = 0.98
# The share of real chest radiographs beyond the limit of each likeness question of the gate.
GATE_TAIL = 0.004
# Of the images that networks are trained and calibrated on.
POPULATION = {"youngest_years": 1, "oldest_years": 5, "views": ["AP"]}
SHRINKAGE = 0.1
SMALLEST_CONTRAST_SHARE = 0.5


@dataclass(frozen=True)
class Responses:
    """What the network says to a set of labelled inputs."""

    inputs: np.ndarray
    targets: Floats
    logits: Floats
    activation_maps: Floats
    embeddings: Floats

    @classmethod
    def of(cls, network: keras.Model, inputs: np.ndarray, targets: Floats) -> Self:
        """Run the network over inputs (n, size, size)."""
        outputs = network.predict(inputs, batch_size=32, verbose=0)
        return cls(
            inputs,
            targets,
            outputs["logit"],
            outputs["activation_map"],
            outputs["embedding"],
        )


def build_package(
    out: Path,
    network: keras.Model,
    training: Responses,
    held_out: Mapping[str, Responses],
    facts: Mapping[str, Any],
) -> ModelPackage:
    """Calibrate, set the operating points, fit the gate, measure, and write the package.

    ``held_out`` are the folds that training never saw; calibration, operating points and gate
    limits come from all of them together. The figures of a fold are measured with calibration and
    operating points from the *other* folds. ``facts`` describe the training.
    """
    pooled_targets = np.concatenate([fold.targets for fold in held_out.values()])
    pooled_logits = np.concatenate([fold.logits for fold in held_out.values()])
    fitted = calibration.fit_calibration(pooled_logits, pooled_targets)
    thresholds = operating_points(fitted.probabilities(pooled_logits), pooled_targets)
    gate = fit_gate(training, held_out)
    held_out_inputs = np.concatenate([fold.inputs for fold in held_out.values()])

    out.mkdir(parents=True, exist_ok=True)
    network.save_weights(out / WEIGHTS_FILE)
    gate.save(out / GATE_FILE)
    package_facts = {
        "format": FORMAT,
        "name": "Pneumonia on frontal chest radiographs (EfficientNet-Lite0)",
        "version": out.name,
        "input": {
            "size": int(network.input_shape[1]),
            "pixels": "uint8 grey, MONOCHROME2, squeezed to a square",
        },
        "thresholds": {name: asdict(point) for name, point in thresholds.items()},
        "calibration": {
            **fitted._asdict(),
            "prevalence": round(float(pooled_targets.mean()), 4),
        },
        "population": POPULATION,
        "heatmap_full_scale": full_scale(fitted, held_out),
        "heatmap_rim_share": rim_share(fitted, held_out),
        "figures": cross_measured(gate, held_out),
        "gate": refused_outsiders(network, gate, held_out_inputs),
        "training": dict(facts),
    }
    (out / FACTS_FILE).write_text(json.dumps(package_facts, indent=2) + "\n")
    (out / CARD_FILE).write_text(write_card(package_facts))
    seal_package(out)
    return load_package(out)


def operating_points(probabilities: Floats, targets: Floats) -> dict[str, OperatingPoint]:
    """Choose the three thresholds on calibrated probabilities, in rising order."""
    unlikely = calibration.threshold_for_sensitivity(probabilities, targets, UNLIKELY_SENSITIVITY)
    decision = calibration.threshold_for_sensitivity(probabilities, targets, DECISION_SENSITIVITY)
    specific = calibration.threshold_for_specificity(probabilities, targets, LIKELY_SPECIFICITY)

    def point(threshold: float, criterion: str) -> OperatingPoint:
        return OperatingPoint(
            threshold,
            criterion,
            *evaluation.sensitivity_and_specificity(targets, probabilities, threshold),
        )

    return {
        "unlikely": point(unlikely, f"sensitivity of at least {UNLIKELY_SENSITIVITY}"),
        "decision": point(decision, f"sensitivity of at least {DECISION_SENSITIVITY}"),
        "likely": point(
            max(specific, decision),
            f"specificity of at least {LIKELY_SPECIFICITY}, and not below 'decision'",
        ),
    }


def cross_measured(gate: Gate, held_out: Mapping[str, Responses]) -> dict[str, Any]:
    """Measure each fold with calibration and operating points from the other folds."""
    figures = {}
    for name, fold in held_out.items():
        others = [other for key, other in held_out.items() if key != name]
        logits = np.concatenate([other.logits for other in others])
        targets = np.concatenate([other.targets for other in others])
        fitted = calibration.fit_calibration(logits, targets)
        thresholds = operating_points(fitted.probabilities(logits), targets)
        refused = [r is not None for r in gate.check(fold.inputs, fold.embeddings)]
        figures[name] = {
            "n": len(fold.targets),
            "n_pneumonia": int(fold.targets.sum()),
            "refused": round(float(np.mean(refused)), 4),
            **evaluation.measure(fold.targets, fitted.probabilities(fold.logits), thresholds),
        }
    return figures


def full_scale(fitted: Calibration, held_out: Mapping[str, Responses]) -> float:
    """Return the log-odds that 99 % of places stay below in held-out images with pneumonia."""
    return float(np.quantile(_maps_with_pneumonia(fitted, held_out), 0.99))


def rim_share(fitted: Calibration, held_out: Mapping[str, Responses]) -> float:
    """Return the share of all heat that lies in the map's outer ring, which is off the lungs."""
    heat = _maps_with_pneumonia(fitted, held_out).clip(0)
    return round(float(1 - heat[:, 1:-1, 1:-1].sum() / heat.sum()), 4)


def _maps_with_pneumonia(fitted: Calibration, held_out: Mapping[str, Responses]) -> Floats:
    maps = [fold.activation_maps[fold.targets == 1] for fold in held_out.values()]
    return fitted.log_odds(np.concatenate(maps))


def fit_gate(training: Responses, held_out: Mapping[str, Responses]) -> Gate:
    """Fit the gate on training images, with its limits from held-out ones.

    ``training`` should have augmented copies too, so that other sharpness, brightness and framing
    count as like the rest.
    """
    inputs = np.concatenate([fold.inputs for fold in held_out.values()])
    embeddings = np.concatenate([fold.embeddings for fold in held_out.values()])

    def gaussian(fitted_on: Floats, limited_by: Floats) -> Gaussian:
        unlimited = Gaussian.fit(fitted_on, SHRINKAGE)
        limit = float(np.quantile(unlimited.distance(limited_by), 1 - GATE_TAIL))
        return Gaussian(unlimited.mean, unlimited.whitening, limit)

    return Gate(
        contrast_limit=float(contrast(training.inputs).min() * SMALLEST_CONTRAST_SHARE),
        layout=gaussian(thumbnails(training.inputs), thumbnails(inputs)),
        embedding=gaussian(training.embeddings, embeddings),
    )


def refused_outsiders(network: keras.Model, gate: Gate, inputs: np.ndarray) -> dict[str, float]:
    """Return the share that the gate refuses of spoilt radiographs, by kind, and of noise."""
    half, third = inputs.shape[1] // 2, inputs.shape[1] // 3

    def enlarged(parts: np.ndarray) -> np.ndarray:
        return np.stack([np.asarray(squeeze(part, inputs.shape[1])) for part in parts])

    outsiders = {
        "turned by 90 degrees": np.rot90(inputs, axes=(1, 2)),
        "turned by 180 degrees": np.rot90(inputs, 2, axes=(1, 2)),
        "inverted": 255 - inputs,
        "top left ninth only": enlarged(inputs[:, :third, :third]),
        "lower half only": enlarged(inputs[:, half:]),
        "mirrored": inputs[:, :, ::-1],
        "noise": np.random.default_rng(0).integers(0, 256, inputs.shape, dtype=np.uint8),
    }
    shares = {}
    for name, pictures in outsiders.items():
        embeddings = network.predict(pictures, batch_size=32, verbose=0)["embedding"]
        refusals = gate.check(pictures, embeddings)
        shares[name] = round(float(np.mean([r is not None for r in refusals])), 4)
    return shares
