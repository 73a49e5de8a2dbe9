"""From a network trained on children and adults together to a package with a gate of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Self

import keras
import numpy as np

from ml.research.dataset import Folds as Split
from ml.research.dataset import LabelledImage, find_images, labels, load_inputs, make_folds
from ml.research.gate.fitting import PER_KIND, VARIED
from ml.research.gate.refitting import Sheets, refit
from ml.research.joint import JointOptions
from ml.research.label_sheet import read_pictures
from ml.research.packaging import Responses
from ml.research.pointing import measure_pointing
from ml.research.refined import Folds, build_refined_package
from ml.research.refining import Material
from ml.research.shortcuts import with_all_lent
from ml.research.targets import UNREAD, Targets, reading_of
from ml.serving.package import ModelPackage


class Measuring(NamedTuple):
    """What the gate is fitted to, and the package measured with, beside what it is trained on.

    ``others`` and ``measure_only`` are sheets for the gate, see ``Sheets``; ``boxes`` a sheet of
    boxes drawn in the adults' radiographs, ``fullres`` full-size files, if there are any.
    ``per_kind`` and ``varied`` are for the gate, see ``fit_gate``.
    """

    others: Path
    measure_only: Sequence[Path] = ()
    boxes: Path | None = None
    fullres: Path | None = None
    per_kind: int = PER_KIND
    varied: int = VARIED


class Sources(NamedTuple):
    """Children's radiographs in folds and adults' of a sheet, with the training's material."""

    data: Path
    sheet: Path
    split: Split
    adults: list[LabelledImage]
    material: Material

    @classmethod
    def read(cls, data: Path, sheet: Path, options: JointOptions) -> Self:
        """Read all images; the seed divides the children's as it did for the teacher."""
        split = make_folds(find_images(data), seed=options.seed)
        adults = read_pictures(sheet)
        size = options.input_size
        material = Material(
            np.concatenate(
                [load_inputs(split.training, size, "children"), load_inputs(adults, size, "adults")]
            ),
            [*split.training, *adults],
            Targets.joined([Targets.of_children(split.training), Targets.of_adults(adults)]),
        )
        return cls(data, sheet, split, adults, material)


def options_of(teacher: ModelPackage, given: Mapping[str, int]) -> JointOptions:
    """Return the options of a training with a teacher, whose held-out folds stay held out."""
    return JointOptions(
        **given,
        backbone=teacher.backbone,
        input_size=teacher.input_size,
        seed=teacher.training["options"]["seed"],
    )


def package_jointly(
    out: Path,
    network: keras.Model,
    teacher: ModelPackage,
    sources: Sources,
    options: JointOptions,
    measuring: Measuring,
    command: str,
) -> ModelPackage:
    """Calibrate a folded network, fit its gate, measure, and write the package."""
    split, adults, size = sources.split, sources.adults, options.input_size
    children = len(split.training)
    inputs = sources.material.inputs
    unseen = sources.material.parts[children:] == options.left_out
    read = np.array([reading_of(image) != UNREAD for image in adults])

    def responses(chosen: np.ndarray) -> Responses:
        return Responses.of(network, inputs[children:][chosen], _chosen(adults, chosen))

    held_out, lent = {}, {}
    for name, images in (("random", split.random), ("pessimistic", split.pessimistic)):
        of_fold = load_inputs(images, size, name)
        held_out[name] = Responses.of(network, of_fold, images)
        lent[name] = Responses.of(network, with_all_lent(of_fold, labels(images)), images)
    gated = refit(
        lambda pictures: network.predict(pictures, verbose=0)["layout"],
        (sources.data.name, inputs[:children]),
        held_out,
        Sheets.read(sources.sheet, measuring.others, measuring.measure_only, size),
        per_kind=measuring.per_kind,
        varied=measuring.varied,
    )
    folds = Folds(held_out, lent, responses(unseen & read))
    pointing = None
    if measuring.boxes:
        calibration = folds.scale(split.training).pneumonia
        pointing = measure_pointing(responses(unseen), calibration, measuring.boxes)
    trained_on = _chosen(adults, ~unseen)
    facts: dict[str, Any] = {
        "images": children,
        "pneumonia": int(labels(split.training).sum()),
        "patients": len({image.patient for image in split.training}),
        "adults": {
            "images": len(trained_on),
            "patients": len({image.patient for image in trained_on}),
            "read_by_radiologists": int((read & ~unseen).sum()),
            "teacher": teacher.version,
        },
        "command": command,
        "options": asdict(options),
    }
    return build_refined_package(
        out, network, teacher, split.training, folds, facts, measuring.fullres, gated, pointing
    )


def _chosen(images: Sequence[LabelledImage], chosen: np.ndarray) -> list[LabelledImage]:
    return [image for image, is_chosen in zip(images, chosen, strict=True) if is_chosen]
