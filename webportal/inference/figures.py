"""Table rows of operating points and figures, for one version or two side by side.

Only figures from independent images are shown, which took no part in training the version or in
choosing its calibration and thresholds (`ModelVersion.independent_figures`). Others are optimistic;
they are in the card, with that caveat.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.inference.models import ModelVersion

POINTS = {
    "unlikely": gettext_lazy("Unlikely below"),
    "decision": gettext_lazy("Decision threshold"),
    "likely": gettext_lazy("Likely from"),
}
SHARES = {
    "sensitivity": gettext_lazy("Sensitivity"),
    "specificity": gettext_lazy("Specificity"),
    "refused": gettext_lazy("Refused by the gate"),
}
SCORES = {
    "auroc": gettext_lazy("AUROC"),
    "brier": gettext_lazy("Brier score"),
    "ece": gettext_lazy("Calibration error"),
}
COUNTS = {
    "n": gettext_lazy("Images"),
    "n_pneumonia": gettext_lazy("of them with pneumonia"),
    "n_patients": gettext_lazy("of patients"),
}
# Of a package, by name (ml.serving.package.PLOTS).
PLOTS = {
    "images": gettext_lazy("Images by split and class"),
    "learning": gettext_lazy("Loss and accuracy by epoch"),
    "roc": gettext_lazy("ROC curves by source"),
    "reliability": gettext_lazy("Reliability by source"),
    "scores": gettext_lazy("Stated probabilities by source and class"),
}
NOT_MEASURED = gettext_lazy(
    "How often this version is right is not known: its package has no figures from images that took"
    " no part in training it or in choosing its thresholds. Figures from images that did are in its"
    " card."
)


@dataclass(frozen=True)
class FigureRow:
    """One labelled figure with its value for each version; '–' if a version has none."""

    label: str
    values: Sequence[str]


@dataclass(frozen=True)
class FigureSection:
    """A group of figures."""

    title: str
    rows: Sequence[FigureRow]


def percent(share: float) -> str:
    """A percentage with one decimal; never rounded to 0 % or 100 %."""
    shown = f"{share * 100:.1f}"
    if shown == "100.0" and share < 1:
        return "> 99.9 %"
    if shown == "0.0" and share > 0:
        return "< 0.1 %"
    return f"{shown} %"


def sections(models: Sequence[ModelVersion]) -> list[FigureSection]:
    """Operating points, population and measured figures of the versions, one column each."""
    found = [_points(models), _population(models)]
    found += [_measured(source, models) for source in sources(models)]
    without = [model for model in models if not model.independent_figures]
    if without:
        values = ["–" if model.independent_figures else str(NOT_MEASURED) for model in models]
        rows = [FigureRow(_("Independent images"), values)]
        found.append(FigureSection(_("How often it is right"), rows))
    return [section for section in found if section.rows]


def sources(models: Sequence[ModelVersion]) -> list[str]:
    """Image sources that any of the versions was measured on, as named in their packages."""
    return list(dict.fromkeys(each["source"] for m in models for each in m.independent_figures))


def independent_points(model: ModelVersion, name: str) -> list[dict[str, Any]]:
    """Figures of each independent source at an operating point of the version.

    Each has `source`, `n` and `n_patients` besides the figures. Figures measured at another
    threshold, or on images of a single class, are left out.
    """
    threshold = model.thresholds[name]["threshold"]
    return [
        {**point, **{key: each[key] for key in ("source", *COUNTS)}}
        for each in model.independent_figures
        if (point := each["operating_points"].get(name))
        and point["threshold"] == threshold
        and None not in (point["sensitivity"], point["specificity"])
    ]


def describe_calibration(model: ModelVersion) -> str:
    """The images the probability was calibrated on, as text; '' if not stated."""
    population = describe_population(model)
    if population and model.population.get("adult_stages"):
        return _(
            "%(population)s, and separately on adults’ images for what looks like one of those"
        ) % {"population": population}
    return population


def describe_population(model: ModelVersion) -> str:
    """The population the version was made for, as text; '' if not stated."""
    given = model.population
    parts = [_("images")]
    if given.get("youngest_years") is not None and given.get("oldest_years") is not None:
        ages = {"youngest": given["youngest_years"], "oldest": given["oldest_years"]}
        parts = [_("images of patients of %(youngest)s to %(oldest)s years") % ages]
    if given.get("views"):
        parts.append(_("view %(views)s") % {"views": ", ".join(given["views"])})
    if given.get("prevalence") is not None:
        parts.append(
            _("%(share)s of them with pneumonia") % {"share": f"{given['prevalence'] * 100:.0f} %"}
        )
    return ", ".join(parts) if any(given.values()) else ""


def _points(models: Sequence[ModelVersion]) -> FigureSection:
    rows = []
    for name, label in POINTS.items():
        points = [model.thresholds.get(name) for model in models]
        if any(points):
            rows.append(
                FigureRow(str(label), [percent(p["threshold"]) if p else "–" for p in points])
            )
    return FigureSection(_("Operating points"), rows)


def _population(models: Sequence[ModelVersion]) -> FigureSection:
    words = [describe_calibration(model) or "–" for model in models]
    rows = [FigureRow(_("Images"), words)] if any(model.population for model in models) else []
    return FigureSection(_("Calibrated on"), rows)


def _measured(source: str, models: Sequence[ModelVersion]) -> FigureSection:
    figures = [_of_source(model, source) for model in models]
    rows = [
        FigureRow(str(label), [figure(each, key) for each in figures])
        for key, label in {**COUNTS, **SCORES, "refused": SHARES["refused"]}.items()
        if any(key in each for each in figures)
    ]
    for name, label in POINTS.items():
        points = [each.get("operating_points", {}).get(name) for each in figures]
        if any(points):
            for key in ("sensitivity", "specificity"):
                values = [format_share(point, key) for point in points]
                rows.append(FigureRow(f"{label}: {SHARES[key]}", values))
    title = _("Measured on independent images: %(source)s") % {"source": source}
    return FigureSection(title, rows)


def _of_source(model: ModelVersion, source: str) -> dict[str, Any]:
    return next((each for each in model.independent_figures if each["source"] == source), {})


def figure(figures: dict[str, Any], key: str) -> str:
    """A measured figure with its 95 % interval; '–' if missing."""
    if figures.get(key) is None:
        return "–"
    if key in COUNTS:
        return f"{figures[key]:,}"
    if key in SHARES:
        return format_share(figures, key)
    return f"{figures[key]:.3f}" + _interval(figures, key, "{:.3f}".format)


def format_share(figures: dict[str, Any] | None, key: str) -> str:
    """A measured proportion with its 95 % interval; '–' if either is missing.

    For 0 % and 100 % only the interval is given: the point estimate would mislead.
    """
    if not figures or figures.get(key) is None or not figures.get(f"{key}_interval"):
        return "–"
    low, high = figures[f"{key}_interval"]
    if figures[key] == 1:
        return _("at least %(share)s") % {"share": percent(low)}
    if figures[key] == 0:
        return _("at most %(share)s") % {"share": percent(high)}
    return percent(figures[key]) + _interval(figures, key, lambda bound: f"{bound * 100:.1f}")


def _interval(figures: dict[str, Any], key: str, shown: Callable[[float], str]) -> str:
    low, high = figures.get(f"{key}_interval") or (None, None)
    if low is None or high is None:
        return ""
    return f" ({shown(low)}–{shown(high)})"
