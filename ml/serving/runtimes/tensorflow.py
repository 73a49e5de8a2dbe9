"""Keras with its backend, TensorFlow unless KERAS_BACKEND says otherwise, on CPU or GPU.

Importing this module loads both, which takes seconds and some hundred megabytes.
"""

import os

# On a GPU, TensorFloat-32 would give other answers than a CPU; read when CUDA's libraries load.
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
# Otherwise TensorFlow takes the whole memory of a shared GPU.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# Silence TensorFlow's log messages except errors.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from ml.serving.network import build_network, unfold
from ml.serving.runtimes.interface import Outputs, in_chunks


class TensorFlowRuntime:
    """The package's Keras network.

    ``device`` is 'cpu' or 'gpu'; raises ``RuntimeError`` when no GPU is visible. A batch is padded
    to one of ``shapes``, in rising order, so that no more graphs are traced than it has. Not
    ``folded`` is the network as it was trained; ``xla`` compiles it by XLA; ``mixed_precision``
    computes in float16, for other answers.
    """

    name = "tensorflow"

    def __init__(
        self,
        weights_path: Path,
        backbone: str,
        input_size: int,
        device: str,
        shapes: Sequence[int],
        *,
        folded: bool = True,
        xla: bool = False,
        mixed_precision: bool = False,
    ) -> None:
        if device == "gpu" and not sees_gpu():
            raise RuntimeError(f"{keras.config.backend()} sees no GPU")
        self._shapes = shapes
        self._keras_device = f"{device}:0"
        self.device_name = f"{device}, {keras.config.backend()}{' with XLA' if xla else ''}"
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16" if mixed_precision else "float32")
        try:
            self._network = load_network(weights_path, backbone, input_size, self._keras_device)
            if not folded:
                with keras.device(self._keras_device):
                    self._network = unfold(self._network)
        finally:
            keras.config.set_dtype_policy(policy)
        if xla:
            self._network.compile(jit_compile=True)
        for shape in shapes:
            self.outputs(np.zeros((shape, input_size, input_size), np.uint8))

    def outputs(self, inputs: NDArray[np.uint8]) -> Outputs:
        """Run the network; see ``Runtime``."""
        return in_chunks(self._run, inputs, max(self._shapes))

    def _run(self, inputs: NDArray[np.uint8]) -> Outputs:
        n = len(inputs)
        padded = np.zeros((min(s for s in self._shapes if s >= n), *inputs.shape[1:]), np.uint8)
        padded[:n] = inputs
        with keras.device(self._keras_device):
            outputs = self._network.predict_on_batch(padded)
        return {name: np.asarray(output)[:n] for name, output in outputs.items()}


def load_network(
    weights_path: Path, backbone: str, input_size: int, keras_device: str = "cpu:0"
) -> keras.Model:
    """Build the folded network on a device of Keras and load its weights."""
    with keras.device(keras_device):
        network = build_network(input_size, backbone=backbone, folded=True)
        network.load_weights(weights_path)
    return network


def sees_gpu() -> bool:
    """Whether the backend of Keras has a GPU."""
    if keras.config.backend() == "torch":  # Keras lists no devices for it
        import torch

        return bool(torch.cuda.is_available())
    return bool(keras.distribution.list_devices("gpu"))
