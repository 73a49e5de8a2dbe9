"""The gate and held-out folds: who chooses its limits, who measures it, whom it refuses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.responses import Responses
from ml.research.gate.measuring import Measured
from ml.serving.gate.decision import Gate


def is_choosing(images: Sequence[LabelledImage]) -> NDArray[np.bool_]:
    """Divide held-out radiographs in two, by patient: to choose the gate's limits, or to measure.

    Every second patient, in the order of their names, so that both halves have all kinds.
    """
    patients = np.array([image.patient for image in images])
    return np.isin(patients, np.unique(patients)[::2])


def refused_by(gate: Gate, fold: Responses) -> NDArray[np.bool_]:
    """Which images of a fold the gate refuses as received: (n,)."""
    return np.array([r is not None for r in gate.check(fold.inputs, fold.layouts)])


def measured_of(folds: Sequence[Responses], chosen: NDArray[np.bool_]) -> Measured:
    """Return the chosen images of the folds, all together, for measuring the gate by class."""
    images = [image for fold in folds for image in fold.images]
    kept = [image for image, is_kept in zip(images, chosen, strict=True) if is_kept]
    return Measured(
        np.concatenate([fold.inputs for fold in folds])[chosen],
        [image.patient for image in kept],
        {"class": [image.kind for image in kept]},
    )
