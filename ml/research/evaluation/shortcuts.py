"""A network's robustness when the acquisition misleads.

In this kind of data set, grey levels, sharpness and the text in the corners correlate with the
class (see ``ml.research.datasets.acquisition``). Here each held-out image gets them from an image
of the *other* class, while its lungs stay its own: a network that looks at the lungs gives the same
result as before.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.augmentation import transfer_grey_levels, transfer_sharpness
from ml.research.evaluation.figures import auroc
from ml.serving.calibration import Floats

Pixels = NDArray[np.uint8]
Transfer = Callable[[Pixels, Pixels, np.random.Generator], Pixels]
CORNER = 0.2
SENSITIVITY = 0.97


def transfer_corners(pixels: Pixels, donor: Pixels) -> Pixels:
    """Replace the four corners, each a fifth of the side, with those of the donor."""
    side = round(len(pixels) * CORNER)
    copy = pixels.copy()
    for rows in (slice(side), slice(-side, None)):
        for columns in (slice(side), slice(-side, None)):
            copy[rows, columns] = donor[rows, columns]
    return copy


TRANSFERS: Mapping[str, Transfer] = {
    "nothing": lambda pixels, donor, rng: pixels,
    "corners": lambda pixels, donor, rng: transfer_corners(pixels, donor),
    "greys": transfer_grey_levels,
    "sharpness": lambda pixels, donor, rng: transfer_sharpness(pixels, donor),
    "all three": lambda pixels, donor, rng: transfer_sharpness(
        transfer_grey_levels(transfer_corners(pixels, donor), donor, rng), donor
    ),
}


def measure_shortcuts(
    inputs: Pixels, targets: Floats, logits_of: Callable[[Pixels], Floats], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Measure AUROC, and specificity at a sensitivity of 97 %, with each property transferred.

    ``inputs`` is (n, size, size) with ``targets`` (n,) of both classes; ``logits_of`` returns (n,)
    log-odds.
    """
    rng = np.random.default_rng(seed)
    donors = _donors(inputs, targets, rng)
    figures = {}
    for name, transfer in TRANSFERS.items():
        pairs = zip(inputs, donors, strict=True)
        logits = logits_of(np.stack([transfer(pixels, donor, rng) for pixels, donor in pairs]))
        figures[name] = {
            "auroc": round(float(auroc(targets, logits)), 4),
            "specificity": specificity_at_sensitivity(targets, logits),
        }
    return figures


def with_all_lent(inputs: Pixels, targets: Floats, seed: int = 0) -> Pixels:
    """Return inputs (n, size, size), each with all three properties of the other class."""
    rng = np.random.default_rng(seed)
    pairs = zip(inputs, _donors(inputs, targets, rng), strict=True)
    return np.stack([TRANSFERS["all three"](pixels, donor, rng) for pixels, donor in pairs])


def _donors(inputs: Pixels, targets: Floats, rng: np.random.Generator) -> Pixels:
    members = [np.flatnonzero(targets == target) for target in (0, 1)]
    return inputs[[rng.choice(members[1 - int(target)]) for target in targets]]


def specificity_at_sensitivity(targets: Floats, logits: Floats) -> float:
    """Return the specificity at a sensitivity of 97 % of these very images (n,)."""
    threshold = np.quantile(logits[targets == 1], 1 - SENSITIVITY)
    return round(float((logits[targets == 0] < threshold).mean()), 4)
