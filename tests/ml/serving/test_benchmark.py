"""python -m ml benchmark."""

import io
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml.research.evaluation.benchmark import MATRIX_PRODUCTS, _main, runtimes_for
from ml.serving.package import NETWORK_FILE, ModelPackage, seal_package


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ml", "benchmark", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_speed_memory_and_agreement_of_a_runtime(shipped: ModelPackage) -> None:
    turn = ("--rounds", "1", "--seconds", "0.01")
    done = benchmark("--runtime", "openvino", "--device", "cpu", *turn, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["package"] == shipped.version
    (measured,) = figures["runtimes"].values()
    assert measured["device"] == "cpu, openvino"
    assert measured["largest_difference"] < 1e-3
    assert set(measured["images_per_second"]) == {"1", "8", "32"}
    assert min(measured["images_per_second"].values()) > 0
    assert measured["memory_mb"] > 50


def test_matrix_products_are_measured_like_a_runtime(
    shipped: ModelPackage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (MATRIX_PRODUCTS, "cpu") in runtimes_for("cpu")
    question = {"batch_size": 2, "seconds": 0.01}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(question) + "\n"))
    # In this process: another one would take seconds to load Keras.
    _main(MATRIX_PRODUCTS, "cpu", shipped.path, time.time())
    started, measured = map(json.loads, capsys.readouterr().out.splitlines())
    assert started["device"] == "cpu, numpy"
    assert measured["images_per_second"] > 0


def test_a_runtime_that_does_not_start_is_named_with_its_reason(
    shipped: ModelPackage, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(shipped.path, tmp_path / "spoilt"))
    (folder / NETWORK_FILE).write_bytes(b"no network")
    seal_package(folder)
    done = benchmark("--runtime", "onnxruntime", "--device", "cpu", "--package", str(folder))
    assert done.returncode == 1
    assert re.search(r"onnxruntime, cpu: .*Load model from .* failed", done.stdout)


def test_a_runtime_that_does_not_exist_is_a_plain_error() -> None:
    done = benchmark("--runtime", "abacus")
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no runtime abacus")
