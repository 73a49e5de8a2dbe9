"""The model card states what was measured."""

import json
from typing import Any

import numpy as np
import pytest

from ml.research.evaluation.figures import METHOD, Cases, measure
from ml.research.packaging.card import write_card
from ml.serving.package import BRANCHED_FORMAT, CALIBRATED_FORMAT

THRESHOLDS = {"unlikely": 0.2, "decision": 0.5, "likely": 0.8}
CALIBRATION = {"slope": 1.0, "offset": 0.0, "margin": 0.001, "prevalence": 0.743}
POINT = {
    "threshold": 0.4321,
    "criterion": "a reason",
    "sensitivity": 0.971,
    "specificity": 0.953,
    "sensitivity_interval": [0.958, 0.983],
    "specificity_interval": [0.921, 0.977],
}
GATE = {
    "radiographs": {"n": 530, "refused": 0.006, "turned": 0.0},
    "mirrored": {"n": 530, "refused": 0.02, "righted": 0.0, "righted_wrongly": 0.0, "named": 0.0},
    "groups": [
        {
            "source": "elsewhere",
            "by": "view",
            "group": "PA",
            "n": 264,
            "n_patients": 200,
            "refused": 0.004,
            "refused_interval": [0.0, 0.011],
        }
    ],
    "clear_outsiders": {"n": 100, "refused": 0.987, "righted": 0.0},
    "outsiders": {
        "noise": {
            "group": "other",
            "unseen": True,
            "n": 100,
            "refused": 0.987,
            "righted": 0.0,
            "righted_wrongly": 0.0,
            "named": 0.0,
        }
    },
}


def facts(**changed: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    kinds = np.repeat(["normal", "bacteria", "virus"], 40)
    cases = Cases(
        kinds,
        np.arange(120).astype(str),
        np.clip(np.where(kinds == "normal", 0.2, 0.8) + rng.normal(0, 0.2, 120), 0, 1),
        np.clip(np.where(kinds == "bacteria", 0.6, 0.4) + rng.normal(0, 0.2, 120), 0, 1),
    )
    # As it comes out of package.json.
    found: dict[str, Any] = json.loads(
        json.dumps(
            {
                "name": "A network",
                "version": "made-2026.11",
                "backbone": "lite1",
                "input": {"size": 224},
                "population": {"youngest_years": 1, "oldest_years": 5},
                "thresholds": dict.fromkeys(THRESHOLDS, POINT),
                "calibration": CALIBRATION,
                "bacterial_calibration": {**CALIBRATION, "prevalence": 0.66},
                "heatmap_places": 14,
                "heatmap_full_scale": 12.34,
                "heatmap_rim_share": 0.31,
                "figures": {
                    name: measure(cases, THRESHOLDS, replicates=50) for name in ("random", "other")
                },
                "figures_method": METHOD,
                "gate": GATE,
                "occlusion": {
                    "n": 200,
                    "area": 0.15,
                    "random_boxes": 8,
                    "hottest_drops_more": 0.93,
                    "median_drop_hottest": 2.5,
                    "median_drop_random": 0.5,
                    "median_difference": 1.9,
                    "ratio": 5.0,
                },
                "sameness": None,
                "training": {
                    "images": 4153,
                    "patients": 2283,
                    "pneumonia": 3067,
                    "command": "python -m ml train",
                    "options": {"epochs": 12},
                },
                **changed,
            }
        )
    )
    return found


def test_the_card_has_the_sections_of_model_cards_for_model_reporting() -> None:
    headings = [line[3:] for line in write_card(facts()).splitlines() if line.startswith("## ")]
    assert headings[:9] == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ]


@pytest.mark.parametrize(
    "words",
    [
        "made-2026.11",
        "children of 1 to 5 years",
        "None: every image took part in training this version",
        "0.432",
        "assumes that 74% of the images",
        "between 0.001 and 0.999",
        "93% of the images",
        "2.50 against 0.50, 5.0 times as much",
        "| noise † | 100 | 98.7% | 0.0% | 0.0% | 1.3% |",
        "66% of the pneumonias are bacterial",
        "Do not base treatment on it",
        "Not measured for this version",
    ],
)
def test_the_card_states_what_was_measured(words: str) -> None:
    assert words in write_card(facts())


def test_each_fold_has_its_figures_with_intervals() -> None:
    given = facts()
    card = write_card(given)
    fold = given["figures"]["random"]
    low, high = fold["auroc_interval"]
    assert f"| AUROC | {fold['auroc']:.3f} ({low:.3f} to {high:.3f}) |" in card
    assert "|  | random | other |" in card


def test_a_version_without_patterns_says_so() -> None:
    given = facts(bacterial_calibration=None)
    for fold in given["figures"].values():
        fold["bacterial_against_viral"] = None
    assert "does not tell bacterial from viral pattern" in write_card(given)


def test_a_class_without_images_is_a_dash() -> None:
    given = facts()
    given["figures"]["other"]["sensitivity"] = None
    given["figures"]["other"]["sensitivity_interval"] = [None, None]
    assert "| – |" in write_card(given)


def test_file_formats_are_shown_if_compared() -> None:
    against = {"same": 0.979, "largest_difference": 0.084, "refused": 1}
    consistency = {
        "n": 48,
        "tolerance": 0.05,
        "same": 0.958,
        "against_original": {"PNG": against},
        "extra": {"small": against},
    }
    card = write_card(facts(sameness=consistency))
    assert "within 0.05 for 95.8% of the images" in card
    assert "| PNG | 97.9% | 0.084 | 1 |" in card


