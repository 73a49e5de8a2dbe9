"""Networks for tests that need no trained one."""

import keras
import numpy as np

from ml.serving.network import build_network


def random_network(input_size: int) -> keras.Model:
    """Return a folded network of random weights whose signal does not fade on the way."""
    rng = np.random.default_rng(0)
    network = build_network(input_size, folded=True)
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
