"""A package with two sets of upper stages, for children and for adults, on one trunk."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from ml.__main__ import main
from ml.research.packaging.branched import add_adult_stages
from ml.research.packaging.export import ExportError
from ml.serving.calibration import Calibration
from ml.serving.chooser import Chooser
from ml.serving.network import divide
from ml.serving.package import ModelPackage, PackageError, load_package, seal_package
from ml.serving.predictor import Predictor
from ml.serving.runtimes.choice import ON_CPU, NoRuntimeError, choose_runtime, start_runtime
from ml.serving.runtimes.probes import TOLERANCE, probe_inputs
from ml.serving.runtimes.tensorflow import load_network
from ml.serving.stages import ADULT, CHILD
from tests.ml.made_up_sources import SIZE, write_children
from tests.ml.networks import random_network, uncompiled, write_open_package
from tests.ml.research.test_refined import refined

# Networks are compiled.
pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("_few_replicates")]

ABOUT: dict[str, Any] = {"command": "python -m ml adults", "options": {"seed": 0}, "chooser": {}}
OF_ADULTS = Calibration(0.7, -0.4, 0.01)
Pictures = NDArray[np.uint8]


class Made(NamedTuple):
    """A package with both sets of stages, and one with each of them alone."""

    both: ModelPackage
    child: ModelPackage
    adult: ModelPackage


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return np.tile(probe_inputs(SIZE), (5, 1, 1))[2:37]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shipped: ModelPackage) -> Made:
    """Random networks with a gate that lets everything pass."""
    folder = tmp_path_factory.mktemp("branched")
    network = random_network(SIZE)
    child = write_open_package(network, shipped, folder / "child-1")
    trunk, upper = divide(network)
    give_weights(divide_upper(random_network(SIZE, seed=1)), upper)
    adult_network = random_network(SIZE)
    give_weights(trunk, adult_network)
    give_weights(upper, adult_network)
    adult = write_open_package(adult_network, shipped, folder / "adult-1")
    adult = dataclasses.replace(adult, calibration=OF_ADULTS, heatmap_full_scale=5.0)
    with uncompiled():
        layouts = network.predict_on_batch(probe_inputs(SIZE))["layout"]
    both = branch(folder / "both-1", child, adult_network, chooser_at_half(layouts))
    return Made(both, child, adult)


def divide_upper(network: keras.Model) -> keras.Model:
    return divide(network)[1]


def give_weights(source: keras.Model, target: keras.Model) -> None:
    for layer in source.layers:
        if layer.weights:
            target.get_layer(layer.name).set_weights(layer.get_weights())


def chooser_at_half(layouts: NDArray[np.float32]) -> Chooser:
    """Random weights, and a bias that takes half of the images for adults'."""
    weights = np.random.default_rng(0).normal(0, 1, (layouts.shape[-1],)).astype(np.float32)
    return Chooser(weights, -float(np.median(Chooser(weights, 0.0).log_odds(layouts))))


def branch(out: Path, start: ModelPackage, adult: keras.Model, chooser: Chooser) -> ModelPackage:
    figures = json.loads((start.path / "package.json").read_text())["adults"]
    with uncompiled():
        return add_adult_stages(out, start, adult, chooser, OF_ADULTS, 5.0, figures, ABOUT)


@pytest.mark.parametrize("name", ON_CPU)
def test_every_runtime_answers_with_the_stages_of_each_image(
    name: str, made: Made, pictures: Pictures
) -> None:
    alone = {
        stages: start_runtime("onnxruntime", package, "cpu", 8).outputs(pictures)
        for stages, package in ((CHILD, made.child), (ADULT, made.adult))
    }
    runtime = choose_runtime(made.both, 32, name, "cpu")

    for n in (1, 5, 35):
        outputs = runtime.outputs(pictures[:n])
        as_adults = outputs["adult"] > 0
        assert as_adults.any() != (~as_adults).any() or n > 1
        for output, values in alone[CHILD].items():
            for row, is_adult in enumerate(as_adults):
                expected = alone[ADULT if is_adult else CHILD][output][row]
                np.testing.assert_allclose(
                    outputs[output][row], expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=output
                )
            assert values.shape[1:] == outputs[output].shape[1:]


