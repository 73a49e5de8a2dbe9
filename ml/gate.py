"""The gate: is this a frontal chest radiograph at all?

Three simple questions, with limits taken from real radiographs: has the picture any contrast; is
its layout (a thumbnail) like theirs; is the network's embedding like theirs? Likeness is the
Mahalanobis distance, as in Lee et al., *A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks* (NeurIPS 2018), to one Gaussian.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml.calibration import Floats

THUMBNAIL = 14


@dataclass(frozen=True)
class Refusal:
    """Why an image is not assessable: a stable code and plain English for the radiologist."""

    code: str
    reason: str


NO_CONTRAST = Refusal("no_contrast", "The picture is blank or has almost no contrast")
NOT_FRONTAL_CHEST = Refusal(
    "not_frontal_chest", "The picture does not look like an upright frontal chest radiograph"
)


@dataclass(frozen=True)
class Gaussian:
    """A mean (d,) and a whitening matrix (d, d), with the largest distance that is let through."""

    mean: Floats
    whitening: Floats
    limit: float

    @classmethod
    def fit(cls, vectors: Floats, shrinkage: float) -> Self:
        """Fit to (n, d) vectors, with the covariance shrunk towards its diagonal."""
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
class Gate:
    """The three questions with their limits."""

    contrast_limit: float
    layout: Gaussian
    embedding: Gaussian

    def check(self, inputs: NDArray[np.uint8], embeddings: Floats) -> list[Refusal | None]:
        """Judge network inputs (n, s, s) with their embeddings (n, d); None lets through."""
        spread = contrast(inputs)
        layout = self.layout.distance(thumbnails(inputs))
        embedding = self.embedding.distance(embeddings)
        return [
            self._refusal(*measures) for measures in zip(spread, layout, embedding, strict=True)
        ]

    def _refusal(self, spread: float, layout: float, embedding: float) -> Refusal | None:
        if spread < self.contrast_limit:
            return NO_CONTRAST
        if embedding > self.embedding.limit or layout > self.layout.limit:
            return NOT_FRONTAL_CHEST
        return None

    def save(self, path: Path) -> None:
        """Write the gate as an .npz file."""
        np.savez_compressed(
            path,
            contrast_limit=self.contrast_limit,
            **{
                f"{name}_{part}": getattr(gaussian, part)
                for name, gaussian in (("layout", self.layout), ("embedding", self.embedding))
                for part in ("mean", "whitening", "limit")
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
            return cls(float(stored["contrast_limit"]), layout, embedding)


def contrast(inputs: NDArray[np.uint8]) -> Floats:
    """Return the grey levels between the 2nd and the 98th percentile of each image: (n,).

    Every fourth row and column is enough, and sixteen times faster.
    """
    pixels = inputs[:, ::4, ::4].reshape(len(inputs), -1)
    low, high = np.percentile(pixels, (2, 98), axis=1)
    return np.asarray(high - low, np.float32)


def thumbnails(inputs: NDArray[np.uint8]) -> Floats:
    """Return (n, 196): each image as 14 x 14 block means, with mean 0 and deviation 1."""
    n, size, _ = inputs.shape
    block = size // THUMBNAIL
    blocks = inputs.reshape(n, THUMBNAIL, block, THUMBNAIL, block).mean(axis=(2, 4))
    flat: Floats = blocks.reshape(n, -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= flat.std(axis=1, keepdims=True) + 1e-3
    return flat
