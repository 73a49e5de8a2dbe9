"""Fine-tuning a trained network on images from several sources.

The stem and the first five stages are frozen, so their features are computed once for each
augmented image, and the gate, which uses them, stays the same. The last two stages and the
classifiers are trained on a pool of such features. Each training leaves out one of ``PARTS`` parts
of the patients, which is how the recipe is evaluated; the mean of all weights is shipped (Wortsman
et al., *Model Soups*, ICML 2022), mixed with the original weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from tqdm import tqdm

from ml.research.datasets.material import DrawnBatches, Material, Rng, changed_copies, draw_chances
from ml.research.datasets.targets import SHARES
from ml.research.training.learning import (
    LearningOptions,
    accuracy,
    averaged,
    column,
    findings_outputs,
    for_training,
    learn,
    trunk_output,
)
from ml.research.training.parts import InParts, train_in_parts
from ml.serving.network import LATERAL_STAGE

CHUNK = 32
STEPS_PER_EPOCH = 40
CUT_OUT = (2, 5)
# The share of batches whose examples are blended, with ``mixup``.
MIXED_SHARE = 0.5


@dataclass(frozen=True)
class RefiningOptions(LearningOptions):
    """The chosen options; stored in the package as they are."""

    pool: int = 8640
    steps: int = 200
    decay_steps: int = 320
    left_out: tuple[int, ...] = (0, 2)
    learning_rate: float = 3e-4
    start_share: float = 0.7
    weight_decay: float = 1e-3
    findings_weight: float = 0.5
    abnormal_weight: float = 0.3
    average_momentum: float = 0.99
    mixup: float = 0.0

    @property
    def shares(self) -> Mapping[str, float]:
        """Return how often the groups of images are drawn."""
        return SHARES


class Pool(NamedTuple):
    """Features of augmented images (m, s, s, channels), and the image each comes from (m,)."""

    features: np.ndarray
    source: np.ndarray


def trunk(network: keras.Model) -> keras.Model:
    """Return the frozen part, up to the features below the last two stages."""
    return keras.Model(network.input, trunk_output(network, LATERAL_STAGE + 1))


def fill_pool(network: keras.Model, material: Material, options: RefiningOptions) -> Pool:
    """Draw images (see ``draw_chances``), change them and keep their features."""
    rng = np.random.default_rng(options.seed)
    chances = draw_chances(material, options.acquisition_balance, options.seed, options.shares)
    source = rng.choice(len(chances), options.pool, p=chances)
    features = trunk(network)
    kept = [
        features.predict_on_batch(
            changed_copies(material, source[start : start + CHUNK], rng)
        ).astype(np.float16)
        for start in tqdm(range(0, options.pool, CHUNK), "features", unit="batch")
    ]
    return Pool(np.concatenate(kept), source)


class PoolBatches(DrawnBatches):
    """Batches of features from a pool, some of whose cells are blanked."""

    def __init__(
        self, pool: Pool, material: Material, left_out: int | None, options: RefiningOptions
    ) -> None:
        super().__init__(
            pool.source,
            material,
            left_out,
            batch_size=options.batch_size,
            batches=min(STEPS_PER_EPOCH, options.steps),
            seed=options.seed,
            shares=options.shares,
        )
        self.features, self.mixup = pool.features, options.mixup

    def __getitem__(
        self, index: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        chosen, rng = self.draw(index)
        features = self.features[chosen].astype(np.float32)
        for each in features:
            if rng.random() < 0.3:
                _cut_out(each, rng)
        targets, weights = self.targets.by_output(self.source[chosen])
        if self.mixup and rng.random() < MIXED_SHARE:
            return _mixed(features, targets, weights, self.mixup, rng)
        return features, targets, weights


def _mixed(
    features: np.ndarray,
    targets: dict[str, np.ndarray],
    weights: dict[str, np.ndarray],
    concentration: float,
    rng: Rng,
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Blend each example of a batch with another of it (Zhang et al., *mixup*, ICLR 2018).

    A blend counts for an output as much as the one of the two that counts less.
    """
    share, other = rng.beta(concentration, concentration), rng.permutation(len(features))
    return (
        (share * features + (1 - share) * features[other]).astype(np.float32),
        {name: share * each + (1 - share) * each[other] for name, each in targets.items()},
        {name: np.minimum(each, each[other]) for name, each in weights.items()},
    )


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

    ``start`` stays as it is. ``checkpoints`` is as in ``learn``.
    """
    keras.utils.set_random_seed(options.seed)
    network = for_training(start, options)
    learner = keras.Model(
        trunk(network).output,
        {
            **{name: column(network, name) for name in ("logit", "subtype_logit")},
            **findings_outputs(network),
        },
    )
    learn(
        learner,
        PoolBatches(pool, material, left_out, options),
        options,
        checkpoints,
        loss_weights={
            "logit": 1.0,
            "subtype_logit": options.subtype_weight,
            "findings": options.findings_weight,
            "abnormal": options.abnormal_weight,
        },
        metrics={"logit": accuracy},
        epochs=-(-options.steps // STEPS_PER_EPOCH),
        # The trainings end before the rate has decayed; averaging the weights compensates for it.
        decay_steps=options.decay_steps,
        clip_norm=1.0,
    )
    return averaged([network])


def kept_pool(
    start: keras.Model, material: Material, options: RefiningOptions, checkpoints: Path
) -> Pool:
    """Return the pool that ``checkpoints`` has, or fill one and keep it there."""
    checkpoints.mkdir(parents=True, exist_ok=True)
    kept = checkpoints / "pool.npz"
    if not kept.exists():
        np.savez(kept, **fill_pool(start, material, options)._asdict())
    with np.load(kept) as arrays:
        return Pool(**arrays)


def refine_in_parts(
    start: keras.Model, material: Material, options: RefiningOptions, checkpoints: Path
) -> InParts:
    """Train without each of some parts of the patients; mix the weights with those of the start.

    What is done is kept in ``checkpoints``, where an interrupted run with the same options resumes.
    """
    pool = kept_pool(start, material, options, checkpoints)
    return train_in_parts(
        options.left_out,
        lambda part: refine(start, pool, material, part, options, checkpoints / f"part{part}"),
        start,
        options.start_share,
    )
