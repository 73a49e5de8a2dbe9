"""Serving: a loaded package that turns network inputs into assessments.

Importing this module is cheap; the inference library is imported when a ``Predictor`` is created.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.serving.assessment import Assessment, categorise
from ml.serving.chooser import ADULT_LOG_ODDS, taken_for_adults
from ml.serving.gate.decision import Gate, Refusal
from ml.serving.gate.orientation import UPRIGHT, Turn
from ml.serving.gate.reorientation import Judged, judge
from ml.serving.package import AdultStages, ModelPackage
from ml.serving.runtimes.choice import AUTO, choose_runtime
from ml.serving.runtimes.interface import Outputs
from ml.serving.stages import ADULT, CHILD, Stages


class Predictor:
    """A loaded package on one device, for one caller at a time.

    ``runtime`` and ``device`` are those of ``choose_runtime``, which may raise. ``device_name``
    describes device and runtime. With ``ignore_gate`` every image is assessed as received, for
    measuring the network alone.
    """

    def __init__(
        self,
        package: ModelPackage,
        batch_size: int = 32,
        device: str = AUTO,
        runtime: str = AUTO,
        *,
        ignore_gate: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.package = package
        self.batch_size = batch_size
        self._gate = None if ignore_gate else Gate.load(package.gate_path)
        self._runtime = choose_runtime(package, batch_size, runtime, device)
        self.device_name = self._runtime.device_name

    def predict(self, batch: NDArray[np.uint8]) -> list[Assessment]:
        """Assess network inputs, (n, size, size) uint8 with any n, in order."""
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
        outputs, refusals, turns = self._judged(inputs)
        return [
            self._assessment({name: values[i] for name, values in outputs.items()}, refusal, turn)
            for i, (refusal, turn) in enumerate(zip(refusals, turns, strict=True))
        ]

    def _judged(self, inputs: NDArray[np.uint8]) -> Judged:
        forward = self._runtime.outputs
        outputs = forward(inputs)
        if self._gate is None:
            return Judged(outputs, [None] * len(inputs), [UPRIGHT] * len(inputs))
        return judge(self._gate, inputs, outputs, forward)

    def _assessment(self, outputs: Outputs, refusal: Refusal | None, turn: Turn) -> Assessment:
        """Return the assessment of one image from its outputs, which have no first dimension."""
        if refusal:
            nothing = np.zeros(outputs["activation_map"].shape, np.uint8)
            return Assessment(None, "not_assessable", refusal.code, refusal.reason, nothing)
        said_by: ModelPackage | AdultStages = self.package
        assessed_as: Stages | Literal[""] = ""
        if self.package.adult:
            as_adult = taken_for_adults(outputs[ADULT_LOG_ODDS])
            said_by, assessed_as = (self.package.adult, ADULT) if as_adult else (said_by, CHILD)
        probability = float(said_by.calibration.probabilities(outputs["logit"]))
        bacterial = None
        if said_by.bacterial_calibration:
            bacterial = float(said_by.bacterial_calibration.probabilities(outputs["subtype_logit"]))
        evidence = said_by.calibration.log_odds(outputs["activation_map"])
        heatmap = np.round((evidence / said_by.heatmap_full_scale).clip(0, 1) * 255)
        thresholds = self.package.thresholds
        category = categorise(
            probability,
            unlikely_below=thresholds["unlikely"].threshold,
            likely_from=thresholds["likely"].threshold,
        )
        return Assessment(
            probability,
            category,
            "",
            "",
            heatmap.astype(np.uint8),
            bacterial,
            correction=turn.name,
            assessed_as=assessed_as,
        )
