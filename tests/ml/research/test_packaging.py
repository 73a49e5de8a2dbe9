"""From a network and held-out folds to a package."""

import json
from pathlib import Path

import numpy as np
import pytest

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.held_out import cross_measured, measured_again
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import Scale
from ml.research.packaging.trained import build_package
from ml.serving.predictor import Predictor
from tests import dicom_files
from tests.ml.networks import random_network

pytestmark = pytest.mark.usefixtures("_few_replicates")

SIZE = 64
KINDS = ("normal", "bacteria", "bacteria", "virus")


def labelled(name: str, n: int) -> list[LabelledImage]:
    return [
        LabelledImage(Path(f"{name}-{i}.png"), KINDS[i % len(KINDS)], f"{name}-{i}", "", i)
        for i in range(n)
    ]


def invented(name: str, n: int, shift: float = 0.0, *, subtype: bool = True) -> Responses:
    """Return what a fair network might say to n images that are not there."""
    rng = np.random.default_rng(len(name) + n)
    images = labelled(name, n)
    ill = np.array([image.is_pneumonia for image in images])
    bacterial = np.array([image.kind == "bacteria" for image in images])
    return Responses(
        inputs=rng.integers(0, 256, (n, 28, 28), dtype=np.uint8),
        images=images,
        logits=np.where(ill, 2.0, -2.0) + rng.normal(shift, 1.0, n),
        activation_maps=rng.normal(0, 1, (n, 14, 14)),
        layouts=rng.normal(0, 1, (n, 2, 2, 4)),
        subtype_logits=np.where(bacterial, 0.5, -0.5) + rng.normal(0, 1, n) if subtype else None,
    )


def nothing_refused(held_out: dict[str, Responses]) -> dict[str, np.ndarray]:
    return {name: np.zeros(len(fold.images), np.bool_) for name, fold in held_out.items()}


def test_a_fold_is_measured_with_the_calibration_of_the_others() -> None:
    training = labelled("training", 400)
    as_usual = {"one": invented("one", 400), "other": invented("other", 400)}
    shifted = {**as_usual, "one": invented("one", 400, shift=-4.0)}
    fair = cross_measured(training, as_usual, nothing_refused(as_usual))
    unfair = cross_measured(training, shifted, nothing_refused(shifted))
    thresholds = [figures["one"]["operating_points"] for figures in (fair, unfair)]
    assert thresholds[0]["decision"]["threshold"] == thresholds[1]["decision"]["threshold"]
    # Its own images would have put the threshold where they are.
    assert fair["one"]["sensitivity"] == pytest.approx(0.97, abs=0.03)
    assert unfair["one"]["sensitivity"] < 0.5
    assert fair["one"]["ece"] < 0.05
    assert unfair["other"]["ece"] > 0.1


def test_refused_images_have_no_figures() -> None:
    held_out = {"one": invented("one", 400), "other": invented("other", 400)}
    # Every false negative is refused.
    ill = held_out["one"].targets == 1
    missed = ill & (held_out["one"].logits < 1)
    refused = {**nothing_refused(held_out), "one": missed}
    figures = cross_measured(labelled("training", 400), held_out, refused)
    assert figures["one"]["refused"] == round(missed.mean(), 4)
    assert figures["other"]["refused"] == 0.0
    assert figures["one"]["sensitivity"] == 1.0
    assert figures["one"]["accuracy_refused_as_wrong"] < figures["one"]["accuracy"]


def test_a_fold_is_measured_again_with_the_calibration_of_its_figures() -> None:
    held_out = {"one": invented("one", 400), "other": invented("other", 400, shift=-1.0)}
    figures = cross_measured(labelled("training", 400), held_out, nothing_refused(held_out))
    stored = json.loads(json.dumps(figures["one"]))

    again = measured_again(stored, held_out["one"], np.zeros(400, np.bool_))
    assert json.loads(json.dumps(again)) == stored

    missed = (held_out["one"].targets == 1) & (held_out["one"].logits < 1)
    gated = measured_again(stored, held_out["one"], missed)
    assert gated["refused"] == round(missed.mean(), 4)
    assert gated["sensitivity"] > stored["sensitivity"]
    assert (
        gated["operating_points"]["decision"]["threshold"]
        == (stored["operating_points"]["decision"]["threshold"])
    )
    assert gated["calibration"] == stored["calibration"]


def test_pneumonia_assumes_even_odds_and_its_pattern_the_training_mix() -> None:
    folds = [invented("one", 400), invented("other", 400)]
    assert np.mean([fold.targets.mean() for fold in folds]) > 0.7
    usual = Scale.fit(folds, labelled("training", 400))
    # Halfway between the log-odds of the two classes.
    assert usual.pneumonia.probabilities(np.array(0.0)) == pytest.approx(0.5, abs=0.07)
    assert usual.bacterial is not None
    # Equal odds in the folds' own terms come out as two bacterial for one viral.
    assert usual.bacterial.probabilities(np.array(0.0)) == pytest.approx(2 / 3, abs=0.07)


def test_a_network_without_patterns_has_no_second_calibration() -> None:
    folds = [invented("one", 400, subtype=False), invented("other", 400, subtype=False)]
    scale = Scale.fit(folds, labelled("training", 400))
    assert scale.bacterial is None
    assert scale.cases(folds[0], np.zeros(400, np.bool_)).bacterial_probabilities is None


def phantoms(name: str, n: int, size: int = SIZE) -> np.ndarray:
    return np.stack(
        [dicom_files.phantom(8, (size, size), seed=len(name) * 100 + i) for i in range(n)]
    )


@pytest.mark.timeout(900)
def test_a_package_is_built_and_served_as_measured(tmp_path: Path) -> None:
    network = random_network(SIZE)
    folds = {
        name: Responses.of(network, phantoms(name, 8), labelled(name, 8))
        for name in ("random", "lowest", "series")
    }
    training = Responses.of(network, phantoms("training", 16), labelled("training", 16))
    about = {"images": 16, "pneumonia": 12, "patients": 16, "command": "train", "options": {"a": 1}}
    package = build_package(
        tmp_path / "made-2026.11", network, training, folds, about, ood_per_kind=1
    )

    assert package.version == "made-2026.11"
    assert set(package.figures) == {"random", "lowest", "series"}
    assert package.calibration.margin == pytest.approx(1 / (24 + 2))
    assert package.population["prevalence"] == 0.5
    for point in package.thresholds.values():
        assert point.sensitivity_interval[0] <= point.sensitivity <= point.sensitivity_interval[1]
    facts = json.loads((package.path / "package.json").read_text())
    assert facts["occlusion"]["n"] == 18
    assert facts["sameness"] is None
    assert package.version in package.card
    assert "![Bars of the number of images" in package.card
    assert "children, training: " in package.plots["images"]

    inputs = folds["random"].inputs
    outputs = network.predict(inputs, verbose=0)
    assessments = Predictor(package, device="cpu").predict(inputs)
    for i, assessment in enumerate(assessments):
        if assessment.probability is None:
            assert assessment.bacterial_probability is None
            continue
        probability = package.calibration.probabilities(outputs["logit"][i])
        assert assessment.probability == pytest.approx(float(probability), abs=1e-3)
        if package.bacterial_calibration is None:
            assert "subtype_logit" not in outputs
            assert assessment.bacterial_probability is None
            continue
        bacterial = package.bacterial_calibration.probabilities(outputs["subtype_logit"][i])
        assert assessment.bacterial_probability == pytest.approx(float(bacterial), abs=1e-3)
