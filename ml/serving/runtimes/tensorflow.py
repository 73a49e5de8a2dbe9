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

from collections.abc import Callable, Sequence

import keras
import numpy as np

from ml.serving.network import build_network, divide, unfold
from ml.serving.package import TRUNK, WHOLE, ModelPackage
from ml.serving.runtimes.interface import Inputs, Outputs, in_chunks
from ml.serving.stages import ADULT, CHILD, Stages


class TensorFlowRuntime:
    """A Keras network, or a part of one.

    ``start`` builds it. ``device`` is 'cpu' or 'gpu'; raises ``RuntimeError`` when no GPU is
    visible. A batch is padded to one of ``shapes``, in rising order, so that no more graphs are
    traced than it has. ``xla`` compiles it by XLA; ``mixed_precision`` computes in float16, for
    other answers.
    """

    name = "tensorflow"

    def __init__(
        self,
        start: Callable[[], keras.Model],
        device: str,
        shapes: Sequence[int],
        *,
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
            with keras.device(self._keras_device):
                self._network = start()
        finally:
            keras.config.set_dtype_policy(policy)
        if xla:
            self._network.compile(jit_compile=True)
        size = self._network.input_shape[1:]
        dtype = np.uint8 if len(size) == 2 else np.float32
        for shape in shapes:
            self.outputs(np.zeros((shape, *size), dtype))

    def outputs(self, inputs: Inputs) -> Outputs:
        """Run the network; see ``Runtime``."""
        return in_chunks(self._run, inputs, max(self._shapes))

    def _run(self, inputs: Inputs) -> Outputs:
        n = len(inputs)
        padded = np.zeros((min(s for s in self._shapes if s >= n), *inputs.shape[1:]), inputs.dtype)
        padded[:n] = inputs
        with keras.device(self._keras_device):
            outputs = self._network.predict_on_batch(padded)
        return {name: np.asarray(output)[:n] for name, output in outputs.items()}


def load_network(package: ModelPackage, stages: Stages = CHILD) -> keras.Model:
    """Build a package's folded network and load its weights.

    ``stages`` are those of a package with two sets of upper stages.
    """
    network = build_network(package.input_size, backbone=package.backbone, folded=True)
    if not package.is_branched:
        network.load_weights(package.weights_path)
        return network
    # Imported here, because a worker on ONNX Runtime or OpenVINO has no use for it.
    import onnx

    constants = {
        constant.name: onnx.numpy_helper.to_array(constant)
        for part in (TRUNK, stages)
        for constant in onnx.load(package.part_path(part)).graph.initializer
    }
    for layer in network.layers:
        if layer.weights:
            kernel = constants[f"{layer.name}_kernel"]
            # From ONNX's (out, in, rows, columns), the depthwise ones (channels, 1, rows, columns).
            if isinstance(layer, keras.layers.DepthwiseConv2D):
                kernel = kernel.transpose(2, 3, 0, 1)
            elif isinstance(layer, keras.layers.Conv2D):
                kernel = kernel.transpose(2, 3, 1, 0)
            layer.set_weights([kernel, constants[f"{layer.name}_bias"]])
    return network


def load_part(package: ModelPackage, part: str, *, folded: bool = True) -> keras.Model:
    """Load a package's network, or its trunk or one of its sets of upper stages.

    Not ``folded`` is the network as it was trained.
    """
    network = load_network(package, ADULT if part == ADULT else CHILD)
    if not folded:
        network = unfold(network)
    if part == WHOLE:
        return network
    trunk, upper = divide(network)
    return trunk if part == TRUNK else upper


def sees_gpu() -> bool:
    """Whether the backend of Keras has a GPU."""
    if keras.config.backend() == "torch":  # Keras lists no devices for it
        import torch

        return bool(torch.cuda.is_available())
    return bool(keras.distribution.list_devices("gpu"))
