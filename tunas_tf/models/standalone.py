"""An architecture as an ordinary Keras network, for training from scratch and for export."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from tunas_tf import layers
from tunas_tf.search_space import operations, spec
from tunas_tf.search_space.architecture import Architecture

__all__ = ["build_backbone", "build_classifier", "build_layers", "kernels"]

_EPSILON = 1e-3


@dataclasses.dataclass(frozen=True)
class _Layers:
    """Makes the Keras layers of one layer of the architecture, named after it.

    Attributes:
      name: prefix of the names.
      momentum: of the batch norm moving averages.
      path_dropout_rate: how often training leaves out a residual branch.
      synchronized: whether batch norm takes its statistics over all replicas.
    """

    name: str
    momentum: float
    path_dropout_rate: float
    synchronized: bool = False

    def conv(self, x, role, filters, kernel_size=1, strides=1, batch_norm=True):
        x = tf_keras.layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding="same",
            use_bias=not batch_norm,
            kernel_initializer="he_normal",
            name=f"{self.name}_{role}",
        )(x)
        return self._batch_norm(x, role) if batch_norm else x

    def depthwise(self, x, kernel_size, strides):
        x = tf_keras.layers.DepthwiseConv2D(
            kernel_size,
            strides,
            padding="same",
            use_bias=False,
            depthwise_initializer=layers.DepthwiseHeNormal(),
            name=f"{self.name}_depthwise",
        )(x)
        return self._batch_norm(x, "depthwise")

    def activation(self, x, kind, role="activation"):
        function = layers.activation(kind)
        return tf_keras.layers.Activation(function, name=f"{self.name}_{role}")(x)

    def squeeze_excite(self, x):
        expanded = x.shape[-1]
        squeezed = operations.squeeze_excite_filters(expanded)
        gate = self.pool(x, "squeeze_excite_pool")
        gate = self.conv(gate, "squeeze", squeezed, batch_norm=False)
        gate = self.activation(gate, "relu", "squeeze_activation")
        gate = self.conv(gate, "excite", expanded, batch_norm=False)
        gate = self.activation(gate, "sigmoid", "excite_activation")
        return tf_keras.layers.Multiply(name=f"{self.name}_gate")([x, gate])

    def pool(self, x, role="pool"):
        return tf_keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{self.name}_{role}")(x)

    def drop_path(self, x):
        """Zeroes whole examples at random in training, and scales the others up (keep-scaled)."""
        if not self.path_dropout_rate:
            return x
        return tf_keras.layers.Dropout(
            self.path_dropout_rate, noise_shape=(None, 1, 1, 1), name=f"{self.name}_drop_path"
        )(x)

    def add(self, x, y):
        return tf_keras.layers.Add(name=f"{self.name}_add")([x, y])

    def _batch_norm(self, x, role):
        return tf_keras.layers.BatchNormalization(
            momentum=self.momentum,
            epsilon=_EPSILON,
            synchronized=self.synchronized,
            name=f"{self.name}_{role}_norm",
        )(x)


def _residual(make: _Layers, layer: spec.Residual, x, filters):
    if isinstance(layer.layer, spec.Zero):
        return x
    y = _apply(make, layer.layer, x, filters)
    return make.add(x, make.drop_path(y))


def _bottleneck(make: _Layers, layer: spec.Bottleneck, x, filters):
    x = make.conv(x, "expand", layer.expansion)
    x = make.activation(x, layer.activation, "expand_activation")
    x = make.depthwise(x, layer.kernel_size, layer.strides)
    x = make.activation(x, layer.activation, "depthwise_activation")
    if layer.squeeze_and_excite:
        x = make.squeeze_excite(x)
    return make.conv(x, "project", filters)


def _fused_bottleneck(make: _Layers, layer: spec.FusedBottleneck, x, filters):
    x = make.conv(x, "expand", layer.expansion, layer.kernel_size, layer.strides)
    x = make.activation(x, layer.activation, "expand_activation")
    return make.conv(x, "project", filters)


def _tucker_bottleneck(make: _Layers, layer: spec.TuckerBottleneck, x, filters):
    x = make.conv(x, "compress", layer.input_compression)
    x = make.activation(x, layer.activation, "compress_activation")
    x = make.conv(x, "convolve", layer.output_compression, layer.kernel_size, layer.strides)
    x = make.activation(x, layer.activation, "convolve_activation")
    return make.conv(x, "project", filters)


def _separable_conv(make: _Layers, layer: spec.SeparableConv, x, filters):
    x = make.depthwise(x, layer.kernel_size, layer.strides)
    x = make.activation(x, layer.activation, "depthwise_activation")
    return make.conv(x, "project", filters)


def _conv(make: _Layers, layer: spec.Conv, x, filters):
    return make.conv(x, "conv", filters, layer.kernel_size, layer.strides, layer.batch_norm)


_FUNCTIONS = {
    spec.Activation: lambda make, layer, x, filters: make.activation(x, layer.kind),
    spec.Bottleneck: _bottleneck,
    spec.Conv: _conv,
    spec.FusedBottleneck: _fused_bottleneck,
    spec.GlobalPool: lambda make, layer, x, filters: make.pool(x),
    spec.Residual: _residual,
    spec.SeparableConv: _separable_conv,
    spec.TuckerBottleneck: _tucker_bottleneck,
    spec.Zero: lambda make, layer, x, filters: layers.Zero(filters, name=f"{make.name}_zero")(x),
}


def _apply(make: _Layers, layer, x, filters: int):
    """`layer` applied to the Keras tensor `x`."""
    return _FUNCTIONS[type(layer)](make, layer, x, filters)


def build_backbone(
    architecture: Architecture,
    images,
    batch_norm_momentum: float = 0.99,
    path_dropout_rate: float = 0.0,
    synchronized_batch_norm: bool = False,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Applies the tower of `architecture` to a Keras tensor [batch, height, width, channels].

    Args:
      architecture: the network.
      images: the Keras tensor.
      batch_norm_momentum: of the moving averages that evaluation normalises by.
      path_dropout_rate: how often training leaves out the branch of a residual layer, per
        example.
      synchronized_batch_norm: whether training normalises by the batch of all replicas, not
        by that of each of them.

    Returns:
      The last feature map, and the feature maps at the endpoints.
    """
    x, endpoints = images, []
    for placed in architecture.layers():
        if isinstance(placed.layer, spec.Endpoint):
            endpoints.append(x)
        else:
            make = _Layers(
                placed.name, batch_norm_momentum, path_dropout_rate, synchronized_batch_norm
            )
            x = _apply(make, placed.layer, x, placed.filters)
    return x, endpoints


