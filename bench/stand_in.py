"""A worker whose device only takes its time: the network is replaced by a wait.

Everything else is the real worker: claims, reading and decoding, batches, writing back. On a
machine with much other load the speed of the network varies too much to compare a run with its
simulation; a wait takes as long as it is to. BENCH_STAND_IN has the seconds of a batch and of an
image in it, for example `0.3,0.06`.
"""

import os
import time

import numpy as np
from numpy.typing import NDArray

from ml.serving.assessment import Assessment
from ml.serving.package import ModelPackage
from workers import engine
from workers.app import app

SETTING = "BENCH_STAND_IN"
_FIXED, _PER_IMAGE = map(float, os.environ[SETTING].split(","))


class StandIn:
    """What the engine needs of a predictor; every image is unlikely to show pneumonia."""

    device_name = "a stand-in"

    def __init__(self, package: ModelPackage, *args: object, **options: object) -> None:
        self.package = package

    def predict(self, batch: NDArray[np.uint8]) -> list[Assessment]:
        """Wait as long as the device would take."""
        time.sleep(_FIXED + _PER_IMAGE * len(batch))
        heatmap = np.zeros((7, 7), np.uint8)
        return [Assessment(0.01, "unlikely", "", "", heatmap) for _ in batch]


engine.Predictor = StandIn  # type: ignore[assignment,attr-defined]

__all__ = ["app"]