def test_results_of_mixed_batches_are_those_of_each_package_in_order(
    made: Made, pictures: Pictures
) -> None:
    both = Predictor(made.both, 8, device="cpu").predict(pictures)
    alone = {
        CHILD: Predictor(made.child, 8, device="cpu").predict(pictures),
        ADULT: Predictor(made.adult, 8, device="cpu").predict(pictures),
    }

    assert {result.assessed_as for result in both} == {CHILD, ADULT}
    for row, result in enumerate(both):
        assert result.assessed_as
        expected = alone[result.assessed_as][row]
        assert expected.assessed_as == ""
        assert result.probability == pytest.approx(expected.probability, abs=1e-5)
        assert result.category == expected.category
        assert abs(result.heatmap.astype(int) - expected.heatmap).max() <= 1
        if result.assessed_as == ADULT:
            assert result.bacterial_probability is None
        else:
            assert result.bacterial_probability == pytest.approx(
                expected.bacterial_probability, abs=1e-5
            )
        other = alone[CHILD if result.assessed_as == ADULT else ADULT][row]
        assert result.probability != pytest.approx(other.probability, abs=1e-4)


@pytest.mark.parametrize("part", ["trunk", "child", "adult"])
def test_a_part_with_different_outputs_is_noticed(part: str, made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.both.path, tmp_path / "spoilt"))
    model = onnx.load(folder / f"{part}.onnx")
    bias = next(each for each in model.graph.initializer if each.name.endswith("_bias"))
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 0.1, bias.name))
    onnx.save(model, folder / f"{part}.onnx")
    seal_package(folder)
    with pytest.raises(NoRuntimeError, match="differs from the recorded one"):
        choose_runtime(load_package(folder), 8, "onnxruntime")


def test_keras_has_the_weights_of_both_sets(made: Made) -> None:
    for stages, package in ((CHILD, made.child), (ADULT, made.adult)):
        of_both, alone = load_network(made.both, stages), load_network(package)
        for one, other in zip(of_both.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["trunk.onnx", "adult.onnx", "chooser.npz"])
def test_an_altered_or_missing_part_is_refused(name: str, made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.both.path, tmp_path / "copy"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(PackageError, match=rf"{name} is not the file that was packed"):
        load_package(folder)
    (folder / name).unlink()
    with pytest.raises(PackageError, match=f"{name} is missing"):
        load_package(folder)


def test_another_trunk_is_refused(made: Made, tmp_path: Path) -> None:
    other = random_network(SIZE, seed=1)
    with pytest.raises(ExportError, match="different trunks"):
        branch(tmp_path / "b", made.child, other, Chooser(np.zeros(32, np.float32), 0.0))


def test_a_corrected_image_is_assessed_by_the_stages_of_the_upright_one(
    tmp_path: Path, shipped: ModelPackage, collimated: Pictures
) -> None:
    network = load_network(shipped)
    runtime = choose_runtime(shipped, 8, "onnxruntime")
    chooser = chooser_at_half(runtime.outputs(collimated)["layout"])
    classifier = network.get_layer("classifier")
    kernel, bias = classifier.get_weights()
    classifier.set_weights([kernel * 0.5, bias])
    predictor = Predictor(branch(tmp_path / "b", shipped, network, chooser), 8, device="cpu")

    expected = predictor.predict(collimated)
    assert {result.assessed_as for result in expected} == {CHILD, ADULT}
    received = collimated.copy()
    received[::2] = np.rot90(collimated[::2], 2, axes=(1, 2))
    results = predictor.predict(received)

    assert [result.correction for result in results] == ["rotated_180", ""] * 4
    for result, wanted in zip(results, expected, strict=True):
        assert result.assessed_as == wanted.assessed_as
        assert result.probability == pytest.approx(wanted.probability, abs=1e-4)


def test_commands_say_which_stages_assessed_an_image(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_children(tmp_path / "children")
    files = [str(path) for path in sorted(data.rglob("*.png"))[:6]]
    main(["predict", *files, "--package", str(made.both.path), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["assessed_as"] for row in rows} <= {CHILD, ADULT}
    main(["evaluate", "--data", str(data), "--package", str(made.both.path), "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert sum(figures["assessed_as"].values()) == figures["n"] == 120


def test_a_refined_network_takes_the_place_of_both(made: Made, tmp_path: Path) -> None:
    package = refined(made.both, tmp_path / "refined-1")
    assert package.adult is None
    assert "adult_stages" not in json.loads((package.path / "package.json").read_text())
    assert not list(package.path.glob("chooser*"))
