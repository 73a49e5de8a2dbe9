"""What a package needs of trained upper stages for adults: chooser, calibration and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ml.research.datasets.material import PARTS, Material
from ml.research.datasets.radiographs import LabelledImage
from ml.research.datasets.sources import Sources
from ml.research.datasets.targets import OPACITY, reading_of
from ml.research.evaluation.adults import measure_adults, plotted_adults
from ml.research.evaluation.figures import Cases, measure
from ml.research.evaluation.heatmap import rim_share
from ml.research.evaluation.pointing import measure_pointing
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import ASSUMED_PREVALENCE, Scale, full_scale
from ml.research.packaging.refined import CalibrationData
from ml.research.training.choosing import ADULT_FROM, ages_of, by_age, fit_chooser, measure_choice
from ml.research.training.parts import InParts
from ml.research.training.refining import Pool
from ml.serving.calibration import Calibration, fit_calibration
from ml.serving.chooser import Chooser, taken_for_adults
from ml.serving.package import ModelPackage

ADULTS = "adults"


class AdultStages(NamedTuple):
    """What a package needs of trained upper stages for adults, beside the network.

    ``figures`` are those of adults; ``about`` has what else was measured: the choice, the heat map,
    and what becomes of children whom the chooser takes for adults (``children``). ``cases`` are the
    adults, to plot.
    """

    chooser: Chooser
    calibration: Calibration
    heatmap_full_scale: float
    figures: Mapping[str, Any]
    about: Mapping[str, Any]
    cases: Mapping[str, Cases]

    @classmethod
    def of(
        cls,
        trained: InParts,
        sources: Sources,
        pool: Pool,
        package: ModelPackage,
        boxes: Path | None = None,
    ) -> Self:
        """Calibrate and measure on adults, each by the network that did not see the patient.

        The thresholds are those of ``package``. ``boxes`` is a sheet of boxes drawn in the adults'
        radiographs.
        """
        data = CalibrationData.of(trained, sources)
        calibration = calibrate(data.adults)
        first = len(sources.split.training)
        everyone = trained.left_out(sources.material, first + np.arange(len(sources.adults)))
        scale = Scale(calibration, None, package.thresholds)
        chooser, choice = choose(sources.material, pool, data, everyone)
        return cls(
            chooser,
            calibration,
            full_scale(calibration, {ADULTS: as_opacity_or_not(data.adults)}),
            measure_adults(data.adults, scale),
            {
                "chooser": choice,
                "children": measure_children(data, calibration, scale.thresholds),
                "heatmap_rim_share": rim_share_of(data.adults, calibration),
                "pointing": measure_pointing(everyone, calibration, boxes) if boxes else None,
            },
            plotted_adults(data.adults, calibration),
        )


def calibrate(adults: Responses) -> Calibration:
    """Fit Platt scaling to opacity against everything else that radiologists read.

    The probability stands on a page beside an image that shows whatever it shows; against normal
    chests alone it would say how certain it is that the lungs are not normal, and be far too high
    for an effusion or a mass.
    """
    readings = np.array([reading_of(image) for image in adults.images])
    return fit_calibration(
        adults.logits, (readings == OPACITY).astype(np.float64), ASSUMED_PREVALENCE
    )


def as_opacity_or_not(adults: Responses) -> Responses:
    """Return the responses with the kinds *opacity* and *normal*, for everything else."""
    kinds = [OPACITY if reading_of(image) == OPACITY else "normal" for image in adults.images]
    images = [replace(i, kind=kind) for i, kind in zip(adults.images, kinds, strict=True)]
    return replace(adults, images=images)


def rim_share_of(adults: Responses, calibration: Calibration) -> float:
    """Return the share of the heat that is on the rim, in images with an opacity."""
    has_opacity = as_opacity_or_not(adults).targets == 1
    return rim_share(calibration.log_odds(adults.activation_maps[has_opacity]))


def measure_children(
    data: CalibrationData, calibration: Calibration, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Return the figures of the children's folds, were all of them taken for adults."""
    return {
        name: measure(Cases.of(fold.images, calibration.probabilities(fold.logits)), thresholds)
        for name, fold in data.children.items()
    }


def choose(
    material: Material,
    pool: Pool,
    data: CalibrationData,
    everyone: Responses,
    certainty: float = 0.0,
) -> tuple[Chooser, dict[str, Any]]:
    """Fit the chooser, and measure it on patients who took no part in the fit.

    The children's held-out folds took part in none; others are judged by the fit that left out
    their part of the patients. ``material`` has the children first; ``everyone`` are all adults.
    ``certainty`` is the log-odds from which an image is taken for an adult's.
    """
    n_children = len(material.images) - len(everyone.images)
    means = pool.features.astype(np.float32).mean(axis=(1, 2))
    is_child = np.arange(len(material.images)) < n_children
    ages = np.where(is_child, np.nan, ages_of(material.images))

    def fitted_to(rows: np.ndarray) -> Chooser:
        source = pool.source[rows]
        fitted = fit_chooser(means[rows], is_child[source], ages[source])
        return fitted._replace(bias=fitted.bias - certainty)

    chooser = fitted_to(np.ones(len(means), np.bool_))
    changed = np.zeros(len(means), np.bool_)
    parts_of_everyone = _parts_of(material, everyone.images)
    unchanged = np.zeros(len(everyone.images), np.bool_)
    for part in range(PARTS):
        is_left_out = material.parts[pool.source] == part
        without = fitted_to(~is_left_out)
        log_odds = means[is_left_out] @ without.weights + without.bias
        changed[is_left_out] = taken_for_adults(log_odds)
        theirs = parts_of_everyone == part
        unchanged[theirs] = taken_for_adults(without.log_odds(everyone.layouts[theirs]))

    figures: dict[str, Any] = {}
    for kind, folds in (("", data.children), (", acquired like the other class", data.lent)):
        for name, fold in folds.items():
            patients = np.array([image.patient for image in fold.images])
            chosen = taken_for_adults(chooser.log_odds(fold.layouts))
            figures[f"children, {name}{kind}"] = measure_choice(chosen, patients)
    patients = np.array([image.patient for image in material.images])[pool.source]
    groups = {
        "children, changed copies": is_child[pool.source],
        f"{ADULT_FROM} years and over, changed copies": (ages >= ADULT_FROM)[pool.source],
    }
    for name, members in groups.items():
        if members.any():
            figures[name] = measure_choice(changed[members], patients[members])
    return chooser, figures | by_age(unchanged, everyone.images)


def _parts_of(material: Material, images: Sequence[LabelledImage]) -> np.ndarray:
    part = {image.patient: p for image, p in zip(material.images, material.parts, strict=True)}
    return np.array([part[image.patient] for image in images])
