"""ONNX Runtime on the CPU. Imports neither Keras nor a backend of it."""

from pathlib import Path

import onnxruntime

from ml.serving.runtimes.interface import CPU_CHUNK, Inputs, Outputs, cores, in_chunks


class ONNXRuntime:
    """One of the package's ONNX models in a session of its own."""

    name = "onnxruntime"

    def __init__(self, network_path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        # Spinning threads would take the cores from the threads that decode images.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            network_path, options, providers=["CPUExecutionProvider"]
        )
        (self._input,) = (each.name for each in self._session.get_inputs())
        self._names = [output.name for output in self._session.get_outputs()]
        self.device_name = "cpu, onnxruntime"

    def outputs(self, inputs: Inputs) -> Outputs:
        """Run the network; see ``Runtime``."""
        return in_chunks(self._run, inputs, CPU_CHUNK)

    def _run(self, inputs: Inputs) -> Outputs:
        values = self._session.run(self._names, {self._input: inputs})
        return dict(zip(self._names, values, strict=True))
