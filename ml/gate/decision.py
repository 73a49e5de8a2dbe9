"""The gate's decision on a picture, from the picture and the network's embedding of it.

Likeness to real radiographs is the Mahalanobis distance, as in Lee et al., *A Simple Unified
Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks* (NeurIPS 2018), to one
Gaussian: one distance of the embedding, one of the layout (a thumbnail). Far from either, a picture
is refused whatever it is. Nearer, a linear classifier decides, which has seen pictures that are
refused: distances, simple statistics and the embedding's main directions go into it.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml.calibration import Floats
from ml.gate.measures import contrast, statistics, thumbnails
from ml.gate.orientation import Turn, righting_turns

# The rows of the classifier's weights.
CHEST, CROPPED_CHEST, OTHER = range(3)
# Odds of e^5 to 1, about 150, that it is a part of a chest rather than anything else.
CERTAINLY_CROPPED = 5.0


@dataclass(frozen=True)
class Refusal:
    """Why an image is not assessable: a stable code and plain English for the radiologist."""

    code: str
    reason: str


NO_CONTRAST = Refusal("no_contrast", "The picture is blank or has almost no contrast")
NOT_FRONTAL_CHEST = Refusal(
    "not_frontal_chest", "The picture does not look like an upright frontal chest radiograph"
)
CROPPED = Refusal("cropped", "The picture seems to show only a part of the chest")
INVERTED = Refusal("inverted", "The picture seems to be inverted: what should be bright is dark")
ROTATED = Refusal("rotated", "The picture seems to be turned on its side or upside down")


@dataclass(frozen=True)
class Gaussian:
    """A mean (d,) and a whitening matrix (d, d), with the largest distance that is let through."""

    mean: Floats
    whitening: Floats
    limit: float

    @classmethod
    def fit(cls, vectors: Floats, shrinkage: float) -> Self:
        """Fit to (n, d) vectors, with the covariance shrunk towards its diagonal; no limit yet."""
        mean = vectors.mean(axis=0)
        covariance = np.cov(vectors.astype(np.float64), rowvar=False)
        diagonal = np.diag(np.diag(covariance))
        shrunk = (1 - shrinkage) * covariance + shrinkage * diagonal
        shrunk += 1e-6 * np.trace(shrunk) / len(shrunk) * np.eye(len(shrunk))
        whitening = np.linalg.inv(np.linalg.cholesky(shrunk)).T
        return cls(mean.astype(np.float32), whitening.astype(np.float32), np.inf)

    def distance(self, vectors: Floats) -> Floats:
        """Return the Mahalanobis distance of (n, d) vectors, over the root of d: (n,)."""
        whitened: Floats = (vectors - self.mean) @ self.whitening
        return np.asarray(np.sqrt((whitened**2).mean(axis=1)))


@dataclass(frozen=True)
class Likeness:
    """How a picture's layout and embedding are compared with those of real radiographs.

    ``directions`` (d, k) are the main directions of the embedding, over their deviations.
    """

    layout: Gaussian
    embedding: Gaussian
    directions: Floats

    def is_far(self, small: Floats, embeddings: Floats) -> NDArray[np.bool_]:
        """Tell which of thumbnails (n, 196) with embeddings (n, d) are beyond a limit: (n,)."""
        return np.asarray(
            (self.layout.distance(small) > self.layout.limit)
            | (self.embedding.distance(embeddings) > self.embedding.limit)
        )

    def features(self, inputs: NDArray[np.uint8], embeddings: Floats) -> Floats:
        """Return what the classifier weighs, of network inputs (n, s, s): (n, 14 + k)."""
        distances = np.stack(
            [self.layout.distance(thumbnails(inputs)), self.embedding.distance(embeddings)], axis=1
        )
        projected = (embeddings - self.embedding.mean) @ self.directions
        return np.concatenate([np.log(distances + 1e-6), statistics(inputs), projected], axis=1)


@dataclass(frozen=True)
class Classifier:
    """A linear classifier: ``weights`` (3, f) and ``biases`` (3,) for the three classes.

    ``limit`` is the lowest score that is let through; ``sure_limit``, which is higher, the lowest
    for a picture that has been put right.
    """

    weights: Floats
    biases: Floats
    limit: float
    sure_limit: float

    def log_odds(self, features: Floats) -> Floats:
        """Return the log-odds of the three classes, up to a common constant: (n, 3)."""
        return np.asarray(features @ self.weights.T + self.biases)

    def score(self, features: Floats) -> Floats:
        """Return the log-odds of an upright frontal chest against all else: (n,)."""
        odds = self.log_odds(features)
        return np.asarray(odds[:, CHEST] - np.logaddexp(odds[:, CROPPED_CHEST], odds[:, OTHER]))


@dataclass(frozen=True)
class Gate:
    """The whole gate. ``upright`` (196,) weighs thumbnails for which way up they are."""

    contrast_limit: float
    likeness: Likeness
    classifier: Classifier
    upright: Floats

    def check(self, inputs: NDArray[np.uint8], embeddings: Floats) -> list[Refusal | None]:
        """Judge network inputs (n, s, s) with their embeddings (n, d); None lets through."""
        blank = contrast(inputs) < self.contrast_limit
        far = self.likeness.is_far(thumbnails(inputs), embeddings)
        features = self.likeness.features(inputs, embeddings)
        unlike = self.classifier.score(features) < self.classifier.limit
        odds = self.classifier.log_odds(features)
        cropped = odds[:, CROPPED_CHEST] - odds[:, OTHER] > CERTAINLY_CROPPED

        def refusal(blank: bool, far: bool, unlike: bool, cropped: bool) -> Refusal | None:
            if blank:
                return NO_CONTRAST
            if not far and not unlike:
                return None
            return CROPPED if cropped and not far else NOT_FRONTAL_CHEST

        return [refusal(*flags) for flags in zip(blank, far, unlike, cropped, strict=True)]

    def is_sure(self, inputs: NDArray[np.uint8], embeddings: Floats) -> NDArray[np.bool_]:
        """Tell which pictures pass by such a margin that putting them right was right: (n,)."""
        score = self.classifier.score(self.likeness.features(inputs, embeddings))
        return np.asarray(
            (score >= self.classifier.sure_limit)
            & ~self.likeness.is_far(thumbnails(inputs), embeddings)
        )

    def righting_turns(self, inputs: NDArray[np.uint8]) -> list[Turn]:
        """Return for each of (n, s, s) what would most likely make it an upright radiograph."""
        return righting_turns(self.upright, thumbnails(inputs))

    def save(self, path: Path) -> None:
        """Write the gate as an .npz file."""
        parts: dict[str, Gaussian | Classifier] = {
            "layout": self.likeness.layout,
            "embedding": self.likeness.embedding,
            "classifier": self.classifier,
        }
        np.savez_compressed(
            path,
            contrast_limit=self.contrast_limit,
            directions=self.likeness.directions,
            upright=self.upright,
            **{
                f"{name}_{field.name}": getattr(part, field.name)
                for name, part in parts.items()
                for field in fields(part)
            },
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            layout, embedding = (
                Gaussian(
                    stored[f"{name}_mean"],
                    stored[f"{name}_whitening"],
                    float(stored[f"{name}_limit"]),
                )
                for name in ("layout", "embedding")
            )
            classifier = Classifier(
                stored["classifier_weights"],
                stored["classifier_biases"],
                float(stored["classifier_limit"]),
                float(stored["classifier_sure_limit"]),
            )
            return cls(
                float(stored["contrast_limit"]),
                Likeness(layout, embedding, stored["directions"]),
                classifier,
                stored["upright"],
            )
