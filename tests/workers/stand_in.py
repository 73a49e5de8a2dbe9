"""A stand-in for the network, which an engine in the process of the tests loads."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.serving.assessment import Assessment
from webportal.inference.models import Job

SIZE = 8


class StandIn:
    """Predicts like ml.serving.predictor.Predictor; `refuses` says on which inputs it raises."""

    refuses: Callable[[NDArray[np.uint8]], bool] = staticmethod(lambda batch: False)
    probability = 0.9
    extras: dict[str, Any] = {}

    def __init__(
        self, package: SimpleNamespace, batch_size: int, *, device: str, runtime: str
    ) -> None:
        self.package = package
        self.device_name = "cpu:0"

    def predict(self, batch: NDArray[np.uint8]) -> list[Assessment]:
        if self.refuses(batch):
            raise RuntimeError("the device says no")
        heatmap = np.zeros((2, 2), np.uint8)
        return [
            Assessment(self.probability, "likely", "", "", heatmap, **self.extras) for _ in batch
        ]


def states() -> list[str]:
    return sorted(Job.objects.values_list("state", flat=True))
