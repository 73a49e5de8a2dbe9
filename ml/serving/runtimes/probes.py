"""Probe inputs with the network's reference outputs, which every runtime has to reproduce.

The outputs are recorded with the package, so that a runtime that computes something else on some
machine is detected before it assesses anything.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.serving.runtimes.branched import BranchedRuntime
from ml.serving.runtimes.interface import Outputs, Runtime

TOLERANCE = 1e-3
_INPUTS = "inputs"


def probe_inputs(size: int) -> NDArray[np.uint8]:
    """Return synthetic images, (8, size, size): noise at several scales."""
    rng = np.random.default_rng(0)
    rows = np.arange(size)

    def noise(grain: int) -> NDArray[np.uint8]:
        places = -(-size // grain)
        coarse = rng.integers(0, 256, (places, places), dtype=np.uint8)
        return coarse[np.ix_(rows // grain, rows // grain)]

    blank = [np.full((size, size), grey, np.uint8) for grey in (0, 255)]
    return np.stack([*blank, *(noise(grain) for grain in (1, 2, 5, 14, 32, 90))])


def probed(runtime: Runtime, inputs: NDArray[np.uint8]) -> Outputs:
    """Run probe inputs: through both sets of upper stages, where there are two."""
    run = runtime.of_each if isinstance(runtime, BranchedRuntime) else runtime.outputs
    return run(inputs)


def write_probes(path: Path, inputs: NDArray[np.uint8], outputs: Outputs) -> None:
    """Store probe inputs with the network's outputs."""
    arrays: dict[str, Any] = {_INPUTS: inputs, **outputs}
    np.savez_compressed(path, **arrays)


def worst_difference(runtime: Runtime, path: Path) -> tuple[str, float]:
    """Compare a runtime's outputs for the probes with the stored ones.

    Returns the output that differs most and by how much, relative where the stored value is above
    1; infinity for an output that is missing or not a number.
    """
    with np.load(path, allow_pickle=False) as stored:
        expected = {name: stored[name] for name in stored.files}
    outputs = probed(runtime, expected.pop(_INPUTS))

    def error(name: str) -> float:
        if name not in outputs:
            return np.inf
        errors = np.abs(outputs[name] - expected[name]) / np.maximum(np.abs(expected[name]), 1)
        return float(np.nan_to_num(errors, nan=np.inf).max())

    worst = max(expected, key=error)
    return worst, error(worst)