def build_classifier(
    architecture: Architecture,
    num_classes: int,
    image_size: int | None = None,
    dropout_rate: float = 0.0,
    batch_norm_momentum: float = 0.99,
    path_dropout_rate: float = 0.0,
) -> tf_keras.Model:
    """The classification network: images [batch, size, size, 3] -> float32 logits.

    Args:
      architecture: the network.
      num_classes: outputs of the classifier.
      image_size: side of the images in pixels; None leaves it open.
      dropout_rate: of the features before the classifier.
      batch_norm_momentum: of the moving averages that evaluation normalises by.
      path_dropout_rate: how often training leaves out the branch of a residual layer, per
        example.
    """
    images = tf_keras.Input((image_size, image_size, 3), name="images")
    x, _ = build_backbone(architecture, images, batch_norm_momentum, path_dropout_rate)
    if dropout_rate:
        x = tf_keras.layers.Dropout(dropout_rate, name="dropout")(x)
    x = tf_keras.layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=tf_keras.initializers.RandomNormal(stddev=0.01),
        name="classifier",
    )(x)
    logits = tf_keras.layers.GlobalAveragePooling2D(name="logits", dtype="float32")(x)
    return tf_keras.Model(images, logits, name="classifier")


def build_layers(
    layers_in_row: Sequence, input_size: int, input_filters: int, filters: int
) -> tf_keras.Model:
    """Some layers as a network of their own, to export and measure them.

    Args:
      layers_in_row: without choices, expansions resolved, as `Architecture.layers` gives them.
      input_size: side of the square input in pixels.
      input_filters, filters: channels before the first layer, and behind each of them.

    Returns:
      [batch, input_size, input_size, input_filters] -> [batch, size, size, filters].
    """
    inputs = x = tf_keras.Input((input_size, input_size, input_filters), name="inputs")
    for number, layer in enumerate(layers_in_row):
        make = _Layers(f"layer{number}", momentum=0.99, path_dropout_rate=0.0)
        x = _apply(make, layer, x, filters)
    return tf_keras.Model(inputs, x, name="layers")


def kernels(network: tf_keras.Model | tf_keras.layers.Layer) -> list[tf.Variable]:
    """The variables that weight decay applies to: kernels, not biases or batch norm."""
    found = []
    for layer in network.submodules:
        for attribute in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            variable = getattr(layer, attribute, None)
            if isinstance(variable, tf.Variable):
                found.append(variable)
    return found
