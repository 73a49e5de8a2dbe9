"""From a network trained on children and adults together to a package with a gate of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.sources import Sources
from ml.research.evaluation.pointing import measure_pointing
from ml.research.gate.fitting import PER_KIND, VARIED
from ml.research.gate.refitting import Sheets, refit
from ml.research.packaging.refined import CalibrationData, build_refined_package, training_facts
from ml.research.training.joint import JointOptions
from ml.research.training.parts import InParts
from ml.serving.package import ModelPackage

BATCH_SIZE = 32


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
    histories: Sequence[Path] = (),
) -> ModelPackage:
    """Calibrate folded networks, fit a gate, measure, and write the package.

    Each adult is measured with the network that did not see the patient. ``histories`` are the
    files with the losses by epoch.
    """
    split, adults, network = sources.split, sources.adults, trained.network
    material, children = sources.material, len(sources.split.training)
    calibration_data = CalibrationData.of(trained, sources)
    gated = refit(
        lambda pictures: _layouts(network, pictures),
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
    return build_refined_package(
        out,
        network,
        teacher,
        split.training,
        calibration_data,
        training_facts(
            split.training,
            trained_on,
            options,
            command,
            start=options.start,
            teacher=teacher.version,
        ),
        measuring.fullres,
        gated,
        pointing,
        trained_on,
        histories,
    )


def _layouts(network: keras.Model, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the layouts of pictures (n, size, size).

    The gate asks for those of a few pictures a hundred times, and to prepare Keras's ``predict``
    would take longer each time than the network does.
    """
    chunks = range(0, len(pictures), BATCH_SIZE)
    layouts = [network.predict_on_batch(pictures[i : i + BATCH_SIZE])["layout"] for i in chunks]
    return np.concatenate(layouts)
