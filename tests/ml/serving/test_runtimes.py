"""Every runtime reproduces the package's outputs; one that does not is not used."""

import logging
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from ml.research.packaging.export import CHECKED
from ml.serving.package import NETWORK_FILE, ModelPackage, seal_package
from ml.serving.package import load_package as load
from ml.serving.runtimes import choice
from ml.serving.runtimes.choice import (
    EXTRAS,
    GPU_EXTRAS,
    LIBRARIES,
    ON_CPU,
    ON_GPU,
    STARTS,
    NoRuntimeError,
    choose_runtime,
    start_runtime,
)
from ml.serving.runtimes.interface import Outputs
from ml.serving.runtimes.probes import TOLERANCE, probe_inputs
from ml.serving.runtimes.tensorflow import load_network
from tests.ml.networks import random_network, uncompiled, write_open_package

ROOT = Path(__file__).resolve().parents[3]
SIZE = 64
Pictures = NDArray[np.uint8]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, shipped: ModelPackage) -> ModelPackage:
    """A package with a network of random weights, whose answers vary with the picture."""
    folder = tmp_path_factory.mktemp("package") / "random"
    return write_open_package(random_network(SIZE), shipped, folder)


@pytest.fixture
def spoilt(package: ModelPackage, tmp_path: Path) -> ModelPackage:
    """The same with an ONNX model that is not the Keras network, whole as far as hashes tell."""
    folder = Path(shutil.copytree(package.path, tmp_path / "spoilt"))
    model = onnx.load(folder / NETWORK_FILE)
    bias = next(each for each in model.graph.initializer if each.name == "classifier_bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 0.01, bias.name))
    onnx.save(model, folder / NETWORK_FILE)
    seal_package(folder)
    return load(folder)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_runtime_is_known_wherever_it_has_to_be(name: str) -> None:
    assert name in STARTS, "it would be passed over with a warning"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    libraries = project["project"]["optional-dependencies"]
    extras = {EXTRAS[name], GPU_EXTRAS.get(name, EXTRAS[name])}
    assert all(any(each.startswith(name) for each in libraries[extra]) for extra in extras)
    contracts = project["tool"]["importlinter"]["contracts"]
    portal = next(each for each in contracts if each.get("source_modules") == ["webportal"])
    assert name in portal["forbidden_modules"]
    # Packages are made where there may be no GPU.
    is_checked = name in {each.name for each in CHECKED}
    must_be = name in ON_CPU and name != "tensorflow"
    assert is_checked == must_be, (
        "packaging checks those for a CPU in ml/research/packaging/export.py"
    )
    manual = (ROOT / "docs" / "deployment" / "workers.md").read_text()
    assert (f"| `{name}` | CPU |" in manual) == (name in ON_CPU)
    assert (f"| `{name}` | NVIDIA GPU |" in manual) == (name in ON_GPU)
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    assert (f"\n| {name}, cpu |" in measured) == (name in ON_CPU), "docs/benchmarks.md"
    settings = (ROOT / "docs" / "deployment" / "settings.md").read_text()
    rows = settings.splitlines()
    assert f"`{name}`" in next(row for row in rows if row.startswith("| `INFERENCE_RUNTIME` |"))


@pytest.fixture(scope="module")
def pictures(package: ModelPackage) -> Pictures:
    return np.tile(probe_inputs(package.input_size), (5, 1, 1))[:35]


@pytest.fixture(scope="module")
def expected(package: ModelPackage, pictures: Pictures) -> Outputs:
    with uncompiled():
        outputs: Outputs = load_network(package).predict_on_batch(pictures)
    return outputs


@pytest.mark.parametrize("name", ON_CPU)
def test_a_runtime_answers_like_keras_in_any_batch(
    name: str, package: ModelPackage, pictures: Pictures, expected: Outputs
) -> None:
    runtime = start_runtime(name, package, "cpu", 32)

    for n in (1, 5, 8, 35):
        outputs = runtime.outputs(pictures[:n])
        assert outputs.keys() == expected.keys()
        for output, values in outputs.items():
            assert values.dtype == np.float32
            assert values.std() > 0.01 or n == 1, output
            np.testing.assert_allclose(
                values, expected[output][:n], rtol=TOLERANCE, atol=TOLERANCE, err_msg=output
            )


@pytest.mark.parametrize("name", ON_CPU)
def test_the_shipped_network_answers_as_recorded(name: str, shipped: ModelPackage) -> None:
    assert choose_runtime(shipped, 1, name, "cpu").name == name


def test_auto_takes_the_fastest_and_loads_nothing_else() -> None:
    others = [*(name for name in LIBRARIES if name != ON_CPU[0]), "keras"]
    code = (
        "import sys;"
        "from ml.serving.package import SHIPPED_PACKAGE, load_package;"
        "from ml.serving.predictor import Predictor;"
        "p = Predictor(load_package(SHIPPED_PACKAGE));"
        f"print(p.device_name, [m for m in {others} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"cpu, {ON_CPU[0]} []"


def test_a_runtime_with_different_outputs_is_skipped_with_a_warning(
    spoilt: ModelPackage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        chosen = choose_runtime(spoilt, 8, device="cpu")
    assert chosen.name == "tensorflow"
    # TensorFlow has warnings of its own.
    ours = [record.levelname for record in caplog.records if record.name.startswith("ml.")]
    assert ours == ["WARNING"] * 2
    for name in ("openvino", "onnxruntime"):
        assert f"{name} on cpu: its activation_map differs" in caplog.text


def test_a_runtime_that_is_not_installed_is_skipped(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "ml.serving.runtimes.onnxruntime", raising=False)
    assert choose_runtime(package, 8, device="cpu").name == "openvino"
    assert "onnxruntime is not installed; 'make install EXTRAS=worker' installs it" in caplog.text


@pytest.mark.parametrize(("device", "extra"), [("cpu", "worker-tensorflow"), ("gpu", "gpu")])
def test_without_tensorflow_the_error_says_how_to_install_it(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch, device: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delitem(sys.modules, "ml.serving.runtimes.tensorflow", raising=False)
    with pytest.raises(
        NoRuntimeError, match=f"keras is not installed; 'make install EXTRAS={extra}'"
    ):
        choose_runtime(package, 8, "tensorflow", device)


def test_a_configured_runtime_with_different_outputs_is_an_error(spoilt: ModelPackage) -> None:
    with pytest.raises(NoRuntimeError, match="openvino on cpu: its activation_map differs"):
        choose_runtime(spoilt, 8, "openvino")


def test_a_missing_output_is_an_error(package: ModelPackage, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(package.path, tmp_path / "copy"))
    model = onnx.load(folder / NETWORK_FILE)
    del model.graph.output[0]
    onnx.save(model, folder / NETWORK_FILE)
    seal_package(folder)
    with pytest.raises(NoRuntimeError, match="its logit differs from the recorded one by inf"):
        choose_runtime(load(folder), 8, "onnxruntime")


def test_a_missing_gpu_is_an_error(package: ModelPackage) -> None:
    with pytest.raises(NoRuntimeError, match="tensorflow on gpu: tensorflow sees no GPU"):
        choose_runtime(package, 8, device="gpu")
    with pytest.raises(NoRuntimeError, match="openvino does not run on a gpu"):
        choose_runtime(package, 8, "openvino", "gpu")


def test_a_runtime_that_falls_back_to_the_cpu_is_not_taken_for_one_of_the_gpu(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "ON_GPU", ("onnxruntime",))
    with pytest.raises(NoRuntimeError, match="onnxruntime on gpu: it runs on cpu, onnxruntime"):
        choose_runtime(package, 8, device="gpu")


OLDER_GOES_FIRST = """
import signal, sys
from pathlib import Path
from ml.serving.runtimes.openvino import OpenVINORuntime
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
older = OpenVINORuntime(Path(sys.argv[1]))
newer = OpenVINORuntime(Path(sys.argv[1]))
del older
del newer
signal.raise_signal(signal.SIGUSR1)
"""


def test_a_process_whose_networks_were_replaced_still_handles_signals(
    shipped: ModelPackage,
) -> None:
    network = shipped.path / NETWORK_FILE
    done = subprocess.run(
        [sys.executable, "-c", OLDER_GOES_FIRST, str(network)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "handled\n")


@pytest.mark.parametrize(("runtime", "device"), [("abacus", "auto"), ("auto", "tpu")])
def test_an_unknown_runtime_or_device_is_an_error(
    package: ModelPackage, runtime: str, device: str
) -> None:
    with pytest.raises(ValueError, match="must be one of auto"):
        choose_runtime(package, 8, runtime, device)
