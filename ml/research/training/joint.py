"""Training on children and adults together, with a teacher that shows where to look.

A network trained on several sources by their labels alone spreads its evidence over the whole
image. Here the map of a trained network, the *teacher*, is a further target on the same changed
image: the new network has to find its evidence in the same places (Zagoruyko and Komodakis, *Paying
More Attention to Attention*, ICLR 2017). On children's images the teacher's log-odds are a target
beside the label. Some of these have a square covered, often the teacher's hottest one; there the
teacher's answer is the only target of the decision, so that it follows from what is visible.

The stem and the first stages are frozen, so their features and the teacher's responses are computed
once for each changed image and kept in a *pool* on disk. A training can also continue from a
package's network, whose frozen stages are the same.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import keras
import numpy as np
from keras import layers, ops
from tqdm import tqdm

from ml.research.datasets.material import DrawnBatches, Material, Rng, changed_copies, draw_chances
from ml.research.datasets.targets import CHILDREN, OTHER, TRUST, UNREAD
from ml.research.evaluation.occlusion import cover, hottest_square
from ml.research.training.from_imagenet import ImageNetOptions, start_from_imagenet
from ml.research.training.learning import (
    accuracy,
    averaged,
    column,
    findings_outputs,
    for_training,
    learn,
    trunk_output,
)
from ml.research.training.parts import InParts, train_in_parts
from ml.serving.backbones import IMAGENET
from ml.serving.calibration import Floats
from ml.serving.network import fold

SHARD = 1440
CHUNK = 32
COVERED_SHARE = 0.3
# Squares cover these shares of the image.
COVERED_AREA = (0.05, 0.2)
# The error in log-odds beyond which the loss grows linearly instead of quadratically.
HUBER_DELTA = 2.0


@dataclass(frozen=True)
class JointOptions(ImageNetOptions):
    """The chosen options; stored in the package as they are."""

    pool: int = 14400
    epochs: int = 12
    images_per_epoch: int = 2400
    left_out: tuple[int, ...] = (0,)
    weight_decay: float = 5e-4
    map_weight: float = 1.0
    adults_map_share: float = 0.0
    teacher_weight: float = 1.0
    findings_weight: float = 0.5
    abnormal_weight: float = 0.3
    subtype_weight: float = 0.6
    other_trust: float = 1.0
    unread_trust: float = 1.0
    start: str = IMAGENET
    start_share: float = 0.0

    @property
    def trust(self) -> dict[str, float]:
        """Return the weight of an adult's image in the loss of the decision, by its reading."""
        return TRUST | {OTHER: self.other_trust, UNREAD: self.unread_trust}


def begin(options: JointOptions, start: keras.Model | None) -> keras.Model:
    """Return a copy of a folded network to train further, or build one with ImageNet weights."""
    if start is None:
        return start_from_imagenet(options)
    keras.utils.set_random_seed(options.seed)
    return for_training(start, options)


class TaughtPool(NamedTuple):
    """Changed images (m,): frozen features, the image each comes from, the teacher's responses.

    ``covered`` says whether a square of the image is covered.
    """

    features: np.ndarray
    source: np.ndarray
    covered: np.ndarray
    maps: np.ndarray
    logits: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read all shards of a folder."""
        shards = []
        for path in sorted(folder.glob("pool-*.npz")):
            with np.load(path) as arrays:
                shards.append(cls(**arrays))
        return cls(*(np.concatenate(each) for each in zip(*shards, strict=True)))


def has_same_trunk(one: keras.Model, other: keras.Model, frozen_stages: int) -> bool:
    """Return whether two folded networks have the same frozen part."""
    trunk = keras.Model(one.input, trunk_output(one, frozen_stages))
    return all(
        np.allclose(ours, theirs, atol=1e-4)
        for layer in trunk.layers
        for ours, theirs in zip(
            layer.get_weights(), other.get_layer(layer.name).get_weights(), strict=True
        )
    )


def fill_pool(
    teacher: keras.Model, material: Material, options: JointOptions, folder: Path
) -> None:
    """Draw images (see ``draw_chances``), change them; keep features and the teacher's responses.

    The pool is kept in shards, and one that exists is not made again. ``teacher`` is folded, and
    has the frozen part of the network to be trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chances = draw_chances(material, options.acquisition_balance, options.seed)
    taught = keras.Model(
        teacher.input,
        {
            "features": trunk_output(teacher, options.frozen_stages),
            "maps": teacher.output["activation_map"],
            "logits": teacher.output["logit"],
        },
    )
    for number, first in enumerate(range(0, options.pool, SHARD)):
        path = folder / f"pool-{number:03}.npz"
        if not path.exists():
            size = min(SHARD, options.pool - first)
            shard = _shard(taught, material, chances, size, (options.seed, number))
            unfinished = path.with_suffix(".part")
            with unfinished.open("wb") as stream:
                np.savez(stream, **shard._asdict())
            unfinished.rename(path)


