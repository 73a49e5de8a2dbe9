"""What the network gives in one forward pass."""

import numpy as np
import pytest

from ml.serving.network import EMBEDDING_SIZE, build_network, fold, multiplications, unfold
from tests.ml.networks import TINY, uncompiled


def test_logit_is_the_mean_of_the_activation_map_and_linear_in_the_embedding() -> None:
    network = build_network(64, backbone=TINY)
    for layer in network.layers:
        if layer.name.endswith("_bn"):  # untrained, they would let the signal fade
            layer.gamma.assign(3 * np.ones(layer.gamma.shape))
    kernel, bias = (
        np.random.default_rng(1).standard_normal(w.shape).astype(np.float32)
        for w in network.get_layer("classifier").get_weights()
    )
    network.get_layer("classifier").set_weights([kernel, bias])
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)

    with uncompiled():
        outputs = network.predict_on_batch(images)

    assert outputs["activation_map"].shape == (3, 4, 4)
    assert outputs["subtype_logit"].shape == (3,)
    assert outputs["embedding"].shape == (3, EMBEDDING_SIZE)
    assert outputs["activation_map"].std() > 0.1
    mean = outputs["activation_map"].mean(axis=(1, 2))
    np.testing.assert_allclose(outputs["logit"], mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        outputs["logit"], outputs["embedding"] @ kernel[0, 0, :, 0] + bias, rtol=1e-4, atol=1e-4
    )


def test_input_size_must_fit_the_strides() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        build_network(100)


def test_folding_the_batch_normalisation_changes_no_output() -> None:
    rng = np.random.default_rng(0)
    # Wider and deeper than the smallest of the family.
    network = build_network(64, backbone="lite2")
    for layer in network.layers:
        if layer.name.endswith("_bn"):
            n = layer.gamma.shape
            layer.set_weights(
                [
                    rng.uniform(1, 4, n),
                    rng.normal(0, 1, n),
                    rng.normal(0, 0.2, n),
                    rng.uniform(0.5, 2, n),
                ]
            )
    images = rng.integers(0, 256, (8, 4, 4)).repeat(16, axis=1).repeat(16, axis=2)

    folded = fold(network)
    with uncompiled():
        expected, *found = (
            each.predict_on_batch(images) for each in (network, folded, unfold(folded))
        )
    for outputs in found:
        for name, values in expected.items():
            assert values.std() > 0, name
            np.testing.assert_allclose(outputs[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


def test_multiplications_are_about_those_that_the_authors_count() -> None:
    # 407 million by Tan's account of EfficientNet-Lite0, for an image of three channels.
    assert multiplications(build_network(224, folded=True)) == pytest.approx(407e6, rel=0.02)
    small, large = (build_network(size, backbone=TINY, folded=True) for size in (64, 128))
    assert multiplications(small) * 4 == multiplications(large)
