"""Fine-tuning from ImageNet weights, with two folds of patients held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from ml.research.datasets.acquisition import mixed_chances, overlap_weights
from ml.research.datasets.augmentation import augment
from ml.research.datasets.radiographs import LabelledImage, labels
from ml.research.evaluation.figures import auroc
from ml.research.training.learning import LearningOptions, RimPenalty, accuracy, column, learn
from ml.research.training.pretrained import load_imagenet_weights, read_imagenet_state
from ml.serving.backbones import scaled_stages
from ml.serving.calibration import Floats
from ml.serving.network import build_network, fold

Named = dict[str, np.ndarray]


@dataclass(frozen=True)
class ImageNetOptions(LearningOptions):
    """The options of trainings that start from ImageNet weights."""

    backbone: str = "lite0"
    input_size: int = 224
    frozen_stages: int = 3
    batch_norm_momentum: float = 0.97


@dataclass(frozen=True)
class TrainingOptions(ImageNetOptions):
    """The chosen options; stored in the package as they are."""

    epochs: int = 10
    images_per_class: int = 1100


class BalancedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches, half normal and half pneumonia, with acquisition balanced between them.

    Each epoch draws ``images_per_class`` images of each class without replacement. In a share
    ``acquisition_balance`` of the draws, an image is drawn more often the more its acquisition
    resembles the other class's (``overlap_weights``).
    """

    def __init__(
        self, inputs: np.ndarray, labelled: list[LabelledImage], options: TrainingOptions
    ) -> None:
        super().__init__(workers=1, max_queue_size=8)
        self.inputs, self.options = inputs, options
        self.targets = labels(labelled)
        self.is_bacterial = np.array([image.kind == "bacteria" for image in labelled], np.float32)
        self.has_subtype = np.array(
            [image.kind in ("bacteria", "virus") for image in labelled], np.float32
        )
        patients = [image.patient for image in labelled]
        self.overlap = overlap_weights(inputs, self.targets, patients, options.seed)
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Sample the images of an epoch."""
        self.epoch = epoch
        rng = np.random.default_rng((self.options.seed, epoch))
        drawn = [self._draw(np.flatnonzero(self.targets == target), rng) for target in (0, 1)]
        self.order = rng.permutation(np.concatenate(drawn))

    def _draw(self, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chances = mixed_chances(self.overlap[members], self.options.acquisition_balance)
        count = min(self.options.images_per_class, len(members))
        return rng.choice(members, count, replace=False, p=chances / chances.sum())

    def __len__(self) -> int:
        return len(self.order) // self.options.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, Named, Named]:
        size = self.options.batch_size
        chosen = self.order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        donors = rng.integers(len(self.inputs), size=len(chosen))
        batch = np.stack(
            [
                augment(self.inputs[image], self.inputs[donor], rng)
                for image, donor in zip(chosen, donors, strict=True)
            ]
        )
        targets = {
            "logit": self.targets[chosen, None],
            "subtype_logit": self.is_bacterial[chosen, None],
        }
        weights = {
            "logit": np.ones(len(chosen), np.float32),
            "subtype_logit": self.has_subtype[chosen],
        }
        return batch, targets, weights

    def on_epoch_end(self) -> None:
        """Sample the images of the next epoch."""
        self.begin(self.epoch + 1)


def start_from_imagenet(options: ImageNetOptions) -> keras.Model:
    """Build the network with ImageNet weights, and freeze the stem and the first stages.

    Low-level features transfer unchanged, and training is nearly twice as fast.
    """
    keras.utils.set_random_seed(options.seed)
    network = build_network(
        options.input_size,
        backbone=options.backbone,
        head_dropout=options.head_dropout,
        stochastic_depth=options.stochastic_depth,
        batch_norm_momentum=options.batch_norm_momentum,
    )
    network.get_layer("classifier").activity_regularizer = RimPenalty(options.rim_penalty)
    load_imagenet_weights(network, options.backbone, read_imagenet_state(options.backbone))
    frozen = sum(s.repeats for s in scaled_stages(options.backbone)[: options.frozen_stages])
    first = network.layers.index(network.get_layer(f"block{frozen}_expand"))
    for layer in network.layers[:first]:
        layer.trainable = False
    return network


def train(
    network: keras.Model,
    inputs: np.ndarray,
    labelled: list[LabelledImage],
    folds: Mapping[str, tuple[np.ndarray, Floats]],
    options: TrainingOptions,
    checkpoints: Path,
) -> keras.Model:
    """Fine-tune ``network`` for a fixed number of epochs, and return it folded for serving.

    ``inputs`` is (n, size, size) uint8, with the n images' labels; ``folds`` are inputs and
    targets, by name, and are only reported on. ``checkpoints`` is as in ``learn``.
    """
    batches = BalancedBatches(inputs, labelled, options)
    outputs = {name: column(network, name) for name in ("logit", "subtype_logit")}
    learn(
        keras.Model(network.input, outputs),
        batches,
        options,
        checkpoints,
        loss_weights={"logit": 1.0, "subtype_logit": options.subtype_weight},
        epochs=options.epochs,
        metrics={"logit": accuracy},
        validation=_validation(folds),
        decay_steps=options.epochs * len(batches),
    )
    folded = fold(network)
    _report(folded, folds)
    return folded


def _validation(
    folds: Mapping[str, tuple[np.ndarray, Floats]],
) -> tuple[np.ndarray, Named, Named] | None:
    """Return the images of all folds, with the targets of pneumonia alone."""
    if not folds:
        return None
    inputs, targets = (np.concatenate(each) for each in zip(*folds.values(), strict=True))
    nothing = np.zeros(len(targets), np.float32)
    return (
        inputs,
        {"logit": targets[:, None], "subtype_logit": nothing[:, None]},
        {"logit": np.ones(len(targets), np.float32), "subtype_logit": nothing},
    )


def _report(network: keras.Model, folds: Mapping[str, tuple[np.ndarray, Floats]]) -> None:
    """Print the AUROC on held-out folds; for information only."""
    figures = []
    for fold_name, (inputs, targets) in folds.items():
        logits = network.predict(inputs, verbose=0)["logit"]
        figures.append(f"{fold_name} {auroc(targets, logits.ravel()):.4f}")
    if figures:
        tqdm.write(f"AUROC on held-out folds: {', '.join(figures)}")
