"""Figures of adults whom radiologists read, and their cases to plot."""

from typing import Any

import numpy as np

from ml.research.datasets.targets import NORMAL, OPACITY, reading_of
from ml.research.evaluation.figures import Cases, measure
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import Scale
from ml.serving.calibration import Calibration


def measure_adults(adults: Responses, scale: Scale) -> dict[str, Any]:
    """Measure opacity against normal within each view, where the view gives no cue, and overall."""
    readings = np.array([reading_of(image) for image in adults.images])
    views = _views(adults)
    cases = _cases_of_adults(adults, scale.pneumonia)
    plain = np.isin(readings, (OPACITY, NORMAL))
    groups = {
        "opacity against normal, PA": plain & (views == "PA"),
        "opacity against normal, AP": plain & (views == "AP"),
        "opacity against all others, PA": views == "PA",
        "opacity against all others, AP": views == "AP",
        "opacity against all others": np.ones(len(readings), np.bool_),
    }
    return {
        name: measure(cases.subset(chosen), scale.thresholds) for name, chosen in groups.items()
    }


def plotted_adults(adults: Responses, calibration: Calibration) -> dict[str, Cases]:
    """Return the cases of opacity against everything else, to plot, within each view."""
    cases, views = _cases_of_adults(adults, calibration), _views(adults)
    return {f"adults, {view}": cases.subset(views == view) for view in ("PA", "AP")}


def _cases_of_adults(adults: Responses, calibration: Calibration) -> Cases:
    readings = np.array([reading_of(image) for image in adults.images])
    return Cases(
        np.where(readings == OPACITY, "pneumonia", "normal"),
        np.array([image.patient for image in adults.images]),
        calibration.probabilities(adults.logits),
    )


def _views(adults: Responses) -> np.ndarray:
    return np.array([image.columns["view"] for image in adults.images])
