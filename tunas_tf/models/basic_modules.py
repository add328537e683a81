"""The parts that supernet modules are made of: convolutions, norms, choices, residuals.

All modules are called alike and return (outputs, l2_loss):

    module(inputs, masks, input_width, output_width)

`masks` [choices, options] holds the rows of the sample that belong to the layer's own
choices, the widths tell how many channels of input and output it uses. `l2_loss` is
float32: half the sum of squares of the kernels in use.
`weights_at(indices, input_filters, filters)` returns the same weights as arrays of the
active sizes, by the names that the layers of a stand-alone network have.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import layers
from tunas_tf.layers.masking import ActiveFilters
from tunas_tf.search_space import operations
from tunas_tf.search_space.slots import FilterCounts

__all__ = [
    "Choice",
    "Convolution",
    "Depthwise",
    "Function",
    "Residual",
    "SqueezeExcite",
    "Weights",
    "Width",
    "Zero",
    "selected",
    "width_of",
]

Weights = dict[str, list[np.ndarray]]


class Width(NamedTuple):
    """How many channels a sample uses at one point.

    Attributes:
      option: int32 index, which of the possible counts it is: a scalar, or a vector where they
        are a table; 0 if they are all equal.
      filters: int32 scalar, the active channels; None if always all of them are.
      is_sliced: whether tensors have the active channels only.
    """

    option: Any
    filters: tf.Tensor | None
    is_sliced: bool = False

    @property
    def active(self) -> ActiveFilters:
        """The filters as layers take them."""
        if self.filters is None or not self.is_sliced:
            return self.filters
        return layers.Sliced(self.filters)

    def select(self, counts: np.ndarray | tf.Tensor, option) -> "Width":
        """The width of another point of the same network, with these possible counts."""
        # In a graph for any sizes they are a tensor, which nothing is known of.
        if isinstance(counts, np.ndarray) and counts.min() == counts.max():
            return Width(0, None, self.is_sliced)
        filters = tf.gather_nd(counts, tf.reshape(option, [-1]))
        return Width(option, filters, self.is_sliced)


def width_of(counts: FilterCounts, masks: tf.Tensor, is_sliced: bool) -> Width:
    """The width that `masks` [choices, options] select from `counts`."""
    fixed = Width(0, None, is_sliced)
    if counts.position is None:
        return fixed
    options = np.array(counts.options, np.int32)
    return fixed.select(options, selected(masks, counts.position, len(options)))


def selected(masks: tf.Tensor, position: int, num_options: int) -> tf.Tensor:
    return tf.argmax(masks[position, :num_options], output_type=tf.int32)


class Convolution(tf_keras.layers.Layer):
    """Convolution, then batch norm (or a bias instead of it)."""

    def __init__(self, role, input_filters, filters, kernel_size, strides=1, batch_norm=True):
        super().__init__(name=role)
        self.convolution = layers.MaskedConv2D(
            filters, kernel_size, strides, use_bias=not batch_norm, name="convolution"
        )
        self.convolution.build((None, None, None, input_filters))
        self.normalization = None
        if batch_norm:
            self.normalization = layers.MaskedBatchNormalization(name="normalization")
            self.normalization.build((None, None, None, filters))

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        widths = input_width.active, output_width.active
        kernel = self.convolution.active_kernel(*widths)
        outputs = self.convolution(inputs, *widths, kernel=kernel)
        if self.normalization is not None:
            outputs = self.normalization(outputs, output_width.active)
        return outputs, tf.nn.l2_loss(kernel)

    def weights_at(self, indices, input_filters, filters) -> Weights:
        kernel = self.convolution.kernel.numpy()[:, :, :input_filters, :filters]
        if self.normalization is None:
            return {self.name: [kernel, self.convolution.bias.numpy()[:filters]]}
        return {self.name: [kernel], **_norm_weights(self, filters)}


class Depthwise(tf_keras.layers.Layer):
    """Depthwise convolution, then batch norm."""

    def __init__(self, filters, kernel_size, strides):
        super().__init__(name="depthwise")
        self.convolution = layers.MaskedDepthwiseConv2D(kernel_size, strides, name="convolution")
        self.convolution.build((None, None, None, filters))
        self.normalization = layers.MaskedBatchNormalization(name="normalization")
        self.normalization.build((None, None, None, filters))

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        kernel = self.convolution.active_kernel(output_width.active)
        outputs = self.convolution(inputs, output_width.active, kernel=kernel)
        outputs = self.normalization(outputs, output_width.active)
        return outputs, tf.nn.l2_loss(kernel)

    def weights_at(self, indices, input_filters, filters) -> Weights:
        kernel = self.convolution.depthwise_kernel.numpy()[:, :, :filters]
        return {self.name: [kernel], **_norm_weights(self, filters)}


def _norm_weights(module, filters: int) -> Weights:
    gamma, beta = module.normalization.gamma, module.normalization.beta
    return {f"{module.name}_norm": [gamma.numpy()[:filters], beta.numpy()[:filters]]}


class SqueezeExcite(tf_keras.layers.Layer):
    """Squeeze-and-excite on any of the given widths."""

    def __init__(self, counts: np.ndarray):
        super().__init__(name="squeeze_excite")
        squeezed = [operations.squeeze_excite_filters(int(count)) for count in counts.flat]
        self.squeezed_counts = np.array(squeezed, np.int32).reshape(counts.shape)
        self.gate = layers.MaskedSqueezeExcite(max(squeezed), name="gate")
        self.gate.build((None, None, None, int(counts.max())))

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        squeezed = output_width.select(self.squeezed_counts, output_width.option)
        widths = output_width.active, squeezed.active
        return self.gate(inputs, *widths), self.gate.l2_loss(*widths)

    def weights_at(self, indices, input_filters, filters) -> Weights:
        squeezed = operations.squeeze_excite_filters(filters)
        squeeze, expand = self.gate.squeeze, self.gate.expand
        return {
            "squeeze": [
                squeeze.kernel.numpy()[:, :, :filters, :squeezed],
                squeeze.bias.numpy()[:squeezed],
            ],
            "excite": [
                expand.kernel.numpy()[:, :, :squeezed, :filters],
                expand.bias.numpy()[:filters],
            ],
        }


class Function(tf_keras.layers.Layer):
    """A function without weights."""

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor], keeps_zeros: bool = True):
        """
        Args:
          function: of a feature map.
          keeps_zeros: whether channels of zeros, as those that are not active, stay zeros.
        """
        super().__init__()
        self.function = function
        self.keeps_zeros = keeps_zeros

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        outputs = self.function(inputs)
        if not self.keeps_zeros:
            outputs = layers.active_part(outputs, {3: output_width.active})
        return outputs, tf.zeros([])

    def weights_at(self, indices, input_filters, filters) -> Weights:
        return {}


class Zero(tf_keras.layers.Layer):
    """The skip outside of a residual."""

    def __init__(self, filters: int):
        super().__init__()
        # An array, as all counts that modules of one definition may differ in.
        self.zero = layers.Zero(np.array(filters, np.int32))

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        return self.zero(inputs, input_width.active, output_width.active), tf.zeros([])

    def weights_at(self, indices, input_filters, filters) -> Weights:
        return {}


class Choice(tf_keras.layers.Layer):
    """Runs the option that the sample selects."""

    def __init__(
        self,
        position: int,
        options: Sequence[tf_keras.layers.Layer],
        rematerialize: bool,
        same_shapes: bool,
    ):
        super().__init__()
        self.position = position
        self.options = layers.Switch(options, rematerialize, same_shapes)

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        return self.options(
            inputs,
            masks[self.position, : len(self.options.options)],
            masks=masks,
            input_width=input_width,
            output_width=output_width,
        )

    def weights_at(self, indices, input_filters, filters) -> Weights:
        option = self.options.options[indices[self.position]]
        return option.weights_at(indices, input_filters, filters)


class Residual(tf_keras.layers.Layer):
    """input + layer(input)."""

    def __init__(self, layer: tf_keras.layers.Layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        outputs, l2_loss = self.layer(inputs, masks, input_width, output_width)
        return inputs + outputs, l2_loss

    def weights_at(self, indices, input_filters, filters) -> Weights:
        return self.layer.weights_at(indices, input_filters, filters)
