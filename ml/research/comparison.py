"""Short trainings side by side: the gain in accuracy of a choice, and its cost in speed."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.acquisition import acquisition_fold
from ml.research.datasets.radiographs import Folds, load_inputs
from ml.research.evaluation.figures import auroc
from ml.research.evaluation.heatmap import rim_share
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.shortcuts import measure_shortcuts, specificity_at_sensitivity
from ml.research.packaging.export import export_network
from ml.research.training.from_imagenet import TrainingOptions, start_from_imagenet, train
from ml.serving.calibration import Floats
from ml.serving.runtimes.onnxruntime import ONNXRuntime

SPEED_BATCH = 8
TURNS, TURN_SECONDS = 9, 0.5


@dataclass(frozen=True)
class Trial:
    """How a short training did on the patients that it never saw.

    ``acquisition`` is the fold of the misleading patients (``ml.research.datasets.acquisition``),
    ``pooled`` all three folds together, ``shortcuts`` these with all the properties of
    ``ml.research.evaluation.shortcuts`` transferred from the other class; specificities are at a
    sensitivity of 97 %. ``rim_share`` is the share of the evidence for pneumonia that lies on the
    rim, before calibration.
    """

    acquisition_auroc: float
    acquisition_specificity: float
    pooled_auroc: float
    shortcuts_auroc: float
    shortcuts_specificity: float
    rim_share: float
    training_seconds: float


def run_trial(folds: Folds, options: TrainingOptions, place: Path) -> Trial:
    """Train without the misleading patients, and measure.

    Leaves the network at ``place`` + '.onnx'; ``place`` + '.checkpoints' is the folder from which
    an interrupted trial resumes.
    """
    keras.backend.clear_session()
    held = acquisition_fold(folds.training, options.seed)
    inputs = load_inputs(folds.training, options.input_size, "training images")
    began = time.monotonic()
    network = train(
        start_from_imagenet(options),
        inputs[~held],
        list(compress(folds.training, ~held)),
        {},
        options,
        Path(f"{place}.checkpoints"),
    )
    seconds = time.monotonic() - began
    export_network(network, Path(f"{place}.onnx"))
    acquisition = Responses.of(network, inputs[held], list(compress(folds.training, held)))
    others = folds.random + folds.pessimistic
    rest = Responses.of(network, load_inputs(others, options.input_size, "other folds"), others)
    return measure_trial(network, [acquisition, rest], seconds)


def measure_trial(network: keras.Model, folds: Sequence[Responses], seconds: float) -> Trial:
    """Measure a network by its responses to the fold of misleading patients, and to the others."""
    targets = np.concatenate([fold.targets for fold in folds])
    logits = np.concatenate([fold.logits for fold in folds])
    maps = np.concatenate([fold.activation_maps for fold in folds])

    def logits_of(pictures: NDArray[np.uint8]) -> Floats:
        return np.asarray(network.predict(pictures, batch_size=32, verbose=0)["logit"])

    shortcuts = measure_shortcuts(
        np.concatenate([fold.inputs for fold in folds]), targets, logits_of
    )
    return Trial(
        acquisition_auroc=round(float(auroc(folds[0].targets, folds[0].logits)), 4),
        acquisition_specificity=specificity_at_sensitivity(folds[0].targets, folds[0].logits),
        pooled_auroc=round(float(auroc(targets, logits)), 4),
        shortcuts_auroc=shortcuts["all three"]["auroc"],
        shortcuts_specificity=shortcuts["all three"]["specificity"],
        rim_share=rim_share(maps[targets == 1]),
        training_seconds=round(seconds),
    )


def measure_speeds(networks: Mapping[str, tuple[Path, int]]) -> dict[str, float]:
    """Return the median images per second of ONNX Runtime in batches of eight.

    ``networks`` are ONNX models with their input sizes in pixels, by name; they take turns, so that
    other load on the machine affects all of them.
    """
    rng = np.random.default_rng(0)
    started = {
        name: (ONNXRuntime(path), rng.integers(0, 256, (SPEED_BATCH, size, size), dtype=np.uint8))
        for name, (path, size) in networks.items()
    }
    turns: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(TURNS):
        for name, (runtime, batch) in started.items():
            runtime.outputs(batch)
            begin, done = time.perf_counter(), 0
            while time.perf_counter() - begin < TURN_SECONDS:
                runtime.outputs(batch)
                done += SPEED_BATCH
            turns[name].append(done / (time.perf_counter() - begin))
    return {name: round(statistics.median(speeds), 1) for name, speeds in turns.items()}
