"""Fine-tuning from ImageNet weights, with two folds of patients held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
from tqdm import tqdm

from ml.research.acquisition import acquisition_traits, propensities
from ml.research.augmentation import augment
from ml.research.dataset import LabelledImage, labels
from ml.research.evaluation import auroc
from ml.research.heatmap import rim_width
from ml.research.pretrained import load_imagenet_weights, read_imagenet_state
from ml.serving.backbones import scaled_stages
from ml.serving.calibration import Floats
from ml.serving.network import JIT_COMPILE, build_network, fold

Named = dict[str, np.ndarray]


@dataclass(frozen=True)
class TrainingOptions:
    """The chosen options; stored in the package as they are."""

    backbone: str = "lite0"
    input_size: int = 224
    epochs: int = 10
    images_per_class: int = 1100
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    label_smoothing: float = 0.05
    subtype_weight: float = 0.3
    rim_penalty: float = 0.1
    acquisition_balance: float = 0.75
    frozen_stages: int = 3
    head_dropout: float = 0.3
    stochastic_depth: float = 0.1
    batch_norm_momentum: float = 0.97
    average_momentum: float = 0.995
    seed: int = 0


class RimPenalty(keras.regularizers.Regularizer):  # type: ignore[misc]
    """Penalise evidence in the outer seventh of the map, which shows little lung.

    The rim shows letters, borders and posture, which correlate with the class in these data. The
    penalty is the mean absolute value of the local log-odds on the rim, over all cells of the map.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def __call__(self, local: keras.KerasTensor) -> keras.KerasTensor:
        """Return the penalty of a batch of maps (n, s, s, 1), summed: Keras divides it by n."""
        inside = np.ones((local.shape[1] - 2 * rim_width(local.shape[1]),) * 2)
        rim = 1 - np.pad(inside, rim_width(local.shape[1]))[None, :, :, None]
        amounts = keras.ops.abs(local) * keras.ops.cast(rim, local.dtype)
        return self.strength * keras.ops.sum(keras.ops.mean(amounts, axis=(1, 2, 3)))


class BalancedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches with as many normal as pneumonia images, alike in how they were taken.

    Each epoch draws ``images_per_class`` images of each class without replacement. An image is
    drawn the more often the more its way of being taken resembles the other class's: the overlap
    weights of Li, Morgan and Zaslavsky, *Balancing Covariates via Propensity Score Weighting*
    (JASA 113, 2018), mixed with equal weights in the proportion ``acquisition_balance``.
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
        estimates = propensities(acquisition_traits(inputs), self.targets, patients, options.seed)
        self.overlap = np.where(self.targets == 1, 1 - estimates, estimates)
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Sample the images of an epoch."""
        self.epoch = epoch
        rng = np.random.default_rng((self.options.seed, epoch))
        drawn = [self._draw(np.flatnonzero(self.targets == target), rng) for target in (0, 1)]
        self.order = rng.permutation(np.concatenate(drawn))

    def _draw(self, members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        share = self.options.acquisition_balance
        overlap = self.overlap[members]
        chances = share * overlap / overlap.sum() + (1 - share) / len(members)
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


class Epochs(Protocol):
    """Batches that are drawn anew for each epoch."""

    def begin(self, epoch: int) -> None:
        """Draw the batches of an epoch."""

    def __len__(self) -> int: ...


class ResumeEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Start the batches at the epoch that an interrupted training had reached."""

    def __init__(self, batches: Epochs) -> None:
        super().__init__()
        self.batches = batches

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Read the epoch from the optimizer's count of steps."""
        self.batches.begin(int(self.model.optimizer.iterations) // len(self.batches))


def start_from_imagenet(options: TrainingOptions) -> keras.Model:
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


def column(network: keras.Model, name: str) -> keras.KerasTensor:
    """Return an output (n,) as a column (n, 1), for training.

    Keras averages a loss over the last axis before it applies the images' weights: without an axis
    of its own, each weight would apply to the whole batch.
    """
    return keras.layers.Reshape((1,), name=f"{name}_column")(network.output[name])


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
    targets, by name, and are only reported on. The weights are an exponential moving average over
    the steps (Polyak averaging). ``checkpoints`` is a folder for the state after each epoch, from
    which a broken-off training of the same options goes on.
    """
    batches = BalancedBatches(inputs, labelled, options)
    steps = options.epochs * len(batches)
    warm_up = steps // 12
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate / 20,
        decay_steps=steps - warm_up,
        warmup_target=options.learning_rate,
        warmup_steps=warm_up,
    )
    outputs = {name: column(network, name) for name in ("logit", "subtype_logit")}
    classifier = keras.Model(network.input, outputs)
    loss = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=options.label_smoothing
    )
    classifier.compile(
        keras.optimizers.AdamW(
            schedule,
            weight_decay=options.weight_decay,
            use_ema=True,
            ema_momentum=options.average_momentum,
        ),
        loss=dict.fromkeys(outputs, loss),
        loss_weights={"logit": 1.0, "subtype_logit": options.subtype_weight},
        jit_compile=JIT_COMPILE,
    )
    classifier.fit(
        batches,
        epochs=options.epochs,
        verbose=1,
        shuffle=False,  # batches are sampled at random already, reproducibly after an interruption
        callbacks=[
            keras.callbacks.BackupAndRestore(
                str(checkpoints), double_checkpoint=True, delete_checkpoint=False
            ),
            ResumeEpoch(batches),
        ],
    )
    folded = fold(network)
    _report(folded, folds)
    return folded


def _report(network: keras.Model, folds: Mapping[str, tuple[np.ndarray, Floats]]) -> None:
    """Print the AUROC on held-out folds; for information only."""
    figures = []
    for fold_name, (inputs, targets) in folds.items():
        logits = network.predict(inputs, verbose=0)["logit"]
        figures.append(f"{fold_name} {auroc(targets, logits.ravel()):.4f}")
    if figures:
        tqdm.write(f"AUROC on held-out folds: {', '.join(figures)}")
