"""Fitting and measuring a gate with radiographs from several hospitals, read from sheets."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ml.research.datasets.label_sheet import group_of, read_pictures
from ml.research.datasets.radiographs import LabelledImage, load_inputs
from ml.research.evaluation.responses import Responses
from ml.research.gate.fitting import PER_KIND, VARIED, Layouts, Source, fit_gate
from ml.research.gate.held_out import is_choosing, measured_of
from ml.research.gate.measuring import Measured, measure_gate
from ml.serving.gate.decision import Gate

# The percentage of a sheet's patients used for fitting, and the percentage up to which they choose
# limits; the others measure.
FITTED, CHOOSING = 60, 75
CHILDREN = 1200


class Sheet(NamedTuple):
    """The images of a sheet, (n, size, size), with numbers from 0 to 99 that split the patients."""

    name: str
    images: list[LabelledImage]
    inputs: np.ndarray
    parts: np.ndarray

    @classmethod
    def read(cls, path: Path, size: int) -> Self:
        """Read a sheet and its images; it is named after its folder."""
        images = read_pictures(path)
        digests = [hashlib.sha256(image.patient.encode()).hexdigest() for image in images]
        parts = np.array([int(digest, 16) % 100 for digest in digests])
        name = path.parent.name
        return cls(name, images, load_inputs(images, size, name), parts)

    def part(self, first: int, end: int) -> Self:
        """Return the images of some of the patients."""
        chosen = (self.parts >= first) & (self.parts < end)
        images = [image for image, kept in zip(self.images, chosen, strict=True) if kept]
        return self._replace(images=images, inputs=self.inputs[chosen], parts=self.parts[chosen])

    def by(self, column: str) -> dict[str, np.ndarray]:
        """Return the images by their value in a column."""
        values = np.array([image.columns[column] for image in self.images])
        return {f"{self.name}: {v}": self.inputs[values == v] for v in np.unique(values)}


@dataclass(frozen=True)
class Sheets:
    """Radiographs of another hospital, real images without a chest, and some only for measuring.

    The sheets of ``measure_only`` have images that must not pass as they are.
    """

    chests: Sheet
    others: Sheet
    measure_only: Sequence[Sheet]

    @classmethod
    def read(cls, chests: Path, others: Path, measure_only: Sequence[Path], size: int) -> Self:
        """Read all sheets and their images."""
        further = [Sheet.read(path, size) for path in measure_only]
        return cls(Sheet.read(chests, size), Sheet.read(others, size), further)


def refit(
    layouts_of: Layouts,
    training: tuple[str, np.ndarray],
    held_out: Mapping[str, Responses],
    sheets: Sheets,
    leave_out: str | None = None,
    per_kind: int = PER_KIND,
    varied: int = VARIED,
) -> tuple[Gate, dict[str, Any]]:
    """Fit a gate to ``training`` images, named, and to sheets; return it with its figures.

    ``held_out`` are folds of the same source as the training images: half of their patients choose
    the limits, the others measure. ``leave_out`` is *data* or *chests*, one that only measures.
    """
    name, inputs = training
    folds = list(held_out.values())
    choosing = is_choosing([image for fold in folds for image in fold.images])
    order = np.random.default_rng(0).permutation(len(inputs))[:CHILDREN]
    chests, others = sheets.chests, sheets.others
    sources = {
        "data": Source(inputs[order], np.concatenate([fold.inputs for fold in folds])[choosing]),
        "chests": Source(chests.part(0, FITTED).inputs, chests.part(FITTED, CHOOSING).inputs),
    }
    used = [source for source_name, source in sources.items() if source_name != leave_out]
    gate = fit_gate(used, layouts_of, others.part(0, CHOOSING).inputs, per_kind, varied)

    elsewhere, no_chests = chests.part(CHOOSING, 100), others.part(CHOOSING, 100)
    groups = {
        column: [group_of(image, column) for image in elsewhere.images]
        for column in ("rsna", "view", "age")
    }
    patients = [image.patient for image in elsewhere.images]
    measured = {
        name: measured_of(folds, ~choosing),
        chests.name: Measured(elsewhere.inputs, patients, groups),
    }
    real = no_chests.by("labels")
    for sheet in sheets.measure_only:
        real |= sheet.by("view")
    return gate, measure_gate(gate, measured, layouts_of, real, per_kind)
