"""Fine-tuning from ImageNet weights, with two folds of patients held out."""

from dataclasses import dataclass

import keras
import numpy as np
from tqdm import tqdm

from ml.augmentation import augment
from ml.evaluation import auroc
from ml.network import JIT_COMPILE, build_network, fold
from ml.pretrained import load_imagenet_weights, read_imagenet_state


@dataclass(frozen=True)
class TrainingOptions:
    """What was tried; goes into the package as it is."""

    input_size: int = 224
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 4e-4
    weight_decay: float = 1e-4
    label_smoothing: float = 0.05
    head_dropout: float = 0.3
    stochastic_depth: float = 0.1
    batch_norm_momentum: float = 0.97
    average_momentum: float = 0.995
    seed: int = 0


class BalancedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches with as many normal as pneumonia images.

    An epoch has every image of the rarer class once and equally many of the other, which takes
    turns over the epochs.
    """

    def __init__(self, inputs: np.ndarray, targets: np.ndarray, options: TrainingOptions) -> None:
        super().__init__(workers=1, max_queue_size=8)
        self.inputs, self.targets = inputs, targets
        self.batch_size = options.batch_size
        self.seed = options.seed
        self.epoch = 0
        rng = np.random.default_rng(self.seed)
        self.classes = [rng.permutation(np.flatnonzero(targets == c)) for c in (0, 1)]
        self.per_class = min(map(len, self.classes))
        self.order = self._draw()

    def _draw(self) -> np.ndarray:
        start = self.epoch * self.per_class
        drawn = [
            indices.take(range(start, start + self.per_class), mode="wrap")
            for indices in self.classes
        ]
        return np.random.default_rng((self.seed, self.epoch)).permutation(np.concatenate(drawn))

    def __len__(self) -> int:
        return len(self.order) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        batch = np.stack([augment(self.inputs[i], rng) for i in chosen])
        return batch, self.targets[chosen]

    def on_epoch_end(self) -> None:
        """Draw the images of the next epoch."""
        self.epoch += 1
        self.order = self._draw()


class HeldOutAuroc(keras.callbacks.Callback):  # type: ignore[misc]
    """Print the AUROC on held-out folds after each epoch. It chooses nothing."""

    def __init__(self, folds: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        super().__init__()
        self.folds = folds

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Predict each fold and print its AUROC."""
        figures = [
            f"{name} {auroc(targets, self.model.predict(inputs, verbose=0).ravel()):.4f}"
            for name, (inputs, targets) in self.folds.items()
        ]
        tqdm.write(f"  held-out AUROC: {', '.join(figures)}")


def train(
    inputs: np.ndarray,
    targets: np.ndarray,
    folds: dict[str, tuple[np.ndarray, np.ndarray]],
    options: TrainingOptions,
) -> keras.Model:
    """Fine-tune a network, for a fixed number of epochs, and return it folded for serving.

    ``inputs`` is (n, size, size) uint8, ``targets`` (n,) 0 or 1; ``folds`` are the like, by name,
    and are only reported on. The weights are an exponential moving average over the steps
    (Polyak averaging).
    """
    keras.utils.set_random_seed(options.seed)
    network = build_network(
        options.input_size,
        head_dropout=options.head_dropout,
        stochastic_depth=options.stochastic_depth,
        batch_norm_momentum=options.batch_norm_momentum,
    )
    load_imagenet_weights(network, read_imagenet_state())
    batches = BalancedBatches(inputs, targets, options)
    steps = options.epochs * len(batches)
    warm_up = steps // 12
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate / 20,
        decay_steps=steps - warm_up,
        warmup_target=options.learning_rate,
        warmup_steps=warm_up,
    )
    classifier = keras.Model(network.input, network.output["logit"])
    classifier.compile(
        keras.optimizers.AdamW(
            schedule,
            weight_decay=options.weight_decay,
            use_ema=True,
            ema_momentum=options.average_momentum,
        ),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=options.label_smoothing),
        jit_compile=JIT_COMPILE,
    )
    classifier.fit(batches, epochs=options.epochs, verbose=1, callbacks=[HeldOutAuroc(folds)])
    return fold(network)
