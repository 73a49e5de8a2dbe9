"""Children's and adults' radiographs, read for a training on both."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from ml.research.datasets.label_sheet import read_pictures
from ml.research.datasets.material import Material
from ml.research.datasets.radiographs import (
    Folds,
    LabelledImage,
    find_images,
    load_inputs,
    make_folds,
)
from ml.research.datasets.targets import TRUST, Targets


class Sources(NamedTuple):
    """Children's radiographs in folds and adults' of a sheet, with the training's material.

    The material has the children to train on first, and then the adults.
    """

    data: Path
    sheet: Path
    split: Folds
    adults: list[LabelledImage]
    material: Material

    @classmethod
    def read(
        cls, data: Path, sheet: Path, size: int, seed: int, trust: Mapping[str, float] = TRUST
    ) -> Self:
        """Read all images as inputs of ``size``; ``seed`` divides the children's.

        ``trust`` is how much an adult's image counts, by its reading.
        """
        split = make_folds(find_images(data), seed=seed)
        adults = read_pictures(sheet)
        inputs = [
            load_inputs(split.training, size, "children"),
            load_inputs(adults, size, "adults"),
        ]
        targets = [Targets.of_children(split.training), Targets.of_adults(adults, trust)]
        images = [*split.training, *adults]
        material = Material(np.concatenate(inputs), images, Targets.joined(targets))
        return cls(data, sheet, split, adults, material)
