"""Networks for tests that need no trained one."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ml.research.packaging.export import export
from ml.research.packaging.writing import write_package
from ml.serving.gate.decision import Classifier, Gate
from ml.serving.network import backbone_of, build_network
from ml.serving.package import FACTS_FILE, FORMAT, GATE_FILE, WEIGHTS_FILE, ModelPackage

#: A backbone of one block for each stage, with few channels; ``tests/ml/conftest.py`` adds it.
TINY = "tiny"


@contextmanager
def uncompiled() -> Iterator[None]:
    """Train or predict without compiling, which takes as long as many steps of a small network.

    What cannot be compiled is not found: another test has to train with the same losses.
    """
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            # Reading the images stays compiled.
            warnings.filterwarnings("ignore", "Even though the `tf.config", UserWarning)
            yield
    finally:
        tf.config.run_functions_eagerly(False)


def random_network(input_size: int, seed: int = 0, backbone: str = TINY) -> keras.Model:
    """Return a folded network of random weights whose signal does not fade on the way."""
    rng = np.random.default_rng(seed)
    network = build_network(input_size, backbone=backbone, folded=True)
    for layer in network.layers:
        if not layer.weights:
            continue
        kernel, bias = (weights.shape for weights in layer.get_weights())
        is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        fan_in = np.prod(kernel[:2] if is_depthwise else kernel[:-1])
        # He et al. (2015): keeps the variance through rectifiers.
        values = rng.normal(0, np.sqrt(2 / fan_in), kernel)
        layer.set_weights([values, rng.normal(0, 0.2, bias)])
    return network


def write_open_package(network: keras.Model, like: ModelPackage, folder: Path) -> ModelPackage:
    """Write a folded network as a package whose gate lets every image pass.

    All other figures and texts are those of the package ``like``.
    """
    folder.mkdir()
    network.save_weights(folder / WEIGHTS_FILE)
    export(network, folder)
    numbers = 12 + int(np.prod(network.output["layout"].shape[1:]))
    passes_all = Classifier(np.zeros((3, numbers), np.float32), np.zeros(3), -np.inf, -np.inf)
    Gate(0.0, passes_all, np.zeros(196, np.float32)).save(folder / GATE_FILE)
    facts = json.loads((like.path / FACTS_FILE).read_text())
    facts["backbone"] = backbone_of(network)
    facts["input"] |= {"size": int(network.input_shape[1])}
    facts.pop("adult_stages", None)
    return write_package(folder, facts | {"format": FORMAT, "version": folder.name, "plots": {}})
