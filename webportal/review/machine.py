"""What the model says of an image, put into words for the study page."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.inference.figures import population_words, share_words
from webportal.inference.models import ModelVersion, Prediction
from webportal.records.ages import age_in_years, examined_on
from webportal.records.models import Category, Radiograph

SCALE_WIDTH = 320

LABELS = {"likely": gettext_lazy("Likely from"), "unlikely": gettext_lazy("Unlikely below")}
DECIDED_BY = {
    Category.LIKELY: ["likely"],
    Category.UNLIKELY: ["unlikely"],
    Category.INDETERMINATE: ["likely", "unlikely"],
    Category.NOT_ASSESSABLE: [],
}

# What a reader can do about a picture that the model refused, by the gate's reason.
NEXT_STEPS = {
    "no_contrast": gettext_lazy(
        "Look at the picture: if it is blank, ask for the file again and upload it."
    ),
    "not_frontal_view": gettext_lazy(
        "If the file names the wrong view, have it corrected where it was taken, and upload it "
        "again."
    ),
    "cropped": gettext_lazy("If the whole chest was taken, upload the whole picture."),
    "inverted": gettext_lazy("Upload it with bone bright and air dark to have it assessed."),
    "rotated": gettext_lazy("Upload it upright to have it assessed."),
    "not_frontal_chest": gettext_lazy(
        "If it is no chest radiograph, call it not interpretable; if it is one, read it without "
        "the model."
    ),
}


@dataclass(frozen=True)
class Scale:
    """A probability among the operating points of its version, in units of SCALE_WIDTH."""

    mark: int
    unlikely_below: int
    likely_from: int
    indeterminate_width: int
    likely_width: int


@dataclass(frozen=True)
class Point:
    """An operating point: its threshold, 0 to 1, and what was measured there, in words."""

    label: str
    threshold: float
    sensitivity: str
    specificity: str


@dataclass(frozen=True)
class Opinion:
    """A current result in words; `earlier` are the results that it replaced, newest first.

    `points` are the operating points that decided on the category, `other_points` the rest.
    """

    prediction: Prediction
    scale: Scale | None
    points: Sequence[Point]
    other_points: Sequence[Point]
    in_a_thousand: str
    population: str
    mismatches: Sequence[str]
    next_step: str
    newer: ModelVersion | None
    earlier: Sequence[Prediction]

    @property
    def bacterial(self) -> float | None:
        """The probability of the bacterial pattern, where it is worth showing."""
        if self.prediction.category in (Category.LIKELY, Category.INDETERMINATE):
            return self.prediction.bacterial_probability
        return None

    @property
    def viral(self) -> float | None:
        """The rest: the probability of the viral pattern."""
        return None if self.bacterial is None else 1.0 - self.bacterial


def opinion(
    results: Sequence[Prediction], active: ModelVersion | None, radiograph: Radiograph
) -> Opinion:
    """Put the results of an image into words.

    `results` begins with the current one, the others follow newest first; `active` is the version
    that workers run now.
    """
    prediction, *earlier = results
    model, category = prediction.model_version, Category(prediction.category)
    is_older = active is not None and active != model
    return Opinion(
        prediction=prediction,
        scale=_scale(prediction),
        points=[_point(model, name) for name in DECIDED_BY[category]],
        other_points=[_point(model, name) for name in LABELS if name not in DECIDED_BY[category]],
        in_a_thousand=_in_a_thousand(prediction),
        population=population_words(model),
        mismatches=_mismatches(model, radiograph) if prediction.probability is not None else [],
        next_step=str(NEXT_STEPS.get(prediction.reason_code, "")),
        newer=active if is_older else None,
        earlier=earlier,
    )


def _scale(prediction: Prediction) -> Scale | None:
    if prediction.probability is None:
        return None
    points = prediction.model_version.thresholds
    unlikely_below = round(points["unlikely"]["threshold"] * SCALE_WIDTH)
    likely_from = round(points["likely"]["threshold"] * SCALE_WIDTH)
    return Scale(
        mark=round(prediction.probability * SCALE_WIDTH),
        unlikely_below=unlikely_below,
        likely_from=likely_from,
        indeterminate_width=likely_from - unlikely_below,
        likely_width=SCALE_WIDTH - likely_from,
    )


def _point(model: ModelVersion, name: str) -> Point:
    return Point(
        str(LABELS[name]),
        model.thresholds[name]["threshold"],
        share_words(model.thresholds[name], "sensitivity"),
        share_words(model.thresholds[name], "specificity"),
    )


def _in_a_thousand(prediction: Prediction) -> str:
    """The operating point of the result's category as natural frequencies."""
    points = prediction.model_version.thresholds
    if prediction.category == Category.LIKELY:
        return _(
            "Of 1,000 images with pneumonia about %(found)s reach this point; so do about "
            "%(false)s of 1,000 without."
        ) % {
            "found": round(points["likely"]["sensitivity"] * 1000),
            "false": round((1 - points["likely"]["specificity"]) * 1000),
        }
    if prediction.category == Category.UNLIKELY:
        return _(
            "Of 1,000 images with pneumonia about %(missed)s fall below this point as well."
        ) % {"missed": round((1 - points["unlikely"]["sensitivity"]) * 1000)}
    return ""


def _mismatches(model: ModelVersion, radiograph: Radiograph) -> list[str]:
    """In what this image differs from those that the version was made for."""
    found = []
    made_for = model.population
    views = made_for.get("views")
    if views and radiograph.view_position and radiograph.view_position not in views:
        found.append(
            _("This view is %(view)s; the model was made for %(views)s.")
            % {"view": radiograph.view_position, "views": ", ".join(views)}
        )
    study = radiograph.study
    years = age_in_years(study.patient.birth_date, examined_on(study))
    youngest, oldest = made_for.get("youngest_years"), made_for.get("oldest_years")
    if years is not None and youngest is not None and not youngest <= years <= oldest:
        found.append(
            _(
                "The patient was %(age)s years old; the model was made for %(youngest)s to "
                "%(oldest)s."
            )
            % {"age": years, "youngest": youngest, "oldest": oldest}
        )
    return found
