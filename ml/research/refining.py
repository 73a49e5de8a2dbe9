"""Fine-tuning a trained network on images from several sources.

The stem and the first five stages are frozen, so their features are computed once for each
augmented image, and the gate, which uses them, stays the same. The last two stages and the
classifiers are trained on a pool of such features. Each training leaves out one of ``PARTS`` parts
of the patients, which is how the recipe is evaluated; the mean of all weights is shipped (Wortsman
et al., *Model Soups*, ICML 2022), mixed with the original weights.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from PIL import Image, ImageDraw
from tqdm import tqdm

from ml.research.acquisition import acquisition_traits, propensities
from ml.research.augmentation import augment
from ml.research.dataset import LabelledImage
from ml.research.gate.variation import collimated, lay_tubes, other_greys, reframed, write_letters
from ml.research.packaging import Responses
from ml.research.targets import FINDINGS, SHARES, Targets
from ml.research.training import RimPenalty, column
from ml.serving.backbones import scaled_stages
from ml.serving.network import JIT_COMPILE, LATERAL_STAGE, backbone_of, build_network

PARTS = 3
CHUNK = 32
STEPS_PER_EPOCH = 40
CUT_OUT = (2, 5)
Rng = np.random.Generator


@dataclass(frozen=True)
class RefiningOptions:
    """The chosen options; stored in the package as they are."""

    pool: int = 8640
    steps: int = 200
    decay_steps: int = 320
    left_out: tuple[int, ...] = (0, 2)
    batch_size: int = 32
    learning_rate: float = 3e-4
    start_share: float = 0.7
    weight_decay: float = 1e-3
    label_smoothing: float = 0.05
    findings_weight: float = 0.5
    abnormal_weight: float = 0.3
    subtype_weight: float = 0.3
    rim_penalty: float = 0.1
    acquisition_balance: float = 0.75
    head_dropout: float = 0.3
    stochastic_depth: float = 0.1
    average_momentum: float = 0.99
    seed: int = 0


class Material(NamedTuple):
    """The training images of all sources: inputs (n, size, size), targets, and patients' parts."""

    inputs: np.ndarray
    images: Sequence[LabelledImage]
    targets: Targets

    @property
    def parts(self) -> np.ndarray:
        """Return which of ``PARTS`` parts each image's patient belongs to: (n,)."""
        return np.array([part_of(image) for image in self.images])


def part_of(image: LabelledImage) -> int:
    """Return the part of an image's patient, by a checksum of the name."""
    return zlib.crc32(image.patient.encode()) % PARTS


class Pool(NamedTuple):
    """Features of augmented images (m, s, s, channels), and the image each comes from (m,)."""

    features: np.ndarray
    source: np.ndarray


def trunk(network: keras.Model) -> keras.Model:
    """Return the frozen part, up to the features below the last two stages."""
    stages = scaled_stages(backbone_of(network))
    last = sum(stage.repeats for stage in stages[: LATERAL_STAGE + 1]) - 1
    return keras.Model(network.input, network.get_layer(f"block{last}_add").output)


def fill_pool(network: keras.Model, material: Material, options: RefiningOptions) -> Pool:
    """Draw images by ``SHARES``, change them and keep their features.

    Children's images are drawn the more often the more they are taken like the other class's, as in
    training. Greys and sharpness are lent by an image of any source and class.
    """
    rng = np.random.default_rng(options.seed)
    chances = draw_chances(material, options.acquisition_balance, options.seed)
    source = rng.choice(len(chances), options.pool, p=chances)
    features = trunk(network)
    starts = range(0, options.pool, CHUNK)
    kept = [
        features.predict_on_batch(
            np.stack(
                [
                    change(material.inputs[i], material.inputs[rng.integers(len(chances))], rng)
                    for i in source[start : start + CHUNK]
                ]
            )
        ).astype(np.float16)
        for start in tqdm(starts, "features", unit="batch")
    ]
    return Pool(np.concatenate(kept), source)


def draw_chances(material: Material, acquisition_balance: float, seed: int) -> np.ndarray:
    """Return how likely each image is to be drawn: (n,), see ``SHARES`` and ``fill_pool``."""
    group, targets = material.targets.group, material.targets
    chances = np.zeros(len(group))
    children = np.isin(group, ("normal", "pneumonia"))
    patients = [
        image.patient for image, is_child in zip(material.images, children, strict=True) if is_child
    ]
    estimates = propensities(
        acquisition_traits(material.inputs[children]),
        targets.pneumonia[children],
        patients,
        seed,
    )
    overlap = np.ones(len(group))
    overlap[children] = np.where(targets.pneumonia[children] == 1, 1 - estimates, estimates)
    for name, share in SHARES.items():
        members = group == name
        if not members.any():
            continue
        balance = acquisition_balance if name in ("normal", "pneumonia") else 0.0
        weighed = balance * overlap[members] / overlap[members].sum()
        chances[members] = share * (weighed + (1 - balance) / members.sum())
    return np.asarray(chances / chances.sum())


