"""Throughput, memory and start-up time of every runtime, each in its own process.

The processes alternate, so that other load on the machine affects all of them.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ml.serving.package import ModelPackage, load_package
from ml.serving.runtimes.choice import (
    ON_CPU,
    ON_GPU,
    TENSORFLOW_OPTIONS,
    has_gpu_driver,
    start_runtime,
)
from ml.serving.runtimes.interface import Outputs, Runtime
from ml.serving.runtimes.probes import worst_difference

BATCH_SIZES = (1, 8, 32)
# Plain TensorFlow: the network as trained.
BASELINE = "tensorflow-unfolded"
# The best that the processor can do, as a reference for the runtimes.
MATRIX_PRODUCTS = "matrix-products"
ON_EVERY_CPU = (BASELINE, "tensorflow-xla", *reversed(ON_CPU), MATRIX_PRODUCTS)


@dataclass
class Figures:
    """What was measured of one runtime.

    ``largest_difference`` is that of its answers to the package's probes from the recorded ones,
    and ``memory_mb`` the most that was resident. For each batch size, as medians:
    ``images_per_second``, and ``cpu_ms``, the processor time of all threads that an image
    takes, on which other load on the machine has less influence.
    """

    device: str
    start_seconds: float
    largest_difference: float
    memory_mb: float = 0.0
    images_per_second: dict[int, float] = field(default_factory=dict)
    cpu_ms: dict[int, float] = field(default_factory=dict)


def runtimes_for(device: str) -> list[tuple[str, str]]:
    """Return (name, device) of everything measurable on 'cpu', 'gpu' or, for 'auto', both."""
    on_gpu = device == "gpu" or (device == "auto" and has_gpu_driver())
    return [
        *((name, "cpu") for name in ON_EVERY_CPU if device != "gpu"),
        *((name, "gpu") for name in dict.fromkeys((*TENSORFLOW_OPTIONS, *ON_GPU)) if on_gpu),
    ]


def measure_speed(
    package: ModelPackage, runtimes: Sequence[tuple[str, str]], rounds: int, seconds: float
) -> tuple[dict[str, Figures], dict[str, str]]:
    """Alternate between the runtimes for ``seconds`` at each batch size, ``rounds`` times.

    Returns the figures by 'name, device', and for runtimes that do not start the reason.
    """
    figures: dict[str, Figures] = {}
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        processes = {}
        for name, device in tqdm(runtimes, "starting", disable=None):
            process = stack.enter_context(_process(name, device, package.path))
            answer = _answer(process)
            label = f"{name}, {device}"
            if "error" in answer:
                failed[label] = str(answer["error"])
                continue
            processes[label] = process
            figures[label] = Figures(**answer)
        turns: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for _ in tqdm(range(rounds), "measuring", disable=None):
            for batch_size in BATCH_SIZES:
                for label, process in processes.items():
                    answer = _ask(process, {"batch_size": batch_size, "seconds": seconds})
                    turns.setdefault((label, batch_size), []).append(answer)
                    figures[label].memory_mb = answer["memory_mb"]
    for (label, batch_size), answers in turns.items():
        measured = figures[label]
        measured.images_per_second[batch_size] = _median(answers, "images_per_second")
        measured.cpu_ms[batch_size] = _median(answers, "cpu_ms")
    return figures, failed


def _median(answers: Sequence[dict[str, Any]], key: str) -> float:
    return round(float(statistics.median(answer[key] for answer in answers)), 1)


@contextmanager
def _process(name: str, device: str, package: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [
        sys.executable,
        "-m",
        "ml.research.evaluation.benchmark",
        name,
        device,
        str(package),
        str(time.time()),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ask(process: "subprocess.Popen[str]", question: dict[str, float]) -> dict[str, Any]:
    assert process.stdin is not None
    print(json.dumps(question), file=process.stdin, flush=True)
    answer = _answer(process)
    if "error" in answer:
        raise RuntimeError(f"A runtime failed while it was measured: {answer['error']}.")
    return answer


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    answer: dict[str, Any] = json.loads(line) if line else {"error": "its process has ended"}
    return answer


class MatrixProducts:
    """For each image NumPy's product of two square float32 matrices, with as many multiplications.

    Nothing keeps a processor's multipliers as busy as large matrix products.
    """

    name = MATRIX_PRODUCTS
    device_name = "cpu, numpy"

    def __init__(self, package: ModelPackage) -> None:
        # Loads Keras, which only TensorFlow's process needs for its measurement.
        from ml.serving.network import build_network, multiplications

        network = build_network(package.input_size, backbone=package.backbone, folded=True)
        side = round(multiplications(network) ** (1 / 3))
        self._matrix = np.random.default_rng(0).random((side, side), np.float32)

    def outputs(self, inputs: np.ndarray) -> Outputs:
        """Multiply as often as there are ``inputs``; see ``Runtime``."""
        for _ in inputs:
            self._matrix @ self._matrix
        return {}


def _main(name: str, device: str, package_path: Path, started: float) -> None:
    """Start a runtime and answer each request on stdin."""
    try:
        package = load_package(package_path)
        if name == MATRIX_PRODUCTS:
            runtime: Runtime = MatrixProducts(package)
            difference = 0.0
        else:
            runtime = start_runtime(name, package, device, max(BATCH_SIZES))
            _, difference = worst_difference(runtime, package.probes_path)
    except Exception as error:  # a library's, whatever it is
        _say({"error": str(error) or type(error).__name__})
        return
    _say(
        {
            "device": runtime.device_name,
            "start_seconds": round(time.time() - started, 1),
            "largest_difference": difference,
        }
    )
    rng = np.random.default_rng(0)
    size = package.input_size
    for line in sys.stdin:
        question = json.loads(line)
        n = question["batch_size"]
        batch = rng.integers(0, 256, (n, size, size), dtype=np.uint8)
        runtime.outputs(batch)
        begin, begin_processor = time.perf_counter(), time.process_time()
        done, elapsed = 0, 0.0
        while done == 0 or elapsed < question["seconds"]:
            runtime.outputs(batch)
            done += n
            elapsed = time.perf_counter() - begin
        processor = time.process_time() - begin_processor
        _say(
            {
                "images_per_second": done / elapsed,
                "cpu_ms": 1000 * processor / done,
                "memory_mb": round(_peak_memory() / 1024**2),
            }
        )


def _peak_memory() -> int:
    """Return the peak resident memory of this process in bytes."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Not ru_maxrss: on Linux it includes the parent's peak from before this program was started.
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))
