"""Probe inputs with the network's own answers, which every runtime has to give too.

The answers are recorded with the package, so that a runtime that computes something else on some
machine is found before it assesses anything.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.runtimes.interface import Outputs, Runtime

TOLERANCE = 1e-3
_INPUTS = "inputs"


def probe_inputs(size: int) -> NDArray[np.uint8]:
    """Return pictures that no radiograph went into, (8, size, size): noise of several grains."""
    rng = np.random.default_rng(0)
    rows = np.arange(size)

    def noise(grain: int) -> NDArray[np.uint8]:
        places = -(-size // grain)
        coarse = rng.integers(0, 256, (places, places), dtype=np.uint8)
        return coarse[np.ix_(rows // grain, rows // grain)]

    blank = [np.full((size, size), grey, np.uint8) for grey in (0, 255)]
    return np.stack([*blank, *(noise(grain) for grain in (1, 2, 5, 14, 32, 90))])


def write_probes(path: Path, inputs: NDArray[np.uint8], outputs: Outputs) -> None:
    """Store probe inputs with the network's outputs."""
    arrays: dict[str, Any] = {_INPUTS: inputs, **outputs}
    np.savez_compressed(path, **arrays)


def difference(runtime: Runtime, path: Path) -> str:
    """Compare a runtime's answers to the stored probes with the stored ones.

    Returns '' when every value of every output is within TOLERANCE, relative where the value is
    above 1, and else what differs most.
    """
    with np.load(path, allow_pickle=False) as stored:
        expected = {name: stored[name] for name in stored.files}
    inputs = expected.pop(_INPUTS)
    outputs = runtime.outputs(inputs)
    if missing := expected.keys() - outputs.keys():
        return f"it has no output {', '.join(sorted(missing))}"
    errors = {
        name: float(np.max(np.abs(outputs[name] - values) / np.maximum(np.abs(values), 1)))
        for name, values in expected.items()
    }
    worst = max(errors, key=lambda name: errors[name])
    # Not a number fails as well.
    if errors[worst] <= TOLERANCE and all(np.isfinite(list(errors.values()))):
        return ""
    return f"its {worst} differs from the recorded one by {errors[worst]:.2g}"
