"""What a package's card says of adults."""

from collections.abc import Mapping
from typing import Any

from ml.research.packaging.card_tables import (
    SCORES,
    SHARES,
    figure,
    folds_table,
    points_by_fold,
    table,
)
from ml.serving.package import BRANCHED_FORMAT, CALIBRATED_FORMAT

# The gate was bypassed.
_SHARES = {name: SHARES[name] for name in ("accuracy", "sensitivity", "specificity")}


def way_of_adults(facts: Mapping[str, Any]) -> str:
    """Return how a package assesses adults' images in its own way, a line of the card's list."""
    if not facts.get("adult_stages"):
        return ""
    if facts["format"] == BRANCHED_FORMAT:
        how = (
            "The network's upper stages exist twice, on one trunk: an image that looks like an"
            " adult's is assessed by those for adults, with their own calibration."
        )
        about = "the stages for children"
    else:
        how = (
            "An image that looks like an adult's is assessed by the same network, with a"
            " calibration of its own: its probability is that of a lung opacity against everything"
            " else, normal or abnormal, at even odds."
        )
        about = "images that look like a child's"
    return (
        f"\n- {how} The result says which it was (`assessed_as`). The image decides, not the age"
        " that its file states. Of adults no pattern, bacterial or viral, is given. The operating"
        f" points are the same for both. Unless it says otherwise, this card is about {about}."
    )


def adults_section(facts: Mapping[str, Any]) -> str:
    """Return the figures for adults, for whom the package is not intended."""
    figures = facts.get("adults")
    if not figures:
        return "Not measured: this version has seen no adult."
    stages = facts.get("adult_stages")
    is_calibrated = facts.get("format") == CALIBRATED_FORMAT
    text = (
        "Adults and adolescents of the NIH Clinical Center (ChestX-ray14), as radiologists read"
        f" them (RSNA Pneumonia Detection Challenge and others). {_measured_by(facts)} *Normal*"
        " means a normal chest in the first two columns, and no opacity in the others, where most"
        " are ill in another way. Within a view, because the view alone tells much of the class."
        f"\n\n{folds_table(figures, {**SCORES, **_SHARES})}"
    )
    if is_calibrated:
        text += f"\n\n{_calibrated(facts)}"
        figures = facts["adult_stages"]["figures"]
    if stages:
        text += f"\n\nAt every operating point:\n\n{points_by_fold(figures, 'images')}"
        text += f"\n\n{_choice(stages)}{_children_as_adults(stages)}"
    return text


def _measured_by(facts: Mapping[str, Any]) -> str:
    """Return which network assessed the adults, and how they were calibrated."""
    stages = facts.get("adult_stages")
    is_branched = facts.get("format") == BRANCHED_FORMAT
    # The parts of the patients that a training each left out.
    trained = facts["adult_stages" if is_branched else "training"]
    left_out = trained["options"].get("left_out", ())
    assessed = "Each image was assessed by the network that was trained without its patient; the"
    assessed += " network that ships is the mean of these networks."
    if len(left_out) == 1:
        assessed = "The network has not seen these patients, a third of all."
    if is_branched:
        return (
            f"{assessed} All of them by the upper stages for adults, with their calibration, in"
            " which all took part, and the thresholds of this version."
        )
    calibrated = "Calibration and thresholds are this version's."
    if stages:
        calibrated = "The calibration is that of children, the thresholds are this version's."
    return (
        f"{assessed} {calibrated} Those with an opacity or a normal chest took part in the"
        " calibration."
    )


def _calibrated(facts: Mapping[str, Any]) -> str:
    """Return the figures of adults with a calibration of their own."""
    stages = facts["adult_stages"]
    seen = ""
    if stages.get("pointing_seen"):
        seen = (
            " The network was trained with them, so that it tells them apart better than others:"
            " what it reaches on adults that it has not seen is in the table above."
        )
    return (
        "The same with the calibration for adults, fitted to opacity against everything else, each"
        f" third of the patients on the two others.{seen} {_errors(stages)} The lowest probability"
        " is that of the point *unlikely*, so that no image taken for an adult's is called"
        " unlikely."
        f"\n\n{folds_table(stages['figures'], {**SCORES, **_SHARES})}"
    )


def _errors(stages: Mapping[str, Any]) -> str:
    """Return the calibration errors for what the probabilities assume."""
    errors = stages["error_at_even_odds"]
    return (
        "The calibration error in the table is that for the share of opacities in these images; at"
        f" even odds, which the probability assumes, it is {errors['own']:.3f}, and"
        f" {errors['of_children']:.3f} with the calibration of children."
    )


def _choice(stages: Mapping[str, Any]) -> str:
    """Return how often an image is taken for an adult's."""
    lines = [
        (group, found["n"], found["n_patients"], figure(found, "as_adults"))
        for group, found in stages["chooser"].items()
    ]
    heads = ["images", "n", "patients", "taken for an adult's"]
    return (
        "Whether an image is taken for a child's or an adult's is decided from the features of the"
        " trunk. The groups below took no part in fitting what decides. Children and adults come"
        " from different hospitals here, so that elsewhere it may be wrong more often; a result is"
        f" then calibrated on other ages.\n\n{table(heads, lines)}"
    )


def _children_as_adults(stages: Mapping[str, Any]) -> str:
    """Return what becomes of children whose images are taken for adults'."""
    if not stages.get("children"):
        return ""
    figures = folds_table(stages["children"], {**SCORES, **_SHARES})
    return (
        "\n\nA child whose image is taken for an adult's is assessed as one. Of the held-out"
        f" children, were all of them taken for adults:\n\n{figures}"
    )
