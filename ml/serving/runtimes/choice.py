"""Choosing the runtime for a package: the first to reproduce its reference outputs."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ml.serving.chooser import Chooser
from ml.serving.package import TRUNK, WHOLE, ModelPackage
from ml.serving.runtimes.branched import BranchedRuntime, ChoosingRuntime
from ml.serving.runtimes.interface import Runtime
from ml.serving.runtimes.probes import TOLERANCE, worst_difference
from ml.serving.stages import ADULT, CHILD, Stages

logger = logging.getLogger(__name__)

AUTO = "auto"
# The pyproject.toml extra that installs each; a CPU worker has only the first.
EXTRAS = {"onnxruntime": "worker", "openvino": "openvino", "tensorflow": "worker-tensorflow"}
# Runtimes that need another extra on a GPU.
GPU_EXTRAS = {"tensorflow": "gpu"}
# In the order of preference; docs/benchmarks.md has the figures.
ON_CPU = ("onnxruntime", "openvino", "tensorflow")
ON_GPU = ("tensorflow",)
# Runtimes have the names of their libraries.
LIBRARIES = tuple(dict.fromkeys((*ON_CPU, *ON_GPU)))
RUNTIMES = (AUTO, *LIBRARIES)
DEVICES = (AUTO, "cpu", "gpu")
# Ways of TensorFlow that the benchmark measures and no worker takes: the network as it is trained,
# with its batch normalisations, is slower, XLA on a CPU many times so, and float16 gives other
# answers.
TENSORFLOW_OPTIONS: dict[str, dict[str, bool]] = {
    "tensorflow": {},
    "tensorflow-unfolded": {"folded": False},
    "tensorflow-xla": {"xla": True},
    "tensorflow-float16": {"mixed_precision": True},
    "tensorflow-float16-xla": {"mixed_precision": True, "xla": True},
}
# A TensorFlow batch is padded to one of these, or to the batch size.
BATCH_SHAPES = (1, 8, 32)
# Device files of NVIDIA, AMD and WSL drivers. Asking TensorFlow instead would load it into every
# worker.
GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))


class NoRuntimeError(Exception):
    """No runtime can run the package; the message says why for each."""


def choose_runtime(
    package: ModelPackage, batch_size: int, runtime: str = AUTO, device: str = AUTO
) -> Runtime:
    """Start the first runtime that can be used, in the order of RUNTIMES, on a GPU before a CPU.

    A runtime is used if it can be loaded and reproduces the package's recorded outputs; otherwise
    the reason is logged. ``runtime`` and ``device`` may name the only one to try. Raises
    ``ValueError`` for an unknown one, and ``NoRuntimeError`` when none can be used.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime must be one of {', '.join(RUNTIMES)}, not {runtime!r}")
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {device!r}")
    problems = []
    for name, place in _candidates(runtime, device):
        try:
            started = start_runtime(name, package, place, batch_size)
            output, difference = worst_difference(started, package.probes_path)
            if not started.device_name.startswith(place):
                # A library that falls back to the CPU answers as well, only more slowly.
                problem = f"it runs on {started.device_name}"
            elif difference <= TOLERANCE:
                return started
            else:
                problem = f"its {output} differs from the recorded one by {difference:.2g}"
        except ModuleNotFoundError as error:
            extra = (GPU_EXTRAS.get(name) if place == "gpu" else None) or EXTRAS[name]
            problem = f"{error.name} is not installed; 'make install EXTRAS={extra}' installs it"
        except Exception as error:  # libraries raise anything; the next one may work
            problem = str(error) or type(error).__name__
        problems.append(f"{name} on {place}: {problem}")
        logger.warning("A runtime is not used: %s", problems[-1])
    reasons = "; ".join(problems) or f"{runtime} does not run on a {device}"
    raise NoRuntimeError(f"Model {package.version} cannot be run: {reasons}.")


def start_runtime(name: str, package: ModelPackage, device: str, batch_size: int) -> Runtime:
    """Load a runtime's library, and the package's network into it.

    ``name`` is one of STARTS. What a library raises is not caught.
    """

    def start(part: str) -> Runtime:
        return STARTS[name](name, package, part, device, batch_size)

    if package.adult is None:
        return start(WHOLE)
    if not package.is_branched:
        return ChoosingRuntime(start(WHOLE), Chooser.load(package.chooser_path))
    upper: dict[Stages, Runtime] = {stages: start(stages) for stages in (CHILD, ADULT)}
    return BranchedRuntime(start(TRUNK), upper, Chooser.load(package.chooser_path))


# Each imports its library only if used: a worker on ONNX Runtime never loads TensorFlow.
def _start_openvino(
    _name: str, package: ModelPackage, part: str, _device: str, _batch_size: int
) -> Runtime:
    from ml.serving.runtimes.openvino import OpenVINORuntime

    return OpenVINORuntime(package.part_path(part))


def _start_onnxruntime(
    _name: str, package: ModelPackage, part: str, _device: str, _batch_size: int
) -> Runtime:
    from ml.serving.runtimes.onnxruntime import ONNXRuntime

    return ONNXRuntime(package.part_path(part))


def _start_tensorflow(
    name: str, package: ModelPackage, part: str, device: str, batch_size: int
) -> Runtime:
    from ml.serving.runtimes.tensorflow import TensorFlowRuntime, load_part

    shapes = (*(n for n in BATCH_SHAPES if n < batch_size), batch_size)
    options = dict(TENSORFLOW_OPTIONS[name])
    folded = options.pop("folded", True)
    return TensorFlowRuntime(
        lambda: load_part(package, part, folded=folded), device, shapes, **options
    )


#: What starts each runtime, and each way of TensorFlow, for a part of a package's network.
STARTS: Mapping[str, Callable[[str, ModelPackage, str, str, int], Runtime]] = {
    "openvino": _start_openvino,
    "onnxruntime": _start_onnxruntime,
    **dict.fromkeys(TENSORFLOW_OPTIONS, _start_tensorflow),
}


def _candidates(runtime: str, device: str) -> Iterator[tuple[str, str]]:
    if device == "gpu" or (device == AUTO and has_gpu_driver()):
        yield from ((name, "gpu") for name in ON_GPU if runtime in (AUTO, name))
    if device != "gpu":
        yield from ((name, "cpu") for name in ON_CPU if runtime in (AUTO, name))


def has_gpu_driver() -> bool:
    """Whether this process may have a GPU."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(path.exists() for path in GPU_DRIVERS)
