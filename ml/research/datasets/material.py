"""Training images of several sources: how they are divided, drawn and changed."""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
from PIL import Image, ImageDraw

from ml.research.datasets.acquisition import mixed_chances, overlap_weights
from ml.research.datasets.augmentation import augment
from ml.research.datasets.radiographs import LabelledImage
from ml.research.datasets.targets import CHILDREN, SHARES, Targets
from ml.research.datasets.variation import (
    collimated,
    lay_tubes,
    other_greys,
    reframed,
    write_letters,
)

PARTS = 3
Rng = np.random.Generator


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


def draw_chances(
    material: Material,
    acquisition_balance: float,
    seed: int,
    shares: Mapping[str, float] = SHARES,
) -> np.ndarray:
    """Return how likely each image is to be drawn: (n,), by the ``shares`` of its group.

    A child's image is drawn more often the more its acquisition resembles the other class's, as in
    ``training.from_imagenet``.
    """
    group, targets = material.targets.group, material.targets
    chances = np.zeros(len(group))
    children = np.isin(group, CHILDREN)
    patients = [
        image.patient for image, is_child in zip(material.images, children, strict=True) if is_child
    ]
    overlap = np.ones(len(group))
    overlap[children] = overlap_weights(
        material.inputs[children], targets.pneumonia[children], patients, seed
    )
    for name, share in shares.items():
        members = group == name
        if not members.any():
            continue
        balance = acquisition_balance if name in CHILDREN else 0.0
        chances[members] = share * mixed_chances(overlap[members], balance)
    return np.asarray(chances / chances.sum())


def changed_copies(material: Material, rows: np.ndarray, rng: Rng) -> np.ndarray:
    """Return augmented copies of chosen images, each with a donor of any source and class."""
    inputs = material.inputs
    return np.stack([change(inputs[row], inputs[rng.integers(len(inputs))], rng) for row in rows])


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


class DrawnBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Draws of rows of a pool, by the ``shares`` of groups, without one part of the patients.

    ``source`` (m,) is the image that each row of the pool comes from.
    """

    def __init__(
        self,
        source: np.ndarray,
        material: Material,
        left_out: int | None,
        *,
        batch_size: int,
        batches: int,
        seed: int,
        shares: Mapping[str, float] = SHARES,
    ) -> None:
        super().__init__()
        self.source, self.targets = source, material.targets
        self.batch_size, self.batches, self.seed = batch_size, batches, seed
        group = material.targets.group[source]
        kept = np.ones(len(group), bool)
        if left_out is not None:
            kept = material.parts[source] != left_out
        self.members = {
            name: members
            for name in shares
            if len(members := np.flatnonzero(kept & (group == name)))
        }
        of_members = np.array([shares[name] for name in self.members])
        self.shares = of_members / of_members.sum()
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw other images for an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def on_epoch_end(self) -> None:
        """Draw other images for the next epoch."""
        self.begin(self.epoch + 1)

    def draw(self, index: int) -> tuple[np.ndarray, Rng]:
        """Return the rows of a batch, and what is random about it."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        drawn = rng.choice(list(self.members), self.batch_size, p=self.shares)
        return np.array([rng.choice(self.members[name]) for name in drawn]), rng
