"""From a network trained on children and adults together to a package with a gate of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ml.research.dataset import labels
from ml.research.gate.fitting import PER_KIND, VARIED
from ml.research.gate.refitting import Sheets, refit
from ml.research.joint import JointOptions
from ml.research.parts import InParts
from ml.research.pointing import measure_pointing
from ml.research.refined import CalibrationData, build_refined_package
from ml.research.sources import Sources
from ml.research.targets import UNREAD, reading_of
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


def options_of(teacher: ModelPackage, given: Mapping[str, Any]) -> JointOptions:
    """Return the options of a training with a teacher, whose held-out folds stay held out."""
    return JointOptions(
        **given,
        backbone=teacher.backbone,
        input_size=teacher.input_size,
        seed=teacher.training["options"]["seed"],
    )


def package_jointly(
    out: Path,
    trained: InParts,
    teacher: ModelPackage,
    sources: Sources,
    options: JointOptions,
    measuring: Measuring,
    command: str,
) -> ModelPackage:
    """Calibrate folded networks, fit a gate, measure, and write the package.

    Each adult is measured with the network that did not see the patient.
    """
    split, adults, network = sources.split, sources.adults, trained.network
    material, children = sources.material, len(sources.split.training)
    read = np.array([reading_of(image) != UNREAD for image in adults])
    calibration_data = CalibrationData.of(trained, sources)
    gated = refit(
        lambda pictures: network.predict(pictures, verbose=0)["layout"],
        (sources.data.name, material.inputs[:children]),
        calibration_data.children,
        Sheets.read(sources.sheet, measuring.others, measuring.measure_only, options.input_size),
        per_kind=measuring.per_kind,
        varied=measuring.varied,
    )
    pointing = None
    if measuring.boxes:
        calibration = calibration_data.scale(split.training).pneumonia
        everyone = trained.left_out(material, children + np.arange(len(adults)))
        pointing = measure_pointing(everyone, calibration, measuring.boxes)
    # Of several trainings each sees what another leaves out.
    seen = np.ones(len(adults), np.bool_)
    if len(options.left_out) == 1:
        seen = material.parts[children:] != options.left_out[0]
    trained_on = [image for image, is_seen in zip(adults, seen, strict=True) if is_seen]
    facts: dict[str, Any] = {
        "images": children,
        "pneumonia": int(labels(split.training).sum()),
        "patients": len({image.patient for image in split.training}),
        "adults": {
            "images": len(trained_on),
            "patients": len({image.patient for image in trained_on}),
            "read_by_radiologists": int((read & seen).sum()),
            "start": options.start,
            "teacher": teacher.version,
        },
        "command": command,
        "options": asdict(options),
    }
    return build_refined_package(
        out,
        network,
        teacher,
        split.training,
        calibration_data,
        facts,
        measuring.fullres,
        gated,
        pointing,
    )
