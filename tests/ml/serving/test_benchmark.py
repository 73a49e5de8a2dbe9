"""python -m ml benchmark."""

import json
import subprocess
import sys

from ml.serving.package import ModelPackage


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ml", "benchmark", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_speed_memory_and_agreement_of_a_runtime(shipped: ModelPackage) -> None:
    turn = ("--rounds", "1", "--seconds", "0.01")
    runtimes = ("--runtime", "openvino", "matrix-products")
    done = benchmark(*runtimes, "--device", "cpu", *turn, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["package"] == shipped.version
    measured, product = figures["runtimes"].values()
    assert measured["device"] == "cpu, openvino"
    assert product["device"] == "cpu, numpy"
    assert min(product["images_per_second"].values()) > 0
    assert measured["largest_difference"] < 1e-3
    assert set(measured["images_per_second"]) == {"1", "8", "32"}
    assert min(measured["images_per_second"].values()) > 0
    assert measured["memory_mb"] > 50


def test_a_runtime_that_does_not_start_is_named_with_its_reason() -> None:
    done = benchmark("--runtime", "tensorflow", "--device", "gpu")
    assert done.returncode == 1
    assert "tensorflow, gpu: tensorflow sees no GPU" in done.stdout


def test_a_runtime_that_does_not_exist_is_a_plain_error() -> None:
    done = benchmark("--runtime", "abacus")
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no runtime abacus")
