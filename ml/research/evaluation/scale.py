"""From a network's log-odds to displayed values, fitted to held-out folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.radiographs import LabelledImage, labels
from ml.research.evaluation.figures import Cases
from ml.research.evaluation.operating_points import operating_points
from ml.research.evaluation.responses import Responses
from ml.serving import calibration
from ml.serving.calibration import Calibration, Floats
from ml.serving.package import OperatingPoint

# Even odds before the image is seen. The data do not show how common pneumonia is where the model
# is used, and their prevalence of three in four is unlike any clinic.
ASSUMED_PREVALENCE = 0.5


@dataclass(frozen=True)
class Scale:
    """From log-odds to displayed values: both calibrations and the operating points."""

    pneumonia: Calibration
    bacterial: Calibration | None
    points: Mapping[str, OperatingPoint]

    @property
    def thresholds(self) -> dict[str, float]:
        """Return the thresholds of the operating points."""
        return {name: point.threshold for name, point in self.points.items()}

    @classmethod
    def fit(cls, folds: Sequence[Responses], training: Sequence[LabelledImage]) -> Self:
        """Fit to held-out folds, all together.

        The probability of pneumonia assumes ASSUMED_PREVALENCE, that of a bacterial pattern the
        share of the ``training`` images.
        """
        images = [image for fold in folds for image in fold.images]
        logits = np.concatenate([fold.logits for fold in folds])
        pneumonia = calibration.fit_calibration(logits, labels(images), ASSUMED_PREVALENCE)
        cases = Cases.of(images, pneumonia.probabilities(logits))
        return cls(pneumonia, _fit_bacterial(folds, training), operating_points(cases))

    def cases(self, fold: Responses, refused: NDArray[np.bool_]) -> Cases:
        """Return the displayed values of a fold's images."""

        def calibrated(fitted: Calibration, logits: Floats) -> Floats:
            return np.where(refused, np.nan, fitted.probabilities(logits))

        bacterial = None
        if self.bacterial and fold.subtype_logits is not None:
            bacterial = calibrated(self.bacterial, fold.subtype_logits)
        return Cases.of(fold.images, calibrated(self.pneumonia, fold.logits), bacterial)


def _fit_bacterial(
    folds: Sequence[Responses], training: Sequence[LabelledImage]
) -> Calibration | None:
    """Fit the second output to the images with pneumonia of known kind."""
    given = [fold for fold in folds if fold.subtype_logits is not None]
    if not given:
        return None
    kinds = np.array([image.kind for fold in given for image in fold.images])
    logits = np.concatenate([fold.subtype_logits for fold in given])
    known = np.isin(kinds, ("bacteria", "virus"))
    trained_on = [image.kind for image in training if image.kind in ("bacteria", "virus")]
    return calibration.fit_calibration(
        logits[known],
        (kinds[known] == "bacteria").astype(np.float64),
        trained_on.count("bacteria") / len(trained_on),
    )


def full_scale(fitted: Calibration, held_out: Mapping[str, Responses]) -> float:
    """Return the 99th percentile of local log-odds in held-out images with pneumonia."""
    return float(np.quantile(maps_with_pneumonia(fitted, held_out), 0.99))


def maps_with_pneumonia(fitted: Calibration, held_out: Mapping[str, Responses]) -> Floats:
    """Return the local log-odds (m, s, s) in the held-out images with pneumonia."""
    maps = [fold.activation_maps[fold.targets == 1] for fold in held_out.values()]
    return fitted.log_odds(np.concatenate(maps))