def change(pixels: np.ndarray, donor: np.ndarray, rng: Rng) -> np.ndarray:
    """Return an augmented copy of a network input, with other greys, frames, letters and tubes."""
    changed = augment(pixels, donor, rng)
    if rng.random() < 0.25:
        changed = other_greys(changed, rng)
    image = Image.fromarray(changed)
    if rng.random() < 0.1:
        image = reframed(image, rng)
    if rng.random() < 0.1:
        image = collimated(image, rng)
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.35:
        write_letters(draw, image.width, rng)
    if rng.random() < 0.12:
        lay_tubes(draw, image.width, rng)
    return np.asarray(image)


class PoolBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches from a pool without the images of one part of the patients, by ``SHARES``."""

    def __init__(
        self, pool: Pool, material: Material, left_out: int | None, options: RefiningOptions
    ) -> None:
        super().__init__()
        self.pool, self.targets, self.options = pool, material.targets, options
        group = material.targets.group[pool.source]
        kept = np.ones(len(group), bool)
        if left_out is not None:
            kept = material.parts[pool.source] != left_out
        self.members = {
            name: members
            for name in SHARES
            if len(members := np.flatnonzero(kept & (group == name)))
        }
        shares = np.array([SHARES[name] for name in self.members])
        self.shares = shares / shares.sum()
        self.epoch = 0

    def __len__(self) -> int:
        return min(STEPS_PER_EPOCH, self.options.steps)

    def on_epoch_end(self) -> None:
        """Sample other images for the next epoch."""
        self.epoch += 1

    def __getitem__(
        self, index: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        drawn = rng.choice(list(self.members), self.options.batch_size, p=self.shares)
        chosen = np.array([rng.choice(self.members[name]) for name in drawn])
        features = self.pool.features[chosen].astype(np.float32)
        for each in features:
            if rng.random() < 0.3:
                _cut_out(each, rng)
        return features, *self.targets.by_output(self.pool.source[chosen])


def _cut_out(features: np.ndarray, rng: Rng) -> None:
    """Blank a few cells, so that the network relies on no single one."""
    height, width = rng.integers(*CUT_OUT, 2)
    top = rng.integers(0, len(features) - height + 1)
    left = rng.integers(0, len(features) - width + 1)
    features[top : top + height, left : left + width] = 0


def refine(
    start: keras.Model,
    pool: Pool,
    material: Material,
    left_out: int | None,
    options: RefiningOptions,
    checkpoints: Path,
) -> keras.Model:
    """Train the last stages of a folded network without one part of the patients; return it.

    ``start`` stays as it is. The findings and *abnormal* are outputs for training alone, by which
    the features get to know more than the decision asks for. ``checkpoints`` is where a broken-off
    training goes on from.
    """
    keras.utils.set_random_seed(options.seed)
    network = _for_training(start, options)
    pooled = layers.Dropout(0.2, name="findings_dropout")(network.get_layer("dropped_pool").output)
    learner = keras.Model(
        trunk(network).output,
        {
            **{name: column(network, name) for name in ("logit", "subtype_logit")},
            "findings": layers.Dense(len(FINDINGS), kernel_initializer="zeros")(pooled),
            "abnormal": layers.Dense(1, kernel_initializer="zeros")(pooled),
        },
    )
    # The trainings end before the learning rate has decayed; averaging the weights compensates for
    # it.
    warm_up = options.decay_steps // 12
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate / 20,
        decay_steps=options.decay_steps - warm_up,
        warmup_target=options.learning_rate,
        warmup_steps=warm_up,
    )
    loss = keras.losses.BinaryCrossentropy(True, label_smoothing=options.label_smoothing)
    learner.compile(
        keras.optimizers.AdamW(
            schedule,
            weight_decay=options.weight_decay,
            use_ema=True,
            ema_momentum=options.average_momentum,
            global_clipnorm=1.0,
        ),
        loss=dict.fromkeys(learner.output, loss),
        loss_weights={
            "logit": 1.0,
            "subtype_logit": options.subtype_weight,
            "findings": options.findings_weight,
            "abnormal": options.abnormal_weight,
        },
        jit_compile=JIT_COMPILE,
    )
    learner.fit(
        PoolBatches(pool, material, left_out, options),
        epochs=-(-options.steps // STEPS_PER_EPOCH),
        verbose=1,
        shuffle=False,
        callbacks=[keras.callbacks.BackupAndRestore(str(checkpoints), delete_checkpoint=False)],
    )
    return averaged([network])


def _for_training(start: keras.Model, options: RefiningOptions) -> keras.Model:
    """Return a copy with dropout and the rim penalty."""
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


class Refined(NamedTuple):
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


def refine_in_parts(
    start: keras.Model, material: Material, options: RefiningOptions, checkpoints: Path
) -> Refined:
    """Train without each of some parts of the patients; mix the weights with those of the start.

    What is done is kept in ``checkpoints``, and a broken-off run of the same options goes on.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    kept = checkpoints / "pool.npz"
    if not kept.exists():
        np.savez(kept, **fill_pool(start, material, options)._asdict())
    with np.load(kept) as arrays:
        pool = Pool(**arrays)
    share = options.start_share
    mixed = {
        part: averaged(
            [start, refine(start, pool, material, part, options, checkpoints / f"part{part}")],
            [share, 1 - share],
        )
        for part in options.left_out
    }
    return Refined(averaged(list(mixed.values())), mixed)


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
