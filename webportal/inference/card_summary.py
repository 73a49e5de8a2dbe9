"""Summary of a model card for readers of another language: the card itself is English, and hashed.

The card's sentences are translated one by one, and shown only if that version's card contains them,
so that the summary never says more than the card. Figures come from the version.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from webportal.inference.figures import (
    NOT_MEASURED,
    POINTS,
    SCORES,
    SHARES,
    describe_calibration,
    figure,
    percent,
)
from webportal.inference.models import ModelVersion

INTENDED_USE = (
    gettext_noop(
        "Assistance to a radiologist who reads antero-posterior chest radiographs of children of"
        " {youngest_years} to {oldest_years} years for pneumonia: ordering a worklist, and a second"
        " look."
    ),
    gettext_noop(
        "It never replaces the reading: no result is final until a radiologist has signed."
    ),
    gettext_noop("It is no medical device: nobody has approved it for clinical use."),
)
OUT_OF_SCOPE = (
    gettext_noop(
        "Out of scope: adults and other ages, lateral views, findings other than pneumonia,"
        " excluding any disease, follow-up of a known pneumonia, choosing a treatment, and any use"
        " without a radiologist."
    ),
)
NOT_TESTED = (
    gettext_noop(
        "Of children nothing else was tested: no other hospital, country or make of equipment, no"
        " portable or bedside radiograph, no newborn."
    ),
    gettext_noop(
        "Sex, exact age, ethnicity, severity, other diseases, equipment: not recorded in the data,"
        " so figures by group cannot be given and unfairness between groups cannot be excluded."
    ),
    gettext_noop(
        "Figures on images of one hospital flatter: expect less elsewhere, and measure before use"
    ),
    gettext_noop(
        "Measure it on radiographs of your own, with known findings, before use, and again after"
        " any change of equipment."
    ),
)
_SHOWN = {name: {**SCORES, **SHARES}[name] for name in ("auroc", "sensitivity", "specificity")}


@dataclass(frozen=True)
class CardSummary:
    """The lines of each part, in the language of the page; a part may have none."""

    intended_use: Sequence[str]
    population: str
    out_of_scope: Sequence[str]
    figures: Sequence[str]
    operating_points: Sequence[str]
    not_tested: Sequence[str]


def card_summary(model: ModelVersion) -> CardSummary:
    """Return the summary of a version's card."""
    return CardSummary(
        _sentences_in_card(model, INTENDED_USE),
        describe_calibration(model),
        _sentences_in_card(model, OUT_OF_SCOPE),
        [_measured(each) for each in model.independent_figures] or [str(NOT_MEASURED)],
        _points(model),
        _sentences_in_card(model, NOT_TESTED),
    )


def _sentences_in_card(model: ModelVersion, sentences: Sequence[str]) -> list[str]:
    """Translate the sentences that the card contains."""
    # Emphasis may begin or end within a sentence.
    card = model.card.replace("*", "")
    ages = {name: model.population.get(name) for name in ("youngest_years", "oldest_years")}
    return [_(each).format(**ages) for each in sentences if each.format(**ages) in card]


def _measured(figures: dict[str, Any]) -> str:
    words = {
        "source": figures["source"],
        "images": figure(figures, "n"),
        "patients": figure(figures, "n_patients"),
        "pneumonia": figure(figures, "n_pneumonia"),
        "figures": _format_figures(figures),
        "refused": _whole(figure(figures, "refused")),
    }
    return _(
        "{source}, {images} independent images of {patients} patients, {pneumonia} of them with"
        " pneumonia: {figures}; {refused} refused by the gate."
    ).format(**words)


def _points(model: ModelVersion) -> list[str]:
    found = {name: model.thresholds.get(name) for name in POINTS}
    return [
        f"{POINTS[name]} {_whole(percent(point['threshold']))}"
        for name, point in found.items()
        if point
    ]


def _format_figures(figures: dict[str, Any]) -> str:
    known = {name: label for name, label in _SHOWN.items() if name in figures}
    return ", ".join(f"{label} {_whole(figure(figures, name))}" for name, label in known.items())


def _whole(words: str) -> str:
    """Keep a figure, its unit and its interval on one line."""
    return words.replace(" ", "\N{NO-BREAK SPACE}")
