"""Figures of held-out folds, and the cases that they were measured with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.figures import Cases, measure
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import Scale
from ml.serving.calibration import Calibration


def cross_measured(
    training: Sequence[LabelledImage],
    held_out: Mapping[str, Responses],
    refused: Mapping[str, NDArray[np.bool_]],
) -> dict[str, Any]:
    """Measure each fold with calibration and operating points from the others."""
    figures = {}
    for name, fold in held_out.items():
        scale = Scale.fit([other for key, other in held_out.items() if key != name], training)
        figures[name] = measured_at(scale, fold, refused[name])
    return figures


def measured_at(scale: Scale, fold: Responses, refused: NDArray[np.bool_]) -> dict[str, Any]:
    """Measure a fold, and say with which calibrations, so that it can be measured again."""
    return {
        **measure(scale.cases(fold, refused), scale.thresholds),
        "calibration": scale.pneumonia._asdict(),
        "bacterial_calibration": scale.bacterial and scale.bacterial._asdict(),
    }


def measured_again(
    figures: Mapping[str, Any], fold: Responses, refused: NDArray[np.bool_]
) -> dict[str, Any]:
    """Measure a fold as it was for its figures, those of ``measured_at``, with another gate."""
    points = figures["operating_points"]
    thresholds = {name: point["threshold"] for name, point in points.items()}
    return {**figures, **measure(_cases_as_measured(figures, fold, refused), thresholds)}


def plotted_children(
    figures: Mapping[str, Any],
    held_out: Mapping[str, Responses],
    refused: Mapping[str, NDArray[np.bool_]],
) -> dict[str, Cases]:
    """Return the cases of each fold as they were for its figures, to plot."""
    return {
        f"children, {name} fold": _cases_as_measured(figures[name], fold, refused[name])
        for name, fold in held_out.items()
    }


def _cases_as_measured(
    figures: Mapping[str, Any], fold: Responses, refused: NDArray[np.bool_]
) -> Cases:
    bacterial = figures["bacterial_calibration"]
    scale = Scale(
        Calibration(**figures["calibration"]), Calibration(**bacterial) if bacterial else None, {}
    )
    return scale.cases(fold, refused)
