"""EfficientNet-Lite for grey images, with an exact class activation map from the same pass.

Architecture: Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks* (ICML 2019), in the 'Lite' form of the TensorFlow authors: no squeeze-and-excitation,
ReLU6, stem and head not scaled. Class activation map: Zhou et al., *Learning Deep Features for
Discriminative Localization* (CVPR 2016).

Uses only ``keras``, so that it runs on TensorFlow, JAX and PyTorch.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from ml.serving.backbones import Stage, scaled_stages

BATCH_NORM_EPSILON = 1e-3
EMBEDDING_SIZE = 1280
# Four steps of stride two after the stem's: the last features of a 224-pixel image have 7 x 7
# places.
TOTAL_STRIDE = 32
# The features under the head have twice as many: 14 x 14 for a 224-pixel image.
MAP_STRIDE = 16
# JAX always needs its compiler; TensorFlow's own kernels are many times faster than XLA on a CPU.
JIT_COMPILE = keras.config.backend() == "jax"
STEM_FILTERS = 32
NAME_PREFIX = "efficientnet_"
CLASSIFIERS = ("classifier", "subtype")
# The last stage before the last step of stride two; its features join the head's.
LATERAL_STAGE = 4
# The width of the gate's cells in cells of the map: 7 x 7 for a 224-pixel image.
LAYOUT_POOL = 2


@dataclass(frozen=True)
class _Layers:
    """Makes the network's layers; the options are those of ``build_network``."""

    backbone: str
    head_dropout: float = 0.0
    stochastic_depth: float = 0.0
    batch_norm_momentum: float = 0.99
    folded: bool = False

    def trunk(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """Return the features up to LATERAL_STAGE of a batch of images."""
        size = image.shape[1]
        x = layers.Reshape((size, size, 1), name="channel")(image)
        # The mean and scale with which the ImageNet weights were trained.
        x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(x)
        x = layers.Conv2D(STEM_FILTERS, 3, 2, padding="same", use_bias=self.folded, name="stem")(x)
        x = self._normalised(x, "stem", activate=True)
        return self._stages(x, range(LATERAL_STAGE + 1))

    def layout(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Return the output ``layout`` of the trunk's features."""
        pooled = layers.AveragePooling2D(LAYOUT_POOL, name="layout_pool")(features)
        return layers.Identity(name="layout", dtype="float32")(pooled)

    def upper(self, finer: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Return the outputs of the upper stages and the head, from the trunk's features."""
        x = self._stages(finer, range(LATERAL_STAGE + 1, len(scaled_stages(self.backbone))))
        x = layers.Conv2D(EMBEDDING_SIZE, 1, use_bias=self.folded, name="head")(x)
        x = self._normalised(x, "head", activate=False)
        enlarged = TOTAL_STRIDE // MAP_STRIDE
        x = layers.UpSampling2D(enlarged, interpolation="bilinear", name="enlarge")(x)
        finer = layers.Conv2D(EMBEDDING_SIZE, 1, use_bias=self.folded, name="lateral")(finer)
        finer = self._normalised(finer, "lateral", activate=False)
        x = layers.Add(name="join")([x, finer])
        features = layers.ReLU(max_value=6.0, name="join_relu6")(x)
        embedding = layers.GlobalAveragePooling2D(name="pool")(features)
        if self.head_dropout > 0:
            # Dropping whole feature maps equals dropping components of the pooled vector.
            features = layers.SpatialDropout2D(self.head_dropout, name="dropout")(features)
        local = layers.Conv2D(1, 1, name="classifier")(features)
        pooled = layers.GlobalAveragePooling2D(name="dropped_pool")(features)
        subtype = layers.Dense(1, name="subtype")(pooled)
        places = local.shape[1]
        as_float = {"dtype": "float32"}
        activation_map = layers.Reshape((places, places), name="activation_map", **as_float)(local)
        logit = layers.GlobalAveragePooling2D(name="logit_pool", **as_float)(local)
        return {
            "logit": layers.Reshape((), name="logit", **as_float)(logit),
            "subtype_logit": layers.Reshape((), name="subtype_logit", **as_float)(subtype),
            "activation_map": activation_map,
            "embedding": layers.Identity(name="embedding", **as_float)(embedding),
        }

    def _stages(self, x: keras.KerasTensor, numbers: range) -> keras.KerasTensor:
        stages = scaled_stages(self.backbone)
        blocks = sum(stage.repeats for stage in stages)
        index = sum(stage.repeats for stage in stages[: numbers.start])
        for number in numbers:
            for repeat in range(stages[number].repeats):
                stride = stages[number].stride if repeat == 0 else 1
                drop_rate = self.stochastic_depth * index / blocks
                x = self._block(x, f"block{index}", stages[number], stride, drop_rate)
                index += 1
        return x

    def _block(
        self, x: keras.KerasTensor, name: str, stage: Stage, stride: int, drop_rate: float
    ) -> keras.KerasTensor:
        skip = x
        channels = x.shape[-1]
        if stage.expansion != 1:
            x = layers.Conv2D(
                channels * stage.expansion, 1, use_bias=self.folded, name=f"{name}_expand"
            )(x)
            x = self._normalised(x, f"{name}_expand", activate=True)
        x = layers.DepthwiseConv2D(
            stage.kernel, stride, padding="same", use_bias=self.folded, name=f"{name}_depthwise"
        )(x)
        x = self._normalised(x, f"{name}_depthwise", activate=True)
        x = layers.Conv2D(stage.filters, 1, use_bias=self.folded, name=f"{name}_project")(x)
        x = self._normalised(x, f"{name}_project", activate=False)
        if stride != 1 or channels != stage.filters:
            return x
        if drop_rate > 0:
            # One decision per image: the whole branch is kept or dropped.
            x = layers.Dropout(drop_rate, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
        return layers.Add(name=f"{name}_add")([skip, x])

    def _normalised(self, x: keras.KerasTensor, name: str, *, activate: bool) -> keras.KerasTensor:
        if not self.folded:
            x = layers.BatchNormalization(
                epsilon=BATCH_NORM_EPSILON, momentum=self.batch_norm_momentum, name=f"{name}_bn"
            )(x)
        return layers.ReLU(max_value=6.0, name=f"{name}_relu6")(x) if activate else x


def build_network(
    input_size: int,
    *,
    backbone: str = "lite0",
    head_dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    batch_norm_momentum: float = 0.99,
    folded: bool = False,
) -> keras.Model:
    """Build the network, with random weights.

    The input is a batch of grey images, (n, input_size, input_size), values 0 to 255. The outputs,
    all float32 and all from one forward pass:

    - ``logit`` (n,): log-odds of pneumonia before calibration;
    - ``subtype_logit`` (n,): log-odds of a bacterial against a viral pattern, for an image with
      pneumonia, before calibration;
    - ``activation_map`` (n, s, s), s = input_size / 16: the local log-odds of pneumonia, whose mean
      *is* the logit (the classifier is linear, so pooling before or after it gives the same);
    - ``embedding`` (n, 1280): the pooled features under the classifiers;
    - ``layout`` (n, s / 2, s / 2, channels): features from half-way, with their places, in which
      the gate looks for a chest.

    The features under the classifiers are the last ones, enlarged, joined by finer ones from before
    the last step of stride two, as in the top of a feature pyramid (Lin et al., *Feature Pyramid
    Networks for Object Detection*, CVPR 2017), so that the map shows more than 7 x 7 places.

    ``backbone`` is one of ``ml.serving.backbones.BACKBONES``. ``head_dropout`` and
    ``stochastic_depth`` (the last block's drop rate, growing linearly from 0) act in training only.
    A ``folded`` network has no batch normalisation but a bias in each
    convolution: the form for serving, which ``fold`` makes.
    """
    if input_size % TOTAL_STRIDE:
        raise ValueError(f"input_size must be a multiple of {TOTAL_STRIDE}, not {input_size}")

    made = _Layers(backbone, head_dropout, stochastic_depth, batch_norm_momentum, folded)
    image = keras.Input((input_size, input_size), name="image", dtype="float32")
    features = made.trunk(image)
    layout = made.layout(features)
    outputs = {**made.upper(features), "layout": layout}
    network = keras.Model(image, outputs, name=f"{NAME_PREFIX}{backbone}")
    network.compile(jit_compile=JIT_COMPILE)
    return network


def divide(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Return a network's trunk and its upper stages as networks of their own, for serving.

    The trunk has the outputs ``features`` (n, s, s, channels), those up to LATERAL_STAGE, and
    ``layout``; the upper stages take ``features`` and have the network's other outputs.
    """
    names = {layer.name for layer in network.layers}
    backbone = backbone_of(network)
    made = _Layers(backbone, folded="stem_bn" not in names)
    image = keras.Input(network.input_shape[1:], name="image", dtype="float32")
    features = made.trunk(image)
    trunk = keras.Model(
        image, {"features": features, "layout": made.layout(features)}, name=f"{backbone}_trunk"
    )
    given = keras.Input(features.shape[1:], name="features", dtype="float32")
    upper = keras.Model(given, made.upper(given), name=f"{backbone}_upper")
    for part in (trunk, upper):
        for layer in part.layers:
            if layer.weights:
                layer.set_weights(network.get_layer(layer.name).get_weights())
        part.compile(jit_compile=JIT_COMPILE)
    return trunk, upper


def backbone_of(network: keras.Model) -> str:
    """Return which of ``BACKBONES`` a network is."""
    return str(network.name.removeprefix(NAME_PREFIX))


def multiplications(network: keras.Model) -> int:
    """Return how many multiplications the convolutions take for one image."""
    convolutions = (
        layer
        for layer in network.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
    )
    return sum(int(np.prod(c.kernel.shape + c.output.shape[1:3])) for c in convolutions)


def fold(network: keras.Model) -> keras.Model:
    """Return the same function as a folded network: faster, with less memory, not for training.

    Each batch normalisation becomes part of the convolution before it (Jacob et al.,
    *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*,
    CVPR 2018, section 3.2).
    """
    folded = build_network(network.input_shape[1], backbone=backbone_of(network), folded=True)
    for layer in folded.layers:
        if not layer.weights:
            continue
        source = network.get_layer(layer.name).get_weights()
        if layer.name not in CLASSIFIERS:
            gamma, beta, mean, variance = network.get_layer(f"{layer.name}_bn").get_weights()
            scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
            (kernel,) = source
            # A depthwise kernel ends in (channels, 1), any other in (in, channels).
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            source = [kernel * (scale[:, None] if depthwise else scale), beta - mean * scale]
        layer.set_weights(source)
    return folded


def unfold(network: keras.Model) -> keras.Model:
    """Return the same function in the form in which it is trained, which is slower."""
    unfolded = build_network(network.input_shape[1], backbone=backbone_of(network))
    for layer in network.layers:
        if not layer.weights:
            continue
        weights = layer.get_weights()
        if layer.name not in CLASSIFIERS:
            kernel, bias = weights
            ones, zeros = np.ones_like(bias), np.zeros_like(bias)
            gamma = ones * np.sqrt(1 + BATCH_NORM_EPSILON)
            unfolded.get_layer(f"{layer.name}_bn").set_weights([gamma, bias, zeros, ones])
            weights = [kernel]
        unfolded.get_layer(layer.name).set_weights(weights)
    return unfolded
