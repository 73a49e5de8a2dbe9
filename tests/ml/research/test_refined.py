"""From a refined network to a package."""

import json
from pathlib import Path

import numpy as np
import pytest

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.adults import measure_adults
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import Scale
from ml.research.packaging.refined import CalibrationData, build_refined_package
from ml.serving.package import ModelPackage
from ml.serving.runtimes.tensorflow import load_network
from tests.ml.networks import random_network, uncompiled, write_open_package
from tests.ml.research.test_packaging import SIZE, invented, labelled, phantoms

pytestmark = pytest.mark.usefixtures("_few_replicates")

RSNA = ("Lung Opacity", "Normal", "No Lung Opacity / Not Normal")


def adults(n: int) -> list[LabelledImage]:
    return [
        LabelledImage(
            Path(f"{i}.jpg"),
            "",
            f"a{i}",
            "",
            i,
            {"rsna": RSNA[i % 3], "view": ("PA", "AP")[i // 3 % 2], "labels": "", "trust": ""},
        )
        for i in range(n)
    ]


def test_adults_are_measured_within_views_and_against_all_others() -> None:
    folds = {"one": invented("one", 400), "other": invented("other", 400)}
    scale = Scale.fit(list(folds.values()), labelled("training", 400))
    images = adults(120)
    # Those with another abnormality look like those with an opacity.
    logits = np.array([-3.0 if image.columns["rsna"] == "Normal" else 3.0 for image in images])
    nothing, no_inputs = np.zeros((120, 1, 1)), np.zeros((120, 1, 1), np.uint8)
    said = Responses(no_inputs, images, logits, nothing, nothing, None)

    figures = measure_adults(said, scale)

    assert {name: each["n"] for name, each in figures.items()} == {
        "opacity against normal, PA": 40,
        "opacity against normal, AP": 40,
        "opacity against all others, PA": 60,
        "opacity against all others, AP": 60,
        "opacity against all others": 120,
    }
    assert figures["opacity against normal, PA"]["auroc"] == 1
    assert figures["opacity against all others"]["specificity"] == 0.5


def test_calibration_includes_adults_and_sensitivities_only_children() -> None:
    children = {"one": invented("one", 400), "other": invented("other", 400)}
    images = adults(120)
    nothing, no_inputs = np.zeros((120, 1, 1)), np.zeros((120, 1, 1), np.uint8)

    def data(shift: float) -> CalibrationData:
        ill = np.array([i.columns["rsna"] == "Lung Opacity" for i in images])
        logits = np.where(ill, 2.0, shift) + np.random.default_rng(0).normal(0, 1, 120)
        said = Responses(no_inputs, images, logits, nothing, nothing, None)
        return CalibrationData(children, children, said)

    training = labelled("training", 400)
    clear, high = (data(shift).scale(training) for shift in (-2.0, 3.0))

    def at(scale: Scale, logit: float) -> float:
        return float(scale.pneumonia.probabilities(np.array(logit)))

    def logit_of(scale: Scale, name: str) -> float:
        grid = np.linspace(-8, 8, 16001)
        told = scale.pneumonia.probabilities(grid)
        return float(grid[np.searchsorted(told, scale.points[name].threshold)])

    assert at(high, 3.0) < at(clear, 3.0)
    assert logit_of(high, "decision") == pytest.approx(logit_of(clear, "decision"), abs=0.01)
    assert logit_of(high, "likely") > logit_of(clear, "likely") + 1


def refined(start: ModelPackage, out: Path) -> ModelPackage:
    """Write a package as if refining had altered the classifier."""
    network = load_network(start)
    classifier = network.get_layer("classifier")
    kernel, bias = classifier.get_weights()
    classifier.set_weights([kernel * 0.9, bias])
    with uncompiled():
        folds = {
            name: Responses.of(network, phantoms(name, 8), labelled(name, 8))
            for name in ("random", "lowest")
        }
        of_adults = Responses.of(network, phantoms("adults", 12), adults(12))
    about = {
        "images": 16,
        "pneumonia": 12,
        "patients": 16,
        "adults": {"images": 6, "patients": 6, "read_by_radiologists": 6, "start": "the-start"},
        "command": "refine",
        "options": {"seed": 0},
    }
    data = CalibrationData(folds, folds, of_adults)
    return build_refined_package(out, network, start, labelled("training", 16), data, about)


def test_a_refined_package_keeps_the_gate_and_reports_figures_for_adults(
    tmp_path: Path, shipped: ModelPackage
) -> None:
    start = write_open_package(random_network(SIZE), shipped, tmp_path / "start-2026.10")

    package = refined(start, tmp_path / "refined-2026.11")

    assert package.gate_path.read_bytes() == start.gate_path.read_bytes()
    facts = json.loads((package.path / "package.json").read_text())
    before = json.loads((start.path / "package.json").read_text())
    assert facts["gate"] == before["gate"]
    assert facts["population"] == before["population"]
    assert set(facts["figures"]) == {"random", "lowest"}
    assert facts["adults"]["opacity against all others"]["n"] == 12
    assert "6 radiographs of 6 adults" in package.card
    assert "the-start" in package.card
    assert "| opacity against normal, PA |" in package.card
    assert "by networks that had not seen them)" in package.plots["roc"]
    assert "adults, PA" in package.plots["scores"]