def _shard(
    taught: keras.Model,
    material: Material,
    chances: np.ndarray,
    size: int,
    seed: tuple[int, int],
) -> TaughtPool:
    rng = np.random.default_rng(seed)
    source = rng.choice(len(chances), size, p=chances)
    is_child = np.isin(material.targets.group[source], CHILDREN)
    kept: dict[str, list[np.ndarray]] = {"features": [], "covered": [], "maps": [], "logits": []}
    for first in tqdm(range(0, size, CHUNK), f"shard {seed[1]}", unit="batch"):
        rows = slice(first, first + CHUNK)
        changed = changed_copies(material, source[rows], rng)
        said = taught.predict_on_batch(changed)
        covered = is_child[rows] & (rng.random(len(changed)) < COVERED_SHARE)
        kept["covered"].append(covered)
        if covered.any():
            squares = np.stack(
                [_cover(changed[i], said["maps"][i], rng) for i in np.flatnonzero(covered)]
            )
            again = taught.predict_on_batch(squares)
            said = {name: np.array(values) for name, values in said.items()}
            for name, values in again.items():
                said[name][covered] = values
        for name, values in said.items():
            kept[name].append(values.astype(np.float16 if name == "features" else np.float32))
    return TaughtPool(source=source, **{name: np.concatenate(v) for name, v in kept.items()})


def _cover(pixels: np.ndarray, heat: Floats, rng: Rng) -> np.ndarray:
    """Cover the hottest square or, as often, one anywhere."""
    size = len(pixels)
    side = round(size * rng.uniform(*COVERED_AREA) ** 0.5)
    if rng.random() < 0.5:
        return cover(pixels, hottest_square(heat, size, side), side)
    y, x = rng.integers(0, size - side + 1, 2)
    return cover(pixels, (int(y), int(x)), side)


class TaughtBatches(DrawnBatches):
    """Batches from a pool, with the teacher's responses among the targets."""

    def __init__(
        self, pool: TaughtPool, material: Material, left_out: int, options: JointOptions
    ) -> None:
        super().__init__(
            pool.source,
            material,
            left_out,
            batch_size=options.batch_size,
            batches=options.images_per_epoch // options.batch_size,
            seed=options.seed,
        )
        self.pool, self.adults_map_share = pool, options.adults_map_share

    def __getitem__(
        self, index: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        chosen, _ = self.draw(index)
        rows = self.source[chosen]
        wanted, weights = self.targets.by_output(rows)
        is_child = np.isin(self.targets.group[rows], CHILDREN)
        weights["logit"] = np.where(self.pool.covered[chosen], 0, weights["logit"])
        wanted["taught"] = self.pool.logits[chosen, None]
        weights["taught"] = is_child.astype(np.float64)
        wanted["activation_map"] = self.pool.maps[chosen]
        weights["activation_map"] = np.where(is_child, 1, self.adults_map_share)
        return self.pool.features[chosen].astype(np.float32), wanted, weights


def unlike(wanted: keras.KerasTensor, given: keras.KerasTensor) -> keras.KerasTensor:
    """Return 1 minus the correlation of two batches of maps (n, s, s), for each pair: (n,)."""
    return 1 - ops.mean(_standardised(wanted) * _standardised(given), axis=(1, 2))


def _standardised(maps: keras.KerasTensor) -> keras.KerasTensor:
    centred = maps - ops.mean(maps, axis=(1, 2), keepdims=True)
    return centred * ops.rsqrt(ops.mean(ops.square(centred), axis=(1, 2), keepdims=True) + 1e-4)


def train_jointly(
    network: keras.Model,
    pool: TaughtPool,
    material: Material,
    left_out: int,
    options: JointOptions,
    checkpoints: Path,
) -> None:
    """Train a network, all but its frozen stages, without one part of the patients.

    ``checkpoints`` is as in ``learn``.
    """
    columns = {name: column(network, name) for name in ("logit", "subtype_logit")}
    outputs = {
        **columns,
        "taught": layers.Identity(name="taught")(columns["logit"]),
        "activation_map": network.output["activation_map"],
        **findings_outputs(network),
    }
    batches = TaughtBatches(pool, material, left_out, options)
    learn(
        keras.Model(trunk_output(network, options.frozen_stages), outputs),
        batches,
        options,
        checkpoints,
        losses={"taught": keras.losses.Huber(delta=HUBER_DELTA), "activation_map": unlike},
        loss_weights={
            "logit": 1.0,
            "subtype_logit": options.subtype_weight,
            "taught": options.teacher_weight,
            "activation_map": options.map_weight,
            "findings": options.findings_weight,
            "abnormal": options.abnormal_weight,
        },
        metrics={"logit": accuracy},
        epochs=options.epochs,
        decay_steps=options.epochs * len(batches),
        # A folded network has no batch normalisation to keep its steps small.
        clip_norm=None if options.start == IMAGENET else 1.0,
    )


def train_jointly_in_parts(
    start: keras.Model | None,
    pool: TaughtPool,
    material: Material,
    options: JointOptions,
    checkpoints: Path,
) -> InParts:
    """Train without each of some parts of the patients, from a folded start or from ImageNet on."""

    def trained_without(part: int) -> keras.Model:
        network = begin(options, start)
        train_jointly(network, pool, material, part, options, checkpoints / f"part{part}")
        return fold(network) if start is None else averaged([network])

    return train_in_parts(options.left_out, trained_without, start, options.start_share)
