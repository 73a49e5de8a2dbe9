"""OpenVINO on the CPU. Imports neither Keras nor a backend of it."""

from functools import cache
from pathlib import Path

import openvino

from ml.serving.runtimes.interface import CPU_CHUNK, Inputs, Outputs, cores, in_chunks


class OpenVINORuntime:
    """One of the package's ONNX models, compiled for this machine's CPU."""

    name = "openvino"

    def __init__(self, network_path: Path) -> None:
        # On CPUs with bfloat16 that would be the default; the outputs must be the same everywhere.
        # Threads are not pinned: two workers of one machine would be pinned to the same cores.
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": cores(),
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled = _core().compile_model(network_path, "CPU", options)
        # A value that passes unchanged through several nodes has all their names; of those only the
        # network's outputs have no colon.
        self._names = [
            next(name for name in sorted(output.names) if ":" not in name)
            for output in self._compiled.outputs
        ]
        self.device_name = "cpu, openvino"

    def outputs(self, inputs: Inputs) -> Outputs:
        """Run the network; see ``Runtime``."""
        return in_chunks(self._run, inputs, CPU_CHUNK)

    def _run(self, inputs: Inputs) -> Outputs:
        values = self._compiled(inputs).values()
        return dict(zip(self._names, values, strict=True))


@cache
def _core() -> openvino.Core:
    """The process's only core.

    Each core gives the thread that makes it a stack for signal handlers, and the one before it back
    when it ends. If that has ended meanwhile, the next signal kills the process.
    """
    return openvino.Core()
