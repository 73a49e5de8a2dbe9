"""The model's result for an image, as text for the study page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.inference.figures import NOT_MEASURED, describe_calibration, independent_points
from webportal.inference.models import ModelVersion, Prediction
from webportal.inference.purpose.reasons import sentences
from webportal.inference.purpose.rule import ADULT_FROM_MONTHS
from webportal.inference.rounding import threshold_percent
from webportal.records.choices import Category

SCALE_WIDTH = 320
# Tolerance for rounding errors of whole numbers.
ROUNDING = 1e-6

LABELS = {"likely": gettext_lazy("Likely from"), "unlikely": gettext_lazy("Unlikely below")}
DECIDED_BY = {
    Category.LIKELY: ["likely"],
    Category.UNLIKELY: ["unlikely"],
    Category.INDETERMINATE: ["likely", "unlikely"],
    Category.NOT_ASSESSABLE: [],
    Category.OUTSIDE_PURPOSE: [],
}

_MEASURED_ON = gettext_lazy(
    "Measured on %(n)s images of %(n_patients)s patients that took no part in making this version"
    " (%(source)s); the ranges are 95 %% confidence intervals. Elsewhere it may be worse."
)

# What a reader can do about an image that the gate refused, by reason.
NEXT_STEPS = {
    "no_contrast": gettext_lazy(
        "Look at the image: if it is blank, request the file again and upload it."
    ),
    "not_frontal_view": gettext_lazy(
        "If the file names the wrong view, have it corrected at the source, and upload it again."
    ),
    "not_chest": gettext_lazy(
        "If the file names the wrong body part, have it corrected at the source, and upload it"
        " again."
    ),
    "part_of_chest": gettext_lazy(
        "If the whole chest was exposed, have the file corrected at the source, and upload it"
        " again."
    ),
    "cropped": gettext_lazy("If the whole chest was exposed, upload the whole image."),
    "inverted": gettext_lazy("Upload it with bone bright and air dark to have it assessed."),
    "rotated": gettext_lazy("Upload it upright to have it assessed."),
    "not_frontal_chest": gettext_lazy(
        "If it is not a chest radiograph, call it not interpretable; if it is one, read it without "
        "the model."
    ),
}


@dataclass(frozen=True)
class ProbabilityScale:
    """A probability on a scale with its version's operating points, in units of SCALE_WIDTH."""

    mark: int
    unlikely_below: int
    likely_from: int
    indeterminate_width: int
    likely_width: int


@dataclass(frozen=True)
class Point:
    """An operating point: its threshold as a percentage."""

    label: str
    threshold: str


@dataclass(frozen=True)
class Opinion:
    """A current result as text; `earlier` are the results that it replaced, newest first.

    `points` are the operating points that decided on the category, `other_points` the rest.
    `is_of_adult`: the image was assessed as an adult's, and no age says that it is a child's.
    """

    prediction: Prediction
    scale: ProbabilityScale | None
    points: Sequence[Point]
    other_points: Sequence[Point]
    in_a_thousand: Sequence[str]
    population: str
    is_of_adult: bool
    warnings: Sequence[str]
    next_step: str
    newer: ModelVersion | None
    earlier: Sequence[Prediction]

    @property
    def bacterial(self) -> float | None:
        """The probability of the bacterial pattern, if meaningful."""
        if self.prediction.shown_category in (Category.LIKELY, Category.INDETERMINATE):
            return self.prediction.bacterial_probability
        return None

    @property
    def viral(self) -> float | None:
        """The complement: the probability of the viral pattern."""
        return None if self.bacterial is None else 1.0 - self.bacterial


def opinion(results: Sequence[Prediction], active: ModelVersion | None) -> Opinion:
    """Describe the results of an image.

    `results` begins with the current one, the others follow newest first; `active` is the version
    that workers run now.
    """
    prediction, *earlier = results
    model, category = prediction.model_version, Category(prediction.shown_category)
    is_older = active is not None and active != model
    return Opinion(
        prediction=prediction,
        scale=_scale(prediction),
        points=[_point(model, name) for name in DECIDED_BY[category]],
        other_points=[_point(model, name) for name in LABELS if name not in DECIDED_BY[category]],
        in_a_thousand=_in_a_thousand(prediction),
        population=describe_calibration(model),
        is_of_adult=prediction.is_of_adult and not _is_of_child_by_age(prediction),
        warnings=[] if prediction.reason else sentences(prediction.purpose_reasons),
        next_step=str(NEXT_STEPS.get(prediction.reason_code, "")),
        newer=active if is_older else None,
        earlier=earlier,
    )


def _is_of_child_by_age(prediction: Prediction) -> bool:
    ages = [values["months"] for _code, values in prediction.purpose_reasons if "months" in values]
    return any(months < ADULT_FROM_MONTHS for months in ages)


def _scale(prediction: Prediction) -> ProbabilityScale | None:
    if prediction.shown_probability is None:
        return None
    points = prediction.model_version.thresholds
    unlikely_below = round(points["unlikely"]["threshold"] * SCALE_WIDTH)
    likely_from = round(points["likely"]["threshold"] * SCALE_WIDTH)
    return ProbabilityScale(
        mark=round(prediction.shown_probability * SCALE_WIDTH),
        unlikely_below=unlikely_below,
        likely_from=likely_from,
        indeterminate_width=likely_from - unlikely_below,
        likely_width=SCALE_WIDTH - likely_from,
    )


def _point(model: ModelVersion, name: str) -> Point:
    return Point(str(LABELS[name]), threshold_percent(name, model.thresholds))


def _in_a_thousand(prediction: Prediction) -> list[str]:
    """Performance at the operating point that decided, as natural frequencies.

    From independent images only, with interval and source, and not for an adult's image: these are
    of the patients that the version is intended for.
    """
    category = prediction.shown_category
    if category not in (Category.LIKELY, Category.UNLIKELY):
        return []
    if prediction.is_of_adult:
        return [str(NOT_MEASURED)]
    points = independent_points(prediction.model_version, category)
    return [_frequencies(category, point) for point in points] or [str(NOT_MEASURED)]


def _frequencies(category: str, point: dict[str, Any]) -> str:
    if category == Category.LIKELY:
        words = _(
            "Of 1,000 images with pneumonia %(found)s reach this point; so do %(false)s of 1,000"
            " without."
        )
    else:
        words = _("Of 1,000 images with pneumonia %(missed)s fall below this point as well.")
    numbers = {
        "found": _of_a_thousand(point["sensitivity_interval"]),
        "missed": _of_a_thousand(point["sensitivity_interval"], of_the_others=True),
        "false": _of_a_thousand(point["specificity_interval"], of_the_others=True),
    }
    return f"{words % numbers} {_MEASURED_ON % point}"


def _of_a_thousand(interval: Sequence[float], *, of_the_others: bool = False) -> str:
    """The interval of a proportion per 1,000, rounded outwards so as not to overstate precision."""
    low, high = (1 - interval[1], 1 - interval[0]) if of_the_others else interval
    return _("%(low)s to %(high)s") % {
        "low": math.floor(low * 1000 + ROUNDING),
        "high": math.ceil(high * 1000 - ROUNDING),
    }
