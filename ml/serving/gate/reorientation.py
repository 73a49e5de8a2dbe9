"""Reorienting images that are inverted or rotated by quarter turns, if that is certain."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.serving.calibration import Floats
from ml.serving.gate.decision import INVERTED, NO_CONTRAST, ROTATED, Gate, Refusal
from ml.serving.gate.orientation import UPRIGHT, Turn, applied, rotated
from ml.serving.runtimes.interface import Outputs

Forward = Callable[[NDArray[np.uint8]], Outputs]


class Judged(NamedTuple):
    """The gate's results for a batch, in its order.

    ``outputs`` are the network's for the reoriented images, with the activation map in the frame of
    the image as received. ``refusals`` are None for images that passed. ``turns`` are the
    reorientations applied, ``UPRIGHT`` for none.
    """

    outputs: Outputs
    refusals: list[Refusal | None]
    turns: list[Turn]


def judge(
    gate: Gate,
    inputs: NDArray[np.uint8],
    outputs: Outputs,
    forward: Forward,
) -> Judged:
    """Check network inputs (n, s, s), and reorient refused ones where possible.

    A second forward pass runs only for refused images that look like an inverted or rotated
    radiograph. An image that passes as received is never altered.
    """
    refusals = gate.check(inputs, outputs["layout"])
    turns = [UPRIGHT] * len(inputs)
    suggested = _suggested(gate, inputs, refusals)
    if not suggested:
        return Judged(outputs, refusals, turns)
    turned = np.stack([applied(turn, inputs[i]) for i, turn in suggested.items()])
    again = forward(turned)
    final = {name: values.copy() for name, values in outputs.items()}
    passed = gate.check(turned, again["layout"])
    sure = gate.is_sure(turned, again["layout"])
    for j, (i, turn) in enumerate(suggested.items()):
        if passed[j] is not None:
            continue
        if not sure[j]:
            refusals[i] = ROTATED if turn.quarters else INVERTED
            continue
        refusals[i], turns[i] = None, turn
        for name, values in again.items():
            final[name][i] = values[j]
        final["activation_map"][i] = rotated(again["activation_map"][j], -turn.quarters)
    return Judged(final, refusals, turns)


def _suggested(
    gate: Gate, inputs: NDArray[np.uint8], refusals: list[Refusal | None]
) -> dict[int, Turn]:
    """Return, by index, the refused images worth a second pass, with the turn to apply."""
    refused = [i for i, refusal in enumerate(refusals) if refusal not in (None, NO_CONTRAST)]
    if not refused:
        return {}
    turns = gate.upright_turns(inputs[refused])
    return {i: turn for i, turn in zip(refused, turns, strict=True) if turn != UPRIGHT}


def layouts_only(layouts_of: Callable[[NDArray[np.uint8]], Floats]) -> Forward:
    """Return a forward pass for ``judge`` that gives only layouts, for measuring the gate."""

    def forward(inputs: NDArray[np.uint8]) -> Outputs:
        return {
            "layout": np.asarray(layouts_of(inputs), np.float32),
            "activation_map": np.zeros((len(inputs), 1, 1), np.float32),
        }

    return forward
