"""A version's operating points and figures as rows to show, for one version or two side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from webportal.inference.models import ModelVersion

POINTS = {
    "unlikely": gettext_lazy("Unlikely below"),
    "decision": gettext_lazy("Yes or no at"),
    "likely": gettext_lazy("Likely from"),
}
SHARES = {
    "accuracy": gettext_lazy("Accuracy"),
    "sensitivity": gettext_lazy("Sensitivity"),
    "specificity": gettext_lazy("Specificity"),
    "refused": gettext_lazy("Refused by the gate"),
}
SCORES = {
    "auroc": gettext_lazy("AUROC"),
    "average_precision": gettext_lazy("Average precision"),
    "brier": gettext_lazy("Brier score"),
    "ece": gettext_lazy("Calibration error"),
}
# How packages name the folds; one that is named otherwise is shown as it is.
gettext_noop("random")
gettext_noop("pessimistic")
COUNTS = {"n": gettext_lazy("Images"), "n_pneumonia": gettext_lazy("of them with pneumonia")}


@dataclass(frozen=True)
class Row:
    """One figure in words, with its value for each version; '–' where a version has none."""

    label: str
    values: Sequence[str]


@dataclass(frozen=True)
class Section:
    """Figures that belong together."""

    title: str
    rows: Sequence[Row]


def percent(share: float) -> str:
    """A measured share of images, with one decimal."""
    return f"{share * 100:.1f} %"


def sections(models: Sequence[ModelVersion]) -> list[Section]:
    """Operating points, population and measured figures of the versions, one column each."""
    found = [_points(models), _population(models)]
    found += [_fold(fold, models) for fold in folds(models)]
    return [section for section in found if section.rows]


def folds(models: Sequence[ModelVersion]) -> list[str]:
    """Names of the held-out folds that any of the versions was measured on."""
    names = dict.fromkeys(
        fold for model in models for fold, value in model.figures.items() if _is_fold(value)
    )
    return list(names)


def population_words(model: ModelVersion) -> str:
    """On whom the version's probability was calibrated, in words; '' when it does not say."""
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


def _points(models: Sequence[ModelVersion]) -> Section:
    rows = []
    for name, label in POINTS.items():
        points = [model.thresholds.get(name) for model in models]
        if not any(points):
            continue
        rows.append(Row(str(label), [percent(p["threshold"]) if p else "–" for p in points]))
        for key in ("sensitivity", "specificity"):
            rows.append(Row(f"– {SHARES[key]}", [share_words(p, key) for p in points]))
    return Section(_("Operating points"), rows)


def _population(models: Sequence[ModelVersion]) -> Section:
    words = [population_words(model) or "–" for model in models]
    rows = [Row(_("Images"), words)] if any(model.population for model in models) else []
    return Section(_("Calibrated on"), rows)


def _fold(fold: str, models: Sequence[ModelVersion]) -> Section:
    figures: list[dict[str, Any]] = [
        value if _is_fold(value := model.figures.get(fold)) else {} for model in models
    ]
    rows = []
    for key, label in {**COUNTS, **SCORES, **SHARES}.items():
        if any(key in each for each in figures):
            rows.append(Row(str(label), [figure(each, key) for each in figures]))
    patterns = [each.get("bacterial_against_viral") or {} for each in figures]
    if any(patterns):
        rows.append(
            Row(_("Bacterial against viral: AUROC"), [figure(each, "auroc") for each in patterns])
        )
        rows.append(Row(_("– accuracy"), [figure(each, "accuracy") for each in patterns]))
    return Section(_("Measured on the fold “%(fold)s”") % {"fold": _(fold)}, rows)


def _is_fold(value: Any) -> bool:
    return isinstance(value, dict) and "auroc" in value


def figure(figures: dict[str, Any], key: str) -> str:
    """A measured figure with its 95 % interval where there is one; '–' where it is missing."""
    if figures.get(key) is None:
        return "–"
    if key in COUNTS:
        return f"{figures[key]:,}"
    if key in SHARES:
        return share_words(figures, key)
    return f"{figures[key]:.3f}" + _interval(figures, key, "{:.3f}".format)


def share_words(figures: dict[str, Any] | None, key: str) -> str:
    """A measured share with its 95 % interval where there is one; '–' where it is missing."""
    if not figures or figures.get(key) is None:
        return "–"
    return percent(figures[key]) + _interval(figures, key, lambda bound: f"{bound * 100:.1f}")


def _interval(figures: dict[str, Any], key: str, shown: Callable[[float], str]) -> str:
    low, high = figures.get(f"{key}_interval") or (None, None)
    if low is None or high is None:
        return ""
    return f" ({shown(low)}–{shown(high)})"
