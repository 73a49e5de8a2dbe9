"""Figures of a gate: shares by source and group, and what becomes of OOD pictures."""

import numpy as np
import pytest

from ml.research.gate.measuring import Measured, measure_gate
from ml.research.gate.report import gate_section
from ml.serving.gate.decision import Classifier, Gate

SIZE = 112
MEAN_GREY = 1  # among the statistics


@pytest.fixture(scope="module")
def gate() -> Gate:
    """A gate for which a chest is what is brighter than mid-grey."""
    pytest.importorskip("skimage", reason="needs the extra evaluation (scikit-image)")
    weights = np.zeros((3, 13), np.float32)
    weights[0, MEAN_GREY] = 10
    biases = np.array([0, -9, 5], np.float32)
    return Gate(0.0, Classifier(weights, biases, 0.0, 0.0), np.zeros(196, np.float32))


def layouts_of(inputs: np.ndarray) -> np.ndarray:
    return np.zeros((len(inputs), 1, 1, 1), np.float32)


def pictures(n: int, mean: int) -> np.ndarray:
    rng = np.random.default_rng(mean)
    return rng.integers(mean - 40, mean + 40, (n, SIZE, SIZE), dtype=np.uint8)


def test_the_share_refused_is_given_by_source_and_group(gate: Gate) -> None:
    bright, dark = pictures(6, 200), pictures(2, 60)
    sources = {
        "here": Measured(bright, [f"h{i}" for i in range(6)], {}),
        "there": Measured(
            np.concatenate([bright[:2], dark]),
            ["a", "a", "b", "c"],
            {"view": ["PA", "PA", "PA", "AP"]},
        ),
    }
    figures = measure_gate(gate, sources, layouts_of, {"hands": dark, "pages": bright}, per_kind=1)

    found = {(g["source"], g["group"]): (g["n"], g["refused"]) for g in figures["groups"]}
    assert found == {
        ("here", ""): (6, 0.0),
        ("there", ""): (4, 0.5),
        ("there", "PA"): (3, 0.3333),
        ("there", "AP"): (1, 1.0),
    }
    assert figures["radiographs"] == {"n": 10, "refused": 0.2, "turned": 0.0}
    assert figures["outsiders"]["hands"]["refused"] == 1.0
    assert figures["outsiders"]["pages"]["refused"] == 0.0
    none_refused = next(g for g in figures["groups"] if g["source"] == "here")
    assert none_refused["refused_interval"] == [0.0, 0.4593]

    section = gate_section(figures)
    assert "| there | view: PA | 3 | 2 | 66.7% (" in section
    assert "| here | all | 6 | 6 | 100.0% (54.1% to 100.0%) |" in section
    assert "| hands | 2 | 100.0%" in section