def test_figures_of_images_that_chose_the_thresholds_are_omitted() -> None:
    card = write_card(facts())
    assert "97.1%" not in card
    assert "95.3%" not in card


def test_independent_figures_come_with_their_source_and_intervals() -> None:
    measured = {"source": "children of another hospital", **facts()["figures"]["random"]}
    card = write_card(facts(independent=[measured]))
    assert "None: every image took part" not in card
    section = card.split("### Independent images")[1].split("###")[0]
    assert "|  | children of another hospital |" in section
    assert "| images | 120 |" in section
    low, high = measured["operating_points"]["likely"]["sensitivity_interval"]
    assert f"({low:.1%} to {high:.1%})" in section


def test_the_heat_map_is_compared_with_drawn_boxes_where_there_are_any() -> None:
    assert "not compared with boxes" in write_card(facts())
    figures = {
        "n": 34,
        "pointed": 0.147,
        "pointed_interval": [0.05, 0.25],
        "energy": 0.153,
        "energy_interval": [0.1, 0.2],
        "area": 0.067,
    }
    card = write_card(facts(pointing={"all findings": figures}))
    assert "| all findings | 34 | 14.7% (5.0% to 25.0%) | 15.3% (10.0% to 20.0%) | 6.7% |" in card
    assert "that the network has not seen" in card
    seen = write_card(facts(pointing={"all findings": figures}, pointing_seen=True))
    assert "that the network was trained with, without the boxes" in seen
    assert "that the network has not seen" not in seen.split("### The heat map")[1]


def test_plots_are_shown_with_what_is_seen_in_them_where_there_are_any() -> None:
    assert "packaged without them" in write_card(facts())
    card = write_card(facts(plots={"scores": "Histograms.", "roc": "Curves."}))
    assert "![Curves.](plots/roc.png)\n\n![Histograms.](plots/scores.png)" in card
    assert "by epoch are not shown" in card
    assert "by epoch are not shown" not in write_card(facts(plots={"learning": "Losses."}))


@pytest.mark.parametrize(
    ("start", "options", "words"),
    [
        (
            {"teacher": "a-teacher", "start": "ImageNet"},
            {"left_out": [0], "unread_trust": 1.0},
            [
                "was trained on both, starting from ImageNet weights, with a-teacher as a teacher",
                "The network has not seen these patients, a third of all.",
                "which are noisy. The network",
            ],
        ),
        (
            {"teacher": "a-teacher", "start": "the-start"},
            {"left_out": [0, 1], "unread_trust": 0.3, "start_share": 0.4},
            [
                "The network of the-start went on from there, in all but its first stages",
                "40% of the weights are those of the-start.",
                "Each image was assessed by the network that was trained without its patient",
                "which are noisy and count for less.",
            ],
        ),
        (
            {"start": "the-start"},
            {"left_out": [0, 2]},
            ["in its last two stages alone", "which are noisy and count for less."],
        ),
    ],
)
def test_the_card_says_how_adults_were_trained_on_and_who_measured_them(
    start: dict[str, str], options: dict[str, Any], words: list[str]
) -> None:
    adults = {"images": 6, "patients": 5, "read_by_radiologists": 4, **start}
    given = facts()
    training = given["training"] | {"adults": adults, "options": options}
    card = write_card(given | {"adults": given["figures"], "training": training})
    for expected in words:
        assert expected in card


def test_a_version_with_stages_for_adults_tells_both_apart() -> None:
    given = facts(
        format=BRANCHED_FORMAT,
        adults=facts()["figures"],
        adult_stages={
            "calibration": {**CALIBRATION, "margin": 0.004},
            "heatmap_full_scale": 7.89,
            "command": "python -m ml adults",
            "options": {"left_out": [0, 1, 2]},
            "children": facts()["figures"],
            "chooser": {
                "held-out children": {
                    "n": 1063,
                    "n_patients": 563,
                    "as_adults": 0.012,
                    "as_adults_interval": [0.005, 0.02],
                }
            },
        },
    )
    card = write_card(given)
    assert "between 0.001 and 0.999 (0.004 and 0.996 in adults' images)" in card
    assert "12.3 or more, in adults' images 7.9" in card
    assert "upper stages exist twice" in card
    assert "The result says which it was (`assessed_as`)" in card
    assert "python -m ml train\npython -m ml adults\n" in card
    assert "Options: epochs 12; for adults: left_out [0, 1, 2]." in card
    assert "were all of them taken for adults" in card
    assert "| held-out children | 1063 | 563 | 1.2% (0.5% to 2.0%) |" in card
    assert "upper stages" not in write_card(facts())


def test_a_version_with_a_calibration_for_adults_has_figures_with_both() -> None:
    own = facts()["figures"] | {"opacity against all others": facts()["figures"]["random"]}
    card = write_card(
        facts(
            format=CALIBRATED_FORMAT,
            adults=facts()["figures"],
            adult_stages={
                "calibration": {**CALIBRATION, "margin": 0.05},
                "heatmap_full_scale": 7.89,
                "command": "python -m ml calibrate",
                "options": {"pool": 4096},
                "figures": own,
                "pointing_seen": True,
                "error_at_even_odds": {"own": 0.0412, "of_children": 0.22},
                "children": facts()["figures"],
                "chooser": {},
            },
        )
    )
    assert "upper stages" not in card
    assert "assessed by the same network, with a calibration of its own" in card
    assert "The calibration is that of children" in card
    assert "The network was trained with them" in card
    assert "assumes, it is 0.041, and 0.220 with the calibration of children" in card
    assert "|  | random | other | opacity against all others |" in card
    assert "no image taken for an adult's is called unlikely" in card
