"""The network as every peer runs it: files of a batch are decoded on all cores, then predicted."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ml.serving.package import SHIPPED_PACKAGE, load_package
from ml.serving.predictor import Predictor
from ml.serving.preprocessing import read_input
from ml.serving.runtimes.interface import cores

BATCH = 32
#: How long a peer may wait for a batch to fill up.
WAIT_SECONDS = 0.01


class Network:
    """The package that ships, as the workers load it."""

    def __init__(self) -> None:
        self._predictor = Predictor(load_package(SHIPPED_PACKAGE), BATCH)
        self._decoders = ThreadPoolExecutor(cores())

    def answers(self, files: Sequence[bytes]) -> list[str]:
        """The category of each file."""
        size = self._predictor.package.input_size
        inputs = self._decoders.map(lambda file: read_input(file, size), files)
        return [each.category for each in self._predictor.predict(np.stack(list(inputs)))]
