"""Upper stages for adults, on the trunk of a network whose own upper stages assess children.

A network for both trades one for the other. Here the trunk stays, the children's upper stages stay,
and a second set is trained, as ``refining`` does, on a draw that adults dominate. Children remain
in it: nobody knows for certain whose image it is (see ``choosing``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from ml.research.datasets.material import PARTS, Material
from ml.research.datasets.targets import ADULTS_SHARES, OTHER, TRUST, UNREAD
from ml.research.training.learning import averaged
from ml.research.training.parts import InParts, train_in_parts
from ml.research.training.refining import Pool, RefiningOptions, refine


@dataclass(frozen=True)
class AdultsOptions(RefiningOptions):
    """The chosen options; stored in the package as they are."""

    pool: int = 43200
    steps: int = 300
    decay_steps: int = 300
    left_out: tuple[int, ...] = tuple(range(PARTS))
    start_share: float = 0.0
    mixup: float = 0.4
    trainings: int = 2

    @property
    def shares(self) -> Mapping[str, float]:
        """Return how often the groups of images are drawn."""
        return ADULTS_SHARES

    @property
    def trust(self) -> dict[str, float]:
        """Return the weight of an adult's image in the loss of the decision: all count fully."""
        return TRUST | {OTHER: 1.0, UNREAD: 1.0}


def train_for_adults(
    start: keras.Model,
    pool: Pool,
    material: Material,
    options: AdultsOptions,
    checkpoints: Path,
) -> InParts:
    """Train without each part of the patients; the mean of several trainings stands for a part.

    Trainings of one part differ in their seeds alone. ``checkpoints`` is as in ``learn``.
    """

    def trained_without(part: int) -> keras.Model:
        seeds = range(options.seed, options.seed + options.trainings)
        return averaged(
            [
                refine(
                    start,
                    pool,
                    material,
                    part,
                    replace(options, seed=seed),
                    checkpoints / f"part{part}-{seed}",
                )
                for seed in seeds
            ]
        )

    return train_in_parts(options.left_out, trained_without)
