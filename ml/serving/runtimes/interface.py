"""The interface of a runtime. Imports no deep-learning library."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Images, or features of them for what runs the upper stages alone.
Inputs = NDArray[np.uint8] | NDArray[np.float32]
Outputs = Mapping[str, NDArray[np.float32]]
# On a CPU larger chunks exceed its caches: no faster, and more memory.
CPU_CHUNK = 8


class Runtime(Protocol):
    """A loaded network on one device, for one caller at a time.

    ``name`` is the runtime's, as in INFERENCE_RUNTIME; ``device_name`` describes device and
    runtime, and begins with 'cpu' or 'gpu', the device that it really runs on.
    """

    name: str
    device_name: str

    def outputs(self, inputs: Inputs) -> Outputs:
        """Run the network over images (n, size, size) uint8, n at least 1.

        Returns the network's outputs by name, each float32 with n as its first dimension.
        """
        ...


def cores() -> int:
    """Return how many processor cores this process may use."""
    if sys.platform == "darwin":
        return os.cpu_count() or 1
    return len(os.sched_getaffinity(0))


def in_chunks(run: Callable[[Inputs], Outputs], inputs: Inputs, chunk: int) -> Outputs:
    """Run the network over at most ``chunk`` images at a time."""
    parts = [run(inputs[start : start + chunk]) for start in range(0, len(inputs), chunk)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
