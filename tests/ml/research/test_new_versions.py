"""The commands that make a new version of a package: from files to a package that loads."""

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ml.__main__ import main
from ml.research.gate import refitting
from ml.research.training import adults as training_adults
from ml.serving.assessment import Assessment
from ml.serving.chooser import Chooser
from ml.serving.package import ModelPackage, load_package, seal_package
from ml.serving.predictor import Predictor
from ml.serving.runtimes.tensorflow import load_network
from ml.serving.stages import ADULT, CHILD, Stages
from tests.ml.made_up_sources import SIZE, write_adults, write_children, write_hands
from tests.ml.networks import random_network, uncompiled, write_open_package

pytestmark = pytest.mark.usefixtures("_few_replicates")


class Refined(NamedTuple):
    """A package, what ``refine`` made of it, and the sources that it was refined with."""

    start: ModelPackage
    package: ModelPackage
    children: Path
    adults: Path


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory, shipped: ModelPackage) -> Refined:
    folder = tmp_path_factory.mktemp("refined")
    children, adults = write_children(folder / "children"), write_adults(folder / "adults")
    start = write_open_package(random_network(SIZE), shipped, folder / "made-1")
    with uncompiled():  # test_joint.py compiles the same losses
        package = made(
            folder / "made-2",
            *("refine", "--package", start.path, "--data", children, "--adults", adults),
            *("--pool", 64, "--steps", 1),
        )
    return Refined(start, package, children, adults)


def made(out: Path, *arguments: object) -> ModelPackage:
    assert main([*map(str, arguments), "--out", str(out)]) == 0
    return load_package(out)


def facts_of(package: ModelPackage) -> dict[str, Any]:
    facts = json.loads((package.path / "package.json").read_text())
    assert isinstance(facts, dict)
    return facts


def assessed_noise(package: ModelPackage) -> Assessment:
    noise = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE), dtype=np.uint8)
    return Predictor(package, device="cpu").predict(noise)[0]


def test_refining_makes_another_network_with_the_same_gate(refined: Refined) -> None:
    start, package, _, _ = refined
    assert package.version == "made-2"
    assert package.weights_path.read_bytes() != start.weights_path.read_bytes()
    assert package.gate_path.read_bytes() == start.gate_path.read_bytes()
    assert package.training["options"]["steps"] == 1
    assert package.training["adults"] == {
        "images": 72,
        "patients": 72,
        "read_by_radiologists": 54,
        "start": start.version,
    }
    # Those that radiologists read, of the two thirds that a training left out.
    assert 30 < facts_of(package)["adults"]["opacity against all others"]["n"] < 50
    assert set(package.plots) == {"images", "learning", "roc", "reliability", "scores"}
    # One training for each of two thirds.
    assert package.plots["learning"].count("logit_loss") == 2
    assert package.plots["learning"].count("logit_accuracy") == 2
    assert assessed_noise(package).probability is not None


