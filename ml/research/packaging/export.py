"""The folded Keras network as an ONNX model, for runtimes that need neither Keras nor its backend.

Written layer by layer, because each of the converters that exist ties the export to one backend of
Keras. Operators are those of ONNX opset 18 (https://onnx.ai/onnx/operators/), in whose layout the
channels come before the rows. ``export`` finds what goes wrong by running the result beside
the original.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from ml.serving.chooser import Chooser
from ml.serving.network import divide
from ml.serving.package import CHOOSER_FILE, NETWORK_FILE, PROBES_FILE, TRUNK
from ml.serving.runtimes.branched import BranchedRuntime
from ml.serving.runtimes.interface import Runtime
from ml.serving.runtimes.onnxruntime import ONNXRuntime
from ml.serving.runtimes.openvino import OpenVINORuntime
from ml.serving.runtimes.probes import TOLERANCE, probe_inputs, worst_difference, write_probes
from ml.serving.runtimes.tensorflow import TensorFlowRuntime
from ml.serving.stages import ADULT, CHILD

OPSET = 18
# The ONNX file format that came with the opset, so that older runtimes read it too.
IR_VERSION = 8
BATCH = "n"
CHANNELS_LAST, CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class ExportError(Exception):
    """The network cannot be exported, or its export gives different outputs."""


class _Graph:
    """The nodes and constants of an ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: Any, dtype: type[np.generic] = np.float32) -> str:
        """Add a constant and return its name."""
        array = np.ascontiguousarray(values, dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node and return the name of its output.

        It has a colon, which tells it from the network's outputs.
        """
        output = f"{name}:0"
        self.nodes.append(helper.make_node(operator, inputs, [output], name, **attributes))
        return output


def _reshape(graph: _Graph, layer: keras.Layer, inputs: list[str]) -> str:
    before, after = _channels_first(layer.input.shape), _channels_first(layer.output.shape)
    if 1 not in (*before[1:2], *after[1:2]) and before != after:
        raise ExportError(f"Layer {layer.name} moves values between channels and places.")
    shape = graph.constant(f"{layer.name}_shape", [-1, *after[1:]], np.int64)
    return graph.node("Reshape", [*inputs, shape], layer.name)


def _rescaling(graph: _Graph, layer: layers.Rescaling, inputs: list[str]) -> str:
    scale = graph.constant(f"{layer.name}_scale", layer.scale)
    offset = graph.constant(f"{layer.name}_offset", layer.offset)
    scaled = graph.node("Mul", [*inputs, scale], f"{layer.name}_scaled")
    return graph.node("Add", [scaled, offset], layer.name)


def _convolution(graph: _Graph, layer: layers.Conv2D, inputs: list[str]) -> str:
    kernel = layer.get_weights()[0]  # (rows, columns, in, out)
    return _convolve(graph, layer, inputs, kernel.transpose(3, 2, 0, 1), groups=1)


def _depthwise(graph: _Graph, layer: layers.DepthwiseConv2D, inputs: list[str]) -> str:
    kernel = layer.get_weights()[0]  # (rows, columns, channels, 1)
    return _convolve(graph, layer, inputs, kernel.transpose(2, 3, 0, 1), groups=kernel.shape[2])


def _convolve(
    graph: _Graph, layer: keras.Layer, inputs: list[str], kernel: np.ndarray, *, groups: int
) -> str:
    weights = [graph.constant(f"{layer.name}_kernel", kernel)]
    if layer.use_bias:
        weights.append(graph.constant(f"{layer.name}_bias", layer.get_weights()[1]))
    return graph.node(
        "Conv",
        [*inputs, *weights],
        layer.name,
        group=groups,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        auto_pad={"same": "SAME_UPPER", "valid": "VALID"}[layer.padding],
    )


def _relu(graph: _Graph, layer: layers.ReLU, inputs: list[str]) -> str:
    least = graph.constant(f"{layer.name}_least", 0)
    most = graph.constant(f"{layer.name}_most", layer.max_value)
    return graph.node("Clip", [*inputs, least, most], layer.name)


def _enlarge(graph: _Graph, layer: layers.UpSampling2D, inputs: list[str]) -> str:
    scales = graph.constant(f"{layer.name}_scales", [1, 1, *layer.size])
    mode = {"bilinear": "linear", "nearest": "nearest"}[layer.interpolation]
    return graph.node("Resize", [*inputs, "", scales], layer.name, mode=mode)


def _pool(graph: _Graph, layer: layers.GlobalAveragePooling2D, inputs: list[str]) -> str:
    axes = graph.constant(f"{layer.name}_axes", [2, 3], np.int64)
    return graph.node("ReduceMean", [*inputs, axes], layer.name, keepdims=0)


def _average(graph: _Graph, layer: layers.AveragePooling2D, inputs: list[str]) -> str:
    return graph.node(
        "AveragePool", inputs, layer.name, kernel_shape=layer.pool_size, strides=layer.strides
    )


def _dense(graph: _Graph, layer: layers.Dense, inputs: list[str]) -> str:
    weights = [
        graph.constant(f"{layer.name}_{part}", values)
        for part, values in zip(("kernel", "bias"), layer.get_weights(), strict=True)
    ]
    return graph.node("Gemm", [*inputs, *weights], layer.name)


def _add(graph: _Graph, layer: layers.Add, inputs: list[str]) -> str:
    return graph.node("Add", inputs, layer.name)


def _identity(graph: _Graph, layer: layers.Identity, inputs: list[str]) -> str:
    return graph.node("Identity", inputs, layer.name)


def _channels_first(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape


_TRANSLATIONS: Mapping[type[keras.Layer], Callable[[_Graph, Any, list[str]], str]] = {
    layers.Reshape: _reshape,
    layers.Rescaling: _rescaling,
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _depthwise,
    layers.ReLU: _relu,
    layers.UpSampling2D: _enlarge,
    layers.GlobalAveragePooling2D: _pool,
    layers.AveragePooling2D: _average,
    layers.Dense: _dense,
    layers.Add: _add,
    layers.Identity: _identity,
}


#: Every runtime for a CPU but Keras itself answers as Keras does, or there is no package. One for a
#: GPU is not started here: packages are made without one, and workers compare it with the probes.
CHECKED = (ONNXRuntime, OpenVINORuntime)


def export(network: keras.Model, package: Path) -> None:
    """Write what other runtimes than Keras need into a package's folder: the model and the probes.

    ``network`` is folded. Raises ``ExportError`` when one of CHECKED answers the probes otherwise
    than Keras does.
    """
    export_network(network, package / NETWORK_FILE)
    inputs = probe_inputs(network.input_shape[1])
    write_probes(package / PROBES_FILE, inputs, network.predict_on_batch(inputs))
    for runtime in CHECKED:
        _check(runtime(package / NETWORK_FILE), package)


def export_branches(
    child: keras.Model, adult: keras.Model, chooser: Chooser, package: Path
) -> None:
    """Write a network with two sets of upper stages into a package's folder, and the probes.

    ``child`` and ``adult`` are folded networks with the same trunk. Raises ``ExportError`` when it
    is not, beyond rounding, and as ``export`` does.
    """
    trunk, upper = divide(child)
    other_trunk, other_upper = divide(adult)
    both = zip(trunk.get_weights(), other_trunk.get_weights(), strict=True)
    if not all(np.allclose(one, other, atol=1e-5) for one, other in both):
        raise ExportError("The networks for children and for adults have different trunks.")
    parts = {TRUNK: trunk, CHILD: upper, ADULT: other_upper}
    for part, network in parts.items():
        export_network(network, package / f"{part}.onnx")
    chooser.save(package / CHOOSER_FILE)

    inputs = probe_inputs(child.input_shape[1])
    in_keras = _branched(
        {
            part: TensorFlowRuntime(partial(parts.__getitem__, part), "cpu", (len(inputs),))
            for part in parts
        },
        chooser,
    )
    write_probes(package / PROBES_FILE, inputs, in_keras.of_each(inputs))
    for runtime in CHECKED:
        started = {part: runtime(package / f"{part}.onnx") for part in parts}
        _check(_branched(started, chooser), package)


def _branched(parts: Mapping[str, Runtime], chooser: Chooser) -> BranchedRuntime:
    return BranchedRuntime(parts[TRUNK], {CHILD: parts[CHILD], ADULT: parts[ADULT]}, chooser)


def _check(started: Runtime, package: Path) -> None:
    output, difference = worst_difference(started, package / PROBES_FILE)
    if not difference <= TOLERANCE:
        raise ExportError(f"In {started.name} {output} differs from Keras by {difference:.2g}.")


def export_network(network: keras.Model, path: Path) -> None:
    """Write a folded network, or a part of one, as an ONNX model with a batch of any size.

    The input ``image`` is (n, size, size) uint8; that of upper stages is ``features``, float32 as
    in ``divide``. The outputs have the names and shapes of the network's, float32. Raises
    ``ExportError`` for a layer that has no translation.
    """
    graph = _Graph()
    if len(network.input.shape) == 3:
        source, dtype = "image", TensorProto.UINT8
        given = graph.node("Cast", [source], "as_float", to=TensorProto.FLOAT)
    else:
        source, dtype = "features", TensorProto.FLOAT
        given = graph.node("Transpose", [source], "channels_first", perm=CHANNELS_FIRST)
    names = {id(network.input): given}
    for layer in network.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        translate = _TRANSLATIONS.get(type(layer))
        if translate is None:
            raise ExportError(
                f"Layer {layer.name} is a {type(layer).__name__}, which"
                " ml.research.packaging.export does not know; add its translation there."
            )
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        names[id(layer.output)] = translate(graph, layer, [names[id(each)] for each in inputs])
    outputs = []
    for name, tensor in network.output.items():
        if len(tensor.shape) == 4:
            last = helper.make_node("Transpose", [names[id(tensor)]], [name], perm=CHANNELS_LAST)
        else:
            last = helper.make_node("Identity", [names[id(tensor)]], [name])
        graph.nodes.append(last)
        shape = [BATCH, *tensor.shape[1:]]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    shape = [BATCH, *network.input.shape[1:]]
    inputs = [helper.make_tensor_value_info(source, dtype, shape)]
    model = helper.make_model(
        helper.make_graph(graph.nodes, network.name, inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="chestline",
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
