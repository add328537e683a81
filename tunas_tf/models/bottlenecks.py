"""Layers with hidden channels: separable convolution, inverted, fused and Tucker bottleneck.

They are modules as described in `basic_modules`. All options of a choice inside one of
them (kernel sizes, expansions) share its 1x1 convolutions.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import layers
from tunas_tf.models.basic_modules import (
    Convolution,
    Depthwise,
    Function,
    SqueezeExcite,
    Weights,
    Width,
    selected,
)
from tunas_tf.search_space import spec, traversal

if TYPE_CHECKING:
    from tunas_tf.models.modules import Builder

__all__ = ["Bottleneck", "FusedBottleneck", "HiddenFilters", "SeparableConv", "TuckerBottleneck"]


class HiddenFilters:
    """How many channels there are inside a layer: fixed, a multiple of others, or a choice.

    Attributes:
      counts: int32 [own options, input options, output options].
      largest: the highest of them.
    """

    def __init__(self, builder: "Builder", value: Any, path: str):
        """
        Args:
          builder: of the layer.
          value: an integer, an `Expansion`, or a `OneOf` of these.
          path: of the value below the layer.
        """
        self._position = None
        options = (value,)
        if isinstance(value, spec.OneOf):
            self._position, options = builder.positions[path], value.choices
        self._num_options = len(options)
        self._inputs, self._outputs = builder.slot.inputs.options, builder.slot.outputs.options
        counts = [
            option.filters(inputs, outputs, builder.base)
            if isinstance(option, spec.Expansion)
            else option
            for option in options
            for inputs in self._inputs
            for outputs in self._outputs
        ]
        shape = len(options), len(self._inputs), len(self._outputs)
        self.counts = np.array(counts, np.int32).reshape(shape)
        self.largest = max(counts)

    def width(self, masks: tf.Tensor, input_width: Width, output_width: Width) -> Width:
        """The width in a sample."""
        own = 0
        if self._position is not None:
            own = selected(masks, self._position, self._num_options)
        option = tf.stack([own, input_width.option, output_width.option])
        return output_width.select(self.counts, option)

    def at(self, indices, input_filters: int, filters: int) -> int:
        """The count in one architecture."""
        own = 0 if self._position is None else indices[self._position]
        option = own, self._inputs.index(input_filters), self._outputs.index(filters)
        return int(self.counts[option])


class SeparableConv(tf_keras.layers.Layer):
    """Depthwise convolution, activation, 1x1 convolution; kernel sizes share the latter."""

    def __init__(self, builder: "Builder", node: spec.SeparableConv, path: str):
        super().__init__()
        inputs, outputs = builder.slot.inputs, builder.slot.outputs
        self.activation = layers.activation(node.activation)
        self.depthwise = builder.choice(
            node.kernel_size,
            traversal.join(path, "kernel_size"),
            lambda kernel_size, _: Depthwise(inputs.largest, kernel_size, node.strides),
        )
        self.project = Convolution("project", inputs.largest, outputs.largest, 1)

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        hidden, depthwise_loss = self.depthwise(inputs, masks, input_width, input_width)
        hidden = self.activation(hidden)
        outputs, project_loss = self.project(hidden, masks, input_width, output_width)
        return outputs, depthwise_loss + project_loss

    def weights_at(self, indices, input_filters, filters) -> Weights:
        return {
            **self.depthwise.weights_at(indices, input_filters, input_filters),
            **self.project.weights_at(indices, input_filters, filters),
        }


class Bottleneck(tf_keras.layers.Layer):
    """Inverted bottleneck; all kernel sizes and expansions share both 1x1 convolutions."""

    def __init__(self, builder: "Builder", node: spec.Bottleneck, path: str):
        super().__init__()
        inputs, outputs = builder.slot.inputs, builder.slot.outputs
        self.activation = layers.activation(node.activation)
        self.hidden = HiddenFilters(builder, node.expansion, traversal.join(path, "expansion"))
        expanded = self.hidden.largest
        self.expand = Convolution("expand", inputs.largest, expanded, 1)
        self.depthwise = builder.choice(
            node.kernel_size,
            traversal.join(path, "kernel_size"),
            lambda kernel_size, _: Depthwise(expanded, kernel_size, node.strides),
        )
        self.squeeze_excite = None
        if node.squeeze_and_excite is not False:
            self.squeeze_excite = builder.choice(
                node.squeeze_and_excite,
                traversal.join(path, "squeeze_and_excite"),
                lambda is_on, _: (
                    SqueezeExcite(self.hidden.counts) if is_on else Function(tf.identity)
                ),
            )
        self.project = Convolution("project", expanded, outputs.largest, 1)

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        expanded = self.hidden.width(masks, input_width, output_width)
        hidden, l2_loss = self.expand(inputs, masks, input_width, expanded)
        hidden = self.activation(hidden)
        hidden, loss = self.depthwise(hidden, masks, expanded, expanded)
        l2_loss += loss
        hidden = self.activation(hidden)
        if self.squeeze_excite is not None:
            hidden, loss = self.squeeze_excite(hidden, masks, expanded, expanded)
            l2_loss += loss
        outputs, loss = self.project(hidden, masks, expanded, output_width)
        return outputs, l2_loss + loss

    def weights_at(self, indices, input_filters, filters) -> Weights:
        expanded = self.hidden.at(indices, input_filters, filters)
        weights = self.expand.weights_at(indices, input_filters, expanded)
        weights.update(self.depthwise.weights_at(indices, expanded, expanded))
        if self.squeeze_excite is not None:
            weights.update(self.squeeze_excite.weights_at(indices, expanded, expanded))
        return {**weights, **self.project.weights_at(indices, expanded, filters)}


class FusedBottleneck(tf_keras.layers.Layer):
    """Fused inverted bottleneck; every kernel size has its own k x k convolution."""

    def __init__(self, builder: "Builder", node: spec.FusedBottleneck, path: str):
        super().__init__()
        inputs, outputs = builder.slot.inputs, builder.slot.outputs
        self.activation = layers.activation(node.activation)
        self.hidden = HiddenFilters(builder, node.expansion, traversal.join(path, "expansion"))
        expanded = self.hidden.largest
        self.expand = builder.choice(
            node.kernel_size,
            traversal.join(path, "kernel_size"),
            lambda size, _: Convolution("expand", inputs.largest, expanded, size, node.strides),
        )
        self.project = Convolution("project", expanded, outputs.largest, 1)

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        expanded = self.hidden.width(masks, input_width, output_width)
        hidden, expand_loss = self.expand(inputs, masks, input_width, expanded)
        hidden = self.activation(hidden)
        outputs, project_loss = self.project(hidden, masks, expanded, output_width)
        return outputs, expand_loss + project_loss

    def weights_at(self, indices, input_filters, filters) -> Weights:
        expanded = self.hidden.at(indices, input_filters, filters)
        return {
            **self.expand.weights_at(indices, input_filters, expanded),
            **self.project.weights_at(indices, expanded, filters),
        }


class TuckerBottleneck(tf_keras.layers.Layer):
    """Tucker bottleneck; every kernel size has its own k x k convolution."""

    def __init__(self, builder: "Builder", node: spec.TuckerBottleneck, path: str):
        super().__init__()
        self.activation = layers.activation(node.activation)
        self.before = HiddenFilters(
            builder, node.input_compression, traversal.join(path, "input_compression")
        )
        self.after = HiddenFilters(
            builder, node.output_compression, traversal.join(path, "output_compression")
        )
        before, after = self.before.largest, self.after.largest
        self.compress = Convolution("compress", builder.slot.inputs.largest, before, 1)
        self.convolve = builder.choice(
            node.kernel_size,
            traversal.join(path, "kernel_size"),
            lambda size, _: Convolution("convolve", before, after, size, node.strides),
        )
        self.project = Convolution("project", after, builder.slot.outputs.largest, 1)

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        before = self.before.width(masks, input_width, output_width)
        after = self.after.width(masks, input_width, output_width)
        hidden, compress_loss = self.compress(inputs, masks, input_width, before)
        hidden, loss = self.convolve(self.activation(hidden), masks, before, after)
        hidden = self.activation(hidden)
        outputs, project_loss = self.project(hidden, masks, after, output_width)
        return outputs, compress_loss + loss + project_loss

    def weights_at(self, indices, input_filters, filters) -> Weights:
        before = self.before.at(indices, input_filters, filters)
        after = self.after.at(indices, input_filters, filters)
        return {
            **self.compress.weights_at(indices, input_filters, before),
            **self.convolve.weights_at(indices, before, after),
            **self.project.weights_at(indices, after, filters),
        }
