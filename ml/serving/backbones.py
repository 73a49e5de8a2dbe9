"""Parameters of the EfficientNet-Lite family; needs no deep-learning library.

Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks* (ICML 2019),
in the 'Lite' form of the TensorFlow authors: stem and head are not scaled.
"""

import math
from typing import NamedTuple


class Stage(NamedTuple):
    """One row of the paper's table 1: a run of inverted-residual blocks."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


class Scaling(NamedTuple):
    """Width and depth multipliers relative to the smallest network of the family."""

    width: float
    depth: float


# Of the smallest network, 'lite0'.
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
#: What a training starts from that starts from no package.
IMAGENET = "ImageNet"
BACKBONES = {"lite0": Scaling(1.0, 1.0), "lite1": Scaling(1.0, 1.1), "lite2": Scaling(1.1, 1.2)}


def scaled_stages(backbone: str) -> tuple[Stage, ...]:
    """Return the stages of a network of the family, by its name in ``BACKBONES``.

    As in the TensorFlow authors' code: filters are rounded to multiples of 8, at most a tenth down;
    repeats are rounded up, except in the first and last stage.
    """
    width, depth = BACKBONES[backbone]

    def filters(unscaled: int) -> int:
        wanted = unscaled * width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * wanted else rounded + 8

    ends = (0, len(STAGES) - 1)
    return tuple(
        stage._replace(
            repeats=stage.repeats if index in ends else math.ceil(stage.repeats * depth),
            filters=filters(stage.filters),
        )
        for index, stage in enumerate(STAGES)
    )
