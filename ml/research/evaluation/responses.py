"""The network's outputs for labelled inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import keras
import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.radiographs import LabelledImage, labels
from ml.serving.calibration import Floats
from ml.serving.runtimes.interface import Outputs, Runtime


@dataclass(frozen=True)
class Responses:
    """The network's outputs for a set of labelled inputs; ``subtype_logits`` if it has them."""

    inputs: NDArray[np.uint8]
    images: Sequence[LabelledImage]
    logits: Floats
    activation_maps: Floats
    layouts: Floats
    subtype_logits: Floats | None

    @classmethod
    def of(
        cls, network: keras.Model, inputs: NDArray[np.uint8], images: Sequence[LabelledImage]
    ) -> Self:
        """Run the network over inputs (n, size, size), each with its label in ``images``."""
        return cls._of(network.predict(inputs, batch_size=32, verbose=0), inputs, images)

    @classmethod
    def of_runtime(
        cls, network: Runtime, inputs: NDArray[np.uint8], images: Sequence[LabelledImage]
    ) -> Self:
        """Run an exported network, which is faster, as ``of`` does."""
        return cls._of(network.outputs(inputs), inputs, images)

    @classmethod
    def _of(
        cls, outputs: Outputs, inputs: NDArray[np.uint8], images: Sequence[LabelledImage]
    ) -> Self:
        return cls(
            inputs,
            images,
            outputs["logit"],
            outputs["activation_map"],
            outputs["layout"],
            outputs.get("subtype_logit"),
        )

    def chosen(self, rows: Sequence[bool] | NDArray[np.bool_]) -> Self:
        """Return the responses to some of the images; ``rows`` (n,) says to which."""
        kept = np.asarray(rows, np.bool_)
        subtypes = self.subtype_logits
        return type(self)(
            self.inputs[kept],
            [image for image, is_kept in zip(self.images, kept, strict=True) if is_kept],
            self.logits[kept],
            self.activation_maps[kept],
            self.layouts[kept],
            None if subtypes is None else subtypes[kept],
        )

    @property
    def targets(self) -> Floats:
        """Return 1 for pneumonia and 0 for normal: (n,)."""
        return labels(list(self.images))
