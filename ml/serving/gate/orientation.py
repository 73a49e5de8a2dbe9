"""Orientation of an image.

A linear discriminant on small thumbnails distinguishes eight orientations: greys normal or
inverted, and four quarter turns. It needs no forward pass; the gate verifies its answer on the
reoriented image.

Mirrored images are neither detected nor corrected: the heart may be on the right.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.serving.calibration import Floats
from ml.serving.gate.measures import THUMBNAIL

SHRINKAGE = 0.3
QUARTERS = ("", "rotated_90_clockwise", "rotated_180", "rotated_90_counterclockwise")


class Turn(NamedTuple):
    """A transformation: greys inverted or not, then quarter turns clockwise."""

    inverted: bool = False
    quarters: int = 0

    @property
    def undone(self) -> "Turn":
        """Return the inverse turn."""
        return Turn(self.inverted, -self.quarters % 4)

    @property
    def name(self) -> str:
        """Return the stable name, as in ``Assessment.correction``; '' for no change."""
        parts = ["inverted" if self.inverted else "", QUARTERS[self.quarters]]
        return "+".join(part for part in parts if part)


UPRIGHT = Turn()
TURNS = tuple(Turn(inverted, quarters) for inverted in (False, True) for quarters in range(4))


def rotated(pictures: NDArray[Any], quarters: int) -> NDArray[Any]:
    """Return images (..., s, s) rotated clockwise by a number of quarter turns."""
    return np.ascontiguousarray(np.rot90(pictures, -quarters, axes=(-2, -1)))


def applied(turn: Turn, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (..., s, s) uint8 inverted and rotated."""
    turned = rotated(pictures, turn.quarters)
    return 255 - turned if turn.inverted else turned


def fit_upright(thumbnails: Floats) -> Floats:
    """Fit the discriminant to (n, 196) thumbnails of upright radiographs: weights (196,).

    Fisher's discriminant, for eight classes that are each a transformed copy of the first, with
    their common covariance shrunk towards its diagonal.
    """
    covariance = np.mean(
        [np.cov(_turned(thumbnails, Turn(False, q)), rowvar=False) for q in range(4)], axis=0
    )
    diagonal = np.diag(np.diag(covariance))
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal
    # The thumbnails sum to zero, so the matrix could otherwise be singular.
    shrunk += 1e-3 * np.eye(len(shrunk))
    return np.asarray(np.linalg.solve(shrunk, thumbnails.mean(axis=0)), np.float32)


def upright_turns(upright: Floats, thumbnails: Floats) -> list[Turn]:
    """Return for each of (n, 196) thumbnails the turn most likely to make it upright."""
    scores = np.stack([_turned(thumbnails, turn) @ upright for turn in TURNS], axis=1)
    return [TURNS[index] for index in scores.argmax(axis=1)]


def _turned(thumbnails: Floats, turn: Turn) -> Floats:
    """Transform thumbnails, which have mean 0, so inverting is a change of sign."""
    turned = rotated(thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL), turn.quarters)
    return (-turned if turn.inverted else turned).reshape(len(thumbnails), -1)
