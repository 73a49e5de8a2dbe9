"""Which upper stages assess an image, where a package has a second set: a child's or an adult's.

The image decides, not what its file says of the patient: a wrong date of birth changes no result.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ml.serving.calibration import Floats
from ml.serving.stages import ADULT, Stages

#: The network's output with the log-odds that an image is an adult's.
ADULT_LOG_ODDS = "adult"


class Chooser(NamedTuple):
    """A logistic regression on the layout's mean over its places: ``weights`` (channels,)."""

    weights: Floats
    bias: float

    def log_odds(self, layouts: Floats) -> NDArray[np.float32]:
        """Return the log-odds that images with layouts (n, p, p, channels) are adults': (n,)."""
        return np.asarray(layouts.mean(axis=(1, 2)) @ self.weights + self.bias, np.float32)

    def always(self, stages: Stages) -> Self:
        """Return one that takes every image for a child's, or for an adult's."""
        return self._replace(bias=np.inf if stages == ADULT else -np.inf)

    def save(self, path: Path) -> None:
        """Write the chooser as an .npz file."""
        np.savez(path, weights=self.weights, bias=self.bias)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a chooser written by ``save``."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["weights"], float(stored["bias"]))


def taken_for_adults(adult_log_odds: Floats) -> NDArray[np.bool_]:
    """Whether an image is assessed as an adult's, by its log-odds: the same shape."""
    return np.asarray(adult_log_odds > 0)