def test_adults_get_upper_stages_of_their_own_and_children_keep_theirs(
    refined: Refined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, _, children, adults = refined
    # test_adults.py has the mean of several trainings.
    options = partial(training_adults.AdultsOptions, trainings=1)
    monkeypatch.setattr(training_adults, "AdultsOptions", options)
    with uncompiled():  # as above
        package = made(
            tmp_path / "made-both",
            *("adults", "--package", start.path, "--data", children, "--adults", adults),
            *("--pool", 96, "--steps", 1),
        )
    assert package.adult is not None
    assert "upper stages for adults: opacity or not" in package.plots["roc"]
    assert package.gate_path.read_bytes() == start.gate_path.read_bytes()
    before, after = load_network(start), load_network(package)
    for ours, theirs in zip(before.get_weights(), after.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    of_adults = load_network(package, ADULT)
    kernels = [each.get_layer("head").get_weights()[0] for each in (after, of_adults)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-6

    facts = facts_of(package)
    # All that radiologists read: each was left out of a training.
    assert facts["adults"]["opacity against all others"]["n"] == 54
    stages = facts["adult_stages"]
    assert stages["options"]["left_out"] == [0, 1, 2]
    assert stages["chooser"]["40 to 64 years"]["n"] == 25
    assert set(stages["children"]) == {"random", "pessimistic"}
    assert assessed_noise(package).probability is not None


def test_adults_get_a_calibration_of_their_own_and_children_keep_their_results(
    refined: Refined, tmp_path: Path
) -> None:
    _, before, children, adults = refined
    package = made(
        tmp_path / "made-5",
        *("calibrate", "--package", before.path, "--data", children, "--adults", adults),
        *("--pool", 96),
    )
    kept = ("network.onnx", "network.weights.h5", "gate.npz", "probes.npz")
    for name in kept:
        assert (package.path / name).read_bytes() == (before.path / name).read_bytes()
    assert package.thresholds == before.thresholds
    assert package.calibration == before.calibration
    assert package.population == {**before.population, "adult_stages": True}
    assert package.adult is not None
    facts, former = facts_of(package), facts_of(before)
    for name in ("training", "figures", "adults", "gate"):
        assert facts[name] == former[name]
    figures = facts["adult_stages"]["figures"]["opacity against all others"]
    assert figures["n"] == 54
    # None of them is unlikely, ill or well.
    unlikely = figures["operating_points"]["unlikely"]
    assert (unlikely["sensitivity"], unlikely["specificity"]) == (1.0, 0.0)
    assert "each third calibrated on the others" in package.plots["roc"]

    was, child, adult = (
        assessed_noise(each)
        for each in (before, taking_all_for(CHILD, package), taking_all_for(ADULT, package))
    )
    assert (was.assessed_as, child.assessed_as, adult.assessed_as) == ("", CHILD, ADULT)
    np.testing.assert_array_equal(child.heatmap, was.heatmap)
    assert dataclasses.replace(child, assessed_as="", heatmap=was.heatmap) == was
    of_children, own = package.calibration, package.adult.calibration
    assert was.probability is not None
    shown = (was.probability - of_children.margin) / (1 - 2 * of_children.margin)
    logit = (np.log(shown / (1 - shown)) - of_children.offset) / of_children.slope
    assert adult.probability == pytest.approx(own.probabilities(logit), abs=1e-4)
    assert adult.bacterial_probability is None


def taking_all_for(stages: Stages, package: ModelPackage) -> ModelPackage:
    """Return a copy of a package whose chooser takes every image for a child's, or an adult's."""
    folder = Path(shutil.copytree(package.path, package.path.with_name(stages)))
    Chooser.load(package.chooser_path).always(stages).save(folder / package.chooser_path.name)
    seal_package(folder)
    return load_package(folder)


def test_a_new_gate_leaves_the_network_and_its_calibration(
    refined: Refined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before, children, adults = refined
    hands = write_hands(tmp_path / "hands")
    # A few pictures of each kind are enough here.
    monkeypatch.setattr(refitting, "refit", partial(refitting.refit, per_kind=1, varied=8))

    package = made(
        tmp_path / "made-3",
        *("gate", "--package", before.path, "--data", children, "--chests", adults),
        *("--others", hands, "--measure-only", hands),
    )

    assert package.version == "made-3"
    assert package.weights_path.read_bytes() == before.weights_path.read_bytes()
    assert package.gate_path.read_bytes() != before.gate_path.read_bytes()
    assert package.calibration == before.calibration
    assert package.thresholds == before.thresholds
    for name, fold in package.figures.items():
        assert fold["calibration"] == before.figures[name]["calibration"]
    gate = facts_of(package)["gate"]
    assert {line["source"] for line in gate["groups"]} == {"children", "adults"}
    assert {"hands: Hand", "hands: "} <= set(gate["outsiders"])
    assert assessed_noise(package).reason_code == "not_frontal_chest"
