"""Inverted or rotated images are corrected if that is certain, and the result says so."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ml import images
from ml.serving.gate.decision import Gate
from ml.serving.gate.orientation import TURNS, UPRIGHT, Turn, applied, rotated
from ml.serving.gate.reorientation import judge
from ml.serving.predictor import Predictor
from ml.serving.preprocessing import network_input
from webportal.demo.phantoms import draw_phantom

MISORIENTED = [turn for turn in TURNS if turn != UPRIGHT]
SIZE = 112


def forward(inputs: np.ndarray) -> Mapping[str, np.ndarray]:
    """Stand for a network: block means are its map, and coarser ones its layout."""
    places = inputs.reshape(len(inputs), 14, SIZE // 14, 14, SIZE // 14).mean(axis=(2, 4)) / 255
    coarse = places.reshape(len(inputs), 7, 2, 7, 2).mean(axis=(2, 4))
    return {
        "logit": places.mean(axis=(1, 2)).astype(np.float32),
        "activation_map": places.astype(np.float32),
        "layout": coarse[..., None].astype(np.float32),
    }


@cache
def drawn(seed: int) -> np.ndarray:
    return draw_phantom(seed, (SIZE, SIZE), seed % 2 == 0, collimated=True)


def phantoms(first: int, n: int) -> np.ndarray:
    return np.stack([drawn(seed) for seed in range(first, first + n)])


@pytest.fixture(scope="module")
def gate() -> Gate:
    """A gate that knows phantoms, fitted as the real one is."""
    for name in ("skimage", "sklearn"):
        pytest.importorskip(name, reason="needs the extra evaluation")
    from ml.research.gate.fitting import Source, fit_gate

    source = Source(phantoms(0, 16), phantoms(40, 8))
    return fit_gate([source], lambda x: forward(x)["layout"], per_kind=6, varied=200)


@pytest.mark.parametrize("turn", MISORIENTED, ids=lambda turn: turn.name)
def test_a_misoriented_image_is_corrected_and_its_map_mapped_back(gate: Gate, turn: Turn) -> None:
    upright = phantoms(100, 8)
    came = applied(turn, upright)
    judged = judge(gate, came, forward(came), forward)
    turned = [i for i, done in enumerate(judged.turns) if done != UPRIGHT]
    assert len(turned) >= 6
    for i in turned:
        assert judged.turns[i] == turn.undone
        assert judged.refusals[i] is None
        # What the network said is about the upright picture ...
        assert judged.outputs["logit"][i] == pytest.approx(forward(upright)["logit"][i])
        # ... and the map lies as the picture came.
        expected = rotated(forward(upright)["activation_map"][i], turn.quarters)
        np.testing.assert_allclose(judged.outputs["activation_map"][i], expected)


def test_upright_and_mirrored_images_are_not_altered(gate: Gate) -> None:
    upright = phantoms(100, 8)
    for inputs in (upright, np.ascontiguousarray(upright[:, :, ::-1])):
        outputs = forward(inputs)
        judged = judge(gate, inputs, outputs, forward)
        assert judged.turns == [UPRIGHT] * len(inputs)
        np.testing.assert_array_equal(judged.outputs["logit"], outputs["logit"])
    assert (
        sum(refusal is None for refusal in judge(gate, upright, forward(upright), forward)[1]) > 6
    )


def test_the_network_runs_again_only_for_correctable_images(gate: Gate) -> None:
    upright = phantoms(100, 6)
    mixed = np.concatenate([upright, applied(Turn(quarters=2), upright[:2])])
    mixed = np.concatenate([mixed, np.zeros((3, SIZE, SIZE), np.uint8)])
    again: list[int] = []

    def counted(inputs: np.ndarray) -> Mapping[str, np.ndarray]:
        again.append(len(inputs))
        return forward(inputs)

    judge(gate, mixed, forward(mixed), counted)
    assert sum(again) <= 3
    judge(gate, mixed[-3:], forward(mixed[-3:]), counted)
    assert len(again) == 1


def test_turns_are_undone_by_what_they_say() -> None:
    picture = np.arange(16, dtype=np.uint8).reshape(4, 4)
    for turn in TURNS:
        np.testing.assert_array_equal(applied(turn.undone, applied(turn, picture)), picture)
    clockwise = applied(Turn(quarters=1), picture)
    assert clockwise[0, -1] == picture[0, 0]  # the top left corner goes to the top right
    assert Turn(quarters=1).name == "rotated_90_clockwise"
    assert Turn(inverted=True, quarters=2).name == "inverted+rotated_180"
    assert UPRIGHT.name == ""


def test_real_radiographs_are_corrected(predictor: Predictor, radiographs: Path) -> None:
    inputs = np.stack(
        [
            network_input(images.read(path.read_bytes()), 224)
            for path in sorted(radiographs.glob("*/*"))[::4]
        ]
    )
    as_they_are = predictor.predict(inputs)
    for turn in MISORIENTED:
        results = predictor.predict(applied(turn, inputs))
        turned = [r for r in results if r.correction]
        assert {result.correction for result in turned} == {turn.undone.name}
        assert len(turned) >= 0.9 * len(inputs)
        for upright, result in zip(as_they_are, results, strict=True):
            if result.correction and upright.probability is not None:
                assert result.probability == pytest.approx(upright.probability, abs=1e-3)
                heat = rotated(upright.heatmap, turn.quarters).astype(int)
                assert abs(result.heatmap - heat).max() <= 2
