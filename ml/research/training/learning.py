"""Shared by all training runs: optimiser, schedule, penalty, checkpoints and averaging."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from ml.research.datasets.targets import FINDINGS
from ml.research.evaluation.heatmap import rim_width
from ml.serving.backbones import scaled_stages
from ml.serving.network import JIT_COMPILE, backbone_of, build_network

#: Losses and accuracies by epoch, in the folder of a training's checkpoints.
HISTORY_FILE = "history.csv"


@dataclass(frozen=True)
class LearningOptions:
    """Options shared by all training runs; each kind has its own defaults."""

    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    label_smoothing: float = 0.05
    subtype_weight: float = 0.3
    rim_penalty: float = 0.1
    acquisition_balance: float = 0.75
    head_dropout: float = 0.3
    stochastic_depth: float = 0.1
    average_momentum: float = 0.995
    seed: int = 0


class Batches(Protocol):
    """Batches that are redrawn for each epoch."""

    def begin(self, epoch: int) -> None:
        """Draw the batches of an epoch."""

    def __len__(self) -> int: ...


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


class ResumeEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Start the batches at the epoch that an interrupted training had reached."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Read the epoch from the optimizer's count of steps."""
        self.batches.begin(int(self.model.optimizer.iterations) // len(self.batches))


def trunk_output(network: keras.Model, stages: int) -> keras.KerasTensor:
    """Return the features above the first stages: what the next stage takes."""
    blocks = sum(stage.repeats for stage in scaled_stages(backbone_of(network))[:stages])
    return network.get_layer(f"block{blocks}_expand").input


def column(network: keras.Model, name: str) -> keras.KerasTensor:
    """Return an output (n,) as a column (n, 1), for training.

    Keras averages a loss over the last axis before it applies the images' weights: without an axis
    of its own, each weight would apply to the whole batch.
    """
    return keras.layers.Reshape((1,), name=f"{name}_column")(network.output[name])


def findings_outputs(network: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return log-odds of the findings (n, k) and of *abnormal* (n, 1), for training alone.

    They make the features represent more than the decision alone needs.
    """
    pooled = keras.layers.Dropout(0.2, name="findings_dropout")(
        network.get_layer("dropped_pool").output
    )
    return {
        "findings": keras.layers.Dense(len(FINDINGS), kernel_initializer="zeros")(pooled),
        "abnormal": keras.layers.Dense(1, kernel_initializer="zeros")(pooled),
    }


def learn(
    learner: keras.Model,
    batches: Batches,
    options: LearningOptions,
    checkpoints: Path,
    *,
    loss_weights: Mapping[str, float],
    epochs: int,
    decay_steps: int,
    losses: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    clip_norm: float | None = None,
    validation: tuple[np.ndarray, Mapping[str, np.ndarray], Mapping[str, np.ndarray]] | None = None,
) -> None:
    """Fit a model; an output without a loss in ``losses`` is log-odds and has cross-entropy.

    The rate rises over a twelfth of ``decay_steps`` and then falls as a cosine (Loshchilov and
    Hutter, *SGDR*, ICLR 2017). The final weights are an exponential moving average over the steps
    (Polyak averaging). ``checkpoints`` is a folder for the state after each epoch, from which
    an interrupted training with the same options resumes, and for the losses by epoch
    (``HISTORY_FILE``). ``validation`` are inputs, targets and weights on which losses are reported
    after each epoch.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    warm_up = decay_steps // 12
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate / 20,
        decay_steps=decay_steps - warm_up,
        warmup_target=options.learning_rate,
        warmup_steps=warm_up,
    )
    of_log_odds = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=options.label_smoothing
    )
    learner.compile(
        keras.optimizers.AdamW(
            schedule,
            weight_decay=options.weight_decay,
            use_ema=True,
            ema_momentum=options.average_momentum,
            global_clipnorm=clip_norm,
        ),
        loss={**dict.fromkeys(learner.output, of_log_odds), **(losses or {})},
        loss_weights=dict(loss_weights),
        metrics=dict(metrics or {}),
        jit_compile=JIT_COMPILE,
    )
    learner.fit(
        batches,
        epochs=epochs,
        verbose=2,
        validation_data=validation,
        validation_batch_size=options.batch_size,
        shuffle=False,  # batches are drawn at random already, reproducibly after an interruption
        callbacks=[
            keras.callbacks.BackupAndRestore(
                str(checkpoints), double_checkpoint=True, delete_checkpoint=False
            ),
            keras.callbacks.CSVLogger(str(checkpoints / HISTORY_FILE), append=True),
            ResumeEpoch(batches),
        ],
    )


def accuracy(wanted: keras.KerasTensor, given: keras.KerasTensor) -> keras.KerasTensor:
    """Return where log-odds are on the side of the target, which may be a share."""
    return ops.cast(ops.equal(wanted > 0.5, given > 0), "float32")


def for_training(start: keras.Model, options: LearningOptions) -> keras.Model:
    """Return a copy of a folded network with dropout and the penalty on the rim."""
    network = build_network(
        start.input_shape[1],
        backbone=backbone_of(start),
        head_dropout=options.head_dropout,
        stochastic_depth=options.stochastic_depth,
        folded=True,
    )
    network.get_layer("classifier").activity_regularizer = RimPenalty(options.rim_penalty)
    _copy([start], network)
    return network


def averaged(networks: Sequence[keras.Model], shares: Sequence[float] | None = None) -> keras.Model:
    """Return a network for serving whose weights are the mean of several networks' weights.

    The mean of the weights before and after (Wortsman et al., *Robust Fine-Tuning of Zero-Shot
    Models*, CVPR 2022) keeps what was known before.
    """
    mean = build_network(networks[0].input_shape[1], backbone=backbone_of(networks[0]), folded=True)
    _copy(networks, mean, shares)
    return mean


def _copy(
    networks: Sequence[keras.Model], into: keras.Model, shares: Sequence[float] | None = None
) -> None:
    for layer in into.layers:
        if layer.weights:
            several = zip(*(n.get_layer(layer.name).get_weights() for n in networks), strict=True)
            layer.set_weights([np.average(weights, axis=0, weights=shares) for weights in several])
