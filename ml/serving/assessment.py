"""The model's assessment of one image. Imports no deep-learning library."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ml.serving.stages import Stages

Category = Literal["likely", "indeterminate", "unlikely", "not_assessable"]


@dataclass(frozen=True)
class Assessment:
    """The model's result for one image.

    ``probability`` is the calibrated probability of pneumonia, 0 to 1, or None when the image is
    not assessable; ``category`` follows from it by the package's operating points. ``reason_code``
    and ``reason`` (plain English, for the radiologist) explain why an image is not assessable and
    are '' otherwise.

    ``heatmap`` (h, w) uint8 is the class activation map on the network's square view of the image,
    to be stretched over the whole image, top left first. Its scale is fixed per package and not
    adapted to the image: 0 for evidence against pneumonia or none; above that proportional to the
    local log-odds of pneumonia; 255 at the package's ``heatmap_full_scale`` log-odds and beyond. It
    is all 0 when the image is not assessable.

    ``bacterial_probability`` is the calibrated probability, 0 to 1, that a pneumonia, if present,
    has a bacterial rather than a viral pattern; None if the image is not assessable or the package
    has no such output.

    ``correction`` states how the image was altered before assessment: '' if it was not, or
    'inverted' and one of 'rotated_90_clockwise', 'rotated_180', 'rotated_90_counterclockwise',
    either or both, joined by '+'. The heat map is in the frame of the image as received.

    ``assessed_as`` is 'child' or 'adult', the set of upper stages that assessed it; '' if the
    image is not assessable or the package has one set.
    """

    probability: float | None
    category: Category
    reason_code: str
    reason: str
    heatmap: NDArray[np.uint8]
    bacterial_probability: float | None = None
    correction: str = ""
    assessed_as: Stages | Literal[""] = ""


def categorise(probability: float, *, unlikely_below: float, likely_from: float) -> Category:
    """Name the category of a calibrated probability: the lower bound of each belongs to it."""
    if probability >= likely_from:
        return "likely"
    if probability < unlikely_below:
        return "unlikely"
    return "indeterminate"
