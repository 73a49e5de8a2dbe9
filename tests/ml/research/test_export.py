"""The exported network is identical to the Keras network, or there is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest

from ml.research.packaging import export as export_module
from ml.research.packaging.export import ExportError, export, export_network
from ml.serving.package import NETWORK_FILE, PROBES_FILE
from tests.ml.networks import random_network


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return random_network(64)


def test_the_model_has_the_networks_outputs_for_any_batch(
    network: keras.Model, tmp_path: Path
) -> None:
    export(network, tmp_path)

    graph = onnx.load(tmp_path / NETWORK_FILE).graph
    shapes = {
        value.name: [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes.pop("image") == ["n", 64, 64]
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert shapes == {name: ["n", *value.shape[1:]] for name, value in network.output.items()}
    with np.load(tmp_path / PROBES_FILE) as probes:
        assert set(probes.files) == {"inputs", *network.output}
        # Probes that all look the same to the network would tell nothing.
        assert probes["logit"].std() > 0.1
        assert probes["activation_map"].std() > 0.1


def test_an_output_used_by_other_layers_keeps_its_name(tmp_path: Path) -> None:
    image = keras.Input((8, 8))
    x = keras.layers.Conv2D(3, 3)(keras.layers.Reshape((8, 8, 1))(image))
    pooled = keras.layers.GlobalAveragePooling2D(name="a_pool")(x)
    outputs = {
        "embedding": keras.layers.Identity(name="embedding")(pooled),
        "logit": keras.layers.Reshape((), name="logit")(keras.layers.Dense(1)(pooled)),
    }
    # Raises where a runtime does not have the outputs of these names.
    export(keras.Model(image, outputs), tmp_path)


def test_an_export_with_different_outputs_is_an_error(
    network: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget_the_other(graph: Any, layer: keras.Layer, inputs: list[str]) -> str:
        output: str = graph.node("Identity", inputs[:1], layer.name)
        return output

    monkeypatch.setitem(export_module._TRANSLATIONS, keras.layers.Add, forget_the_other)
    with pytest.raises(ExportError, match=r"In onnxruntime \w+ differs"):
        export(network, tmp_path)


@pytest.mark.parametrize(
    "add",
    [
        lambda x: keras.layers.Softmax(name="new")(x),
        lambda x: keras.layers.Reshape((-1,), name="new")(x),
    ],
    ids=["unknown", "mixing channels and places"],
)
def test_a_layer_that_cannot_be_translated_is_named(
    add: Callable[[keras.KerasTensor], keras.KerasTensor], tmp_path: Path
) -> None:
    image = keras.Input((8, 8))
    x = keras.layers.Conv2D(3, 3)(keras.layers.Reshape((8, 8, 1))(image))
    with pytest.raises(ExportError, match="Layer new "):
        export_network(keras.Model(image, {"logit": add(x)}), tmp_path / NETWORK_FILE)
    assert not list(tmp_path.iterdir())
