"""Serving: a loaded package that turns network inputs into assessments.

Importing this module is cheap; Keras and its backend are imported when a ``Predictor`` is made.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.assessment import Assessment, categorise
from ml.calibration import Calibration
from ml.gate import Gate, Refusal
from ml.package import ModelPackage

if TYPE_CHECKING:
    import keras

# A batch is padded to one of these, so that only so many graphs are ever traced.
BATCH_SHAPES = (1, 8, 32)


class Predictor:
    """A package ready to predict, on one device, for one caller at a time.

    ``device`` is 'auto' (a GPU when the backend has one), 'cpu' or 'gpu'; 'gpu' raises
    ``RuntimeError`` when there is none. ``device_name`` says where it runs.
    """

    def __init__(self, package: ModelPackage, batch_size: int = 32, device: str = "auto") -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.package = package
        self.batch_size = batch_size
        self.device_name = _choose_device(device)
        self._shapes = (*(n for n in BATCH_SHAPES if n < batch_size), batch_size)
        self._calibration = Calibration(package.calibration_slope, package.calibration_offset)
        self._gate = Gate.load(package.gate_path)
        self._network = load_network(package, self.device_name)
        for shape in self._shapes:
            self._forward(np.zeros((shape, package.input_size, package.input_size), np.uint8))

    def predict(self, batch: NDArray[np.uint8]) -> list[Assessment]:
        """Assess network inputs, (n, size, size) uint8 with any n, in their order."""
        size = self.package.input_size
        if batch.dtype != np.uint8 or batch.ndim != 3 or batch.shape[1:] != (size, size):
            raise ValueError(
                f"Expected (n, {size}, {size}) uint8, not {batch.shape} {batch.dtype}."
            )
        assessments: list[Assessment] = []
        for start in range(0, len(batch), self.batch_size):
            assessments += self._predict_some(batch[start : start + self.batch_size])
        return assessments

    def _predict_some(self, inputs: NDArray[np.uint8]) -> list[Assessment]:
        outputs = self._forward(inputs)
        probabilities = self._calibration.probabilities(outputs["logit"])
        heatmaps = self._heatmaps(outputs["activation_map"])
        refusals = self._gate.check(inputs, outputs["embedding"])
        return [
            self._assessment(float(probability), heatmap, refusal)
            for probability, heatmap, refusal in zip(probabilities, heatmaps, refusals, strict=True)
        ]

    def _assessment(
        self, probability: float, heatmap: NDArray[np.uint8], refusal: Refusal | None
    ) -> Assessment:
        if refusal:
            nothing = np.zeros_like(heatmap)
            return Assessment(None, "not_assessable", refusal.code, refusal.reason, nothing)
        thresholds = self.package.thresholds
        category = categorise(
            probability,
            unlikely_below=thresholds["unlikely"].threshold,
            likely_from=thresholds["likely"].threshold,
        )
        return Assessment(probability, category, "", "", heatmap)

    def _heatmaps(self, activation_maps: NDArray[np.float32]) -> NDArray[np.uint8]:
        evidence = self._calibration.log_odds(activation_maps) / self.package.heatmap_full_scale
        return np.round(evidence.clip(0, 1) * 255).astype(np.uint8)

    def _forward(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        import keras

        n = len(inputs)
        shape = next(shape for shape in self._shapes if shape >= n)
        padded = np.zeros((shape, *inputs.shape[1:]), np.uint8)
        padded[:n] = inputs
        with keras.device(self.device_name):
            outputs = self._network.predict_on_batch(padded)
        return {name: np.asarray(output)[:n] for name, output in outputs.items()}


def load_network(package: ModelPackage, device_name: str) -> "keras.Model":
    """Build the package's network on a device and load its weights."""
    import keras

    from ml.network import build_network

    with keras.device(device_name):
        network = build_network(package.input_size, folded=True)
        network.load_weights(package.weights_path)
    return network


def _choose_device(device: str) -> str:
    if device not in ("auto", "cpu", "gpu"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'gpu', not {device!r}")
    has_gpu = _sees_gpu()
    if device == "gpu" and not has_gpu:
        raise RuntimeError("No GPU is visible to this process; set the device to 'cpu' or 'auto'.")
    return "gpu:0" if has_gpu and device != "cpu" else "cpu:0"


def _sees_gpu() -> bool:
    import keras

    if keras.config.backend() == "torch":  # Keras lists no devices for it
        import torch

        return bool(torch.cuda.is_available())
    return bool(keras.distribution.list_devices("gpu"))
