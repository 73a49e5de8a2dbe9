"""Trainings that each leave a part of the patients out, and the mean of their weights."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np

from ml.research.datasets.material import Material
from ml.research.evaluation.responses import Responses
from ml.research.training.learning import averaged


class InParts(NamedTuple):
    """The network to ship, and the networks that each left out a part of the patients."""

    network: keras.Model
    parts: dict[int, keras.Model]

    def left_out(self, material: Material, rows: np.ndarray) -> Responses:
        """Return the responses to chosen images of networks that did not see their patients.

        Images whose patients all networks saw are left out.
        """
        parts = material.parts[rows]
        order = np.concatenate([rows[parts == part] for part in self.parts])
        responses = [
            Responses.of(
                network,
                material.inputs[rows[parts == part]],
                [material.images[row] for row in rows[parts == part]],
            )
            for part, network in self.parts.items()
        ]
        return Responses(
            material.inputs[order],
            [material.images[row] for row in order],
            *(
                np.concatenate([getattr(each, name) for each in responses])
                for name in ("logits", "activation_maps", "layouts", "subtype_logits")
            ),
        )


def train_in_parts(
    left_out: Sequence[int],
    trained_without: Callable[[int], keras.Model],
    start: keras.Model | None = None,
    start_share: float = 0.0,
) -> InParts:
    """Train without each of some parts, and mix the weights with those of a folded start.

    ``trained_without`` returns a folded network. The mean of several trainings' weights is shipped
    (Wortsman et al., *Model Soups*, ICML 2022).
    """
    parts = {part: trained_without(part) for part in left_out}
    if start is not None and start_share:
        shares = [start_share, 1 - start_share]
        parts = {part: averaged([start, network], shares) for part, network in parts.items()}
    return InParts(averaged(list(parts.values())), parts)
