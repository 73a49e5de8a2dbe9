"""The gate's decision on an image, from the image and the network's features.

A linear classifier, fitted on augmented chest radiographs of several hospitals and on other images,
decides from spatial features half-way through the network and simple image statistics. It does not
measure similarity to the network's training images: an adult's chest is a chest.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml.serving.calibration import Floats
from ml.serving.gate.measures import contrast, statistics, thumbnails
from ml.serving.gate.orientation import Turn, upright_turns
from ml.serving.refusals import MESSAGES

# The first rows of the classifier's weights; the rest are other kinds of OOD images.
CHEST, CROPPED_CHEST, OTHER = range(3)
# Odds of e^5 to 1, about 150, for part of a chest rather than anything else.
CERTAINLY_CROPPED = 5.0


@dataclass(frozen=True)
class Refusal:
    """Why an image is not assessable: a stable code, a key of `ml.serving.refusals.MESSAGES`."""

    code: str

    @property
    def reason(self) -> str:
        """Plain English for the radiologist."""
        return MESSAGES[self.code]


NO_CONTRAST = Refusal("no_contrast")
NOT_FRONTAL_CHEST = Refusal("not_frontal_chest")
CROPPED = Refusal("cropped")
INVERTED = Refusal("inverted")
ROTATED = Refusal("rotated")


def features(inputs: NDArray[np.uint8], layouts: Floats) -> Floats:
    """Return the classifier's features of inputs (n, s, s) and layouts (n, p, p, c): (n, f)."""
    return np.concatenate([statistics(inputs), layouts.reshape(len(layouts), -1)], axis=1)


@dataclass(frozen=True)
class Classifier:
    """A linear classifier: ``weights`` (k, f) and ``biases`` (k,) for k classes.

    Chest, part of a chest, anything else, and kinds of OOD images with their own class.

    ``limit`` is the lowest score that passes; ``sure_limit``, which is higher, the lowest for a
    reoriented image.
    """

    weights: Floats
    biases: Floats
    limit: float
    sure_limit: float

    def log_odds(self, weighed: Floats) -> Floats:
        """Return the log-odds of the classes, up to a common constant: (n, k)."""
        return np.asarray(weighed @ self.weights.T + self.biases)

    def score(self, weighed: Floats) -> Floats:
        """Return the log-odds of an upright frontal chest against all else: (n,)."""
        odds = self.log_odds(weighed)
        return np.asarray(odds[:, CHEST] - np.logaddexp.reduce(odds[:, CROPPED_CHEST:], axis=1))


@dataclass(frozen=True)
class Gate:
    """The complete gate. ``upright`` (196,) are the orientation weights for thumbnails."""

    contrast_limit: float
    classifier: Classifier
    upright: Floats

    def check(self, inputs: NDArray[np.uint8], layouts: Floats) -> list[Refusal | None]:
        """Check network inputs (n, s, s) with their layouts (n, p, p, c); None means passed."""
        blank = contrast(inputs) < self.contrast_limit
        weighed = features(inputs, layouts)
        unlike = self.classifier.score(weighed) < self.classifier.limit
        odds = self.classifier.log_odds(weighed)
        others = np.logaddexp.reduce(odds[:, OTHER:], axis=1)
        cropped = odds[:, CROPPED_CHEST] - others > CERTAINLY_CROPPED

        def refusal(blank: bool, unlike: bool, cropped: bool) -> Refusal | None:
            if blank:
                return NO_CONTRAST
            if not unlike:
                return None
            return CROPPED if cropped else NOT_FRONTAL_CHEST

        return [refusal(*flags) for flags in zip(blank, unlike, cropped, strict=True)]

    def is_sure(self, inputs: NDArray[np.uint8], layouts: Floats) -> NDArray[np.bool_]:
        """Whether each image passes by enough margin to confirm its reorientation: (n,)."""
        score = self.classifier.score(features(inputs, layouts))
        return np.asarray(score >= self.classifier.sure_limit)

    def upright_turns(self, inputs: NDArray[np.uint8]) -> list[Turn]:
        """Return for each of (n, s, s) the turn most likely to make it an upright radiograph."""
        return upright_turns(self.upright, thumbnails(inputs))

    def save(self, path: Path) -> None:
        """Write the gate as an .npz file."""
        np.savez_compressed(
            path,
            contrast_limit=self.contrast_limit,
            upright=self.upright,
            **{field.name: getattr(self.classifier, field.name) for field in fields(Classifier)},
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a gate written by ``save``."""
        with np.load(path, allow_pickle=False) as stored:
            classifier = Classifier(
                stored["weights"],
                stored["biases"],
                float(stored["limit"]),
                float(stored["sure_limit"]),
            )
            return cls(float(stored["contrast_limit"]), classifier, stored["upright"])
