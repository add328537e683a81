"""One module for every kind of node in a search space, with the weights of all its options.

All modules are called alike and return (outputs, l2_loss):

    module(inputs, masks, input_width, output_width)

`masks` [choices, options] holds the rows of the sample that belong to the layer's own
choices, the widths tell how many channels of input and output it uses. `l2_loss` is
float32: half the sum of squares of the kernels in use.
`weights_at(indices, input_filters, filters)` returns the same weights as arrays of the
active sizes, by the names that the layers of a stand-alone network have.
"""

from typing import Any, Callable, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import layers
from tunas_tf.search_space import arithmetic, spec, traversal
from tunas_tf.search_space.slots import FilterCounts, LayerSlot

__all__ = ["Width", "build_module", "width_of"]

Weights = dict[str, list[np.ndarray]]


class Width(NamedTuple):
    """How many channels a sample uses at one point.

    Attributes:
      option: int32 scalar, which of the possible counts it is; 0 if they are all equal.
      filters: int32 scalar, the active channels; None if always all of them are.
    """

    option: Any
    filters: Optional[tf.Tensor]


def _select(counts: Sequence[int], option) -> Width:
    if len(set(counts)) == 1:
        return Width(0, None)
    return Width(option, tf.gather(np.array(counts, np.int32), option))


def width_of(counts: FilterCounts, masks: tf.Tensor) -> Width:
    """The width that `masks` [choices, options] select from `counts`."""
    if counts.position is None:
        return Width(0, None)
    return _select(counts.options, _selected(masks, counts.position, len(counts.options)))


def _selected(masks: tf.Tensor, position: int, num_options: int) -> tf.Tensor:
    return tf.argmax(masks[position, :num_options], output_type=tf.int32)


class _Convolution(tf_keras.layers.Layer):
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
        widths = input_width.filters, output_width.filters
        outputs = self.convolution(inputs, *widths)
        if self.normalization is not None:
            outputs = self.normalization(outputs, output_width.filters)
        return outputs, self.convolution.l2_loss(*widths)

    def weights_at(self, indices, input_filters, filters) -> Weights:
        kernel = self.convolution.kernel.numpy()[:, :, :input_filters, :filters]
        if self.normalization is None:
            return {self.name: [kernel, self.convolution.bias.numpy()[:filters]]}
        return {self.name: [kernel], **_norm_weights(self, filters)}


class _Depthwise(tf_keras.layers.Layer):
    """Depthwise convolution, then batch norm."""

    def __init__(self, filters, kernel_size, strides):
        super().__init__(name="depthwise")
        self.convolution = layers.MaskedDepthwiseConv2D(kernel_size, strides, name="convolution")
        self.convolution.build((None, None, None, filters))
        self.normalization = layers.MaskedBatchNormalization(name="normalization")
        self.normalization.build((None, None, None, filters))

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        outputs = self.convolution(inputs, output_width.filters)
        outputs = self.normalization(outputs, output_width.filters)
        return outputs, self.convolution.l2_loss(output_width.filters)

    def weights_at(self, indices, input_filters, filters) -> Weights:
        kernel = self.convolution.depthwise_kernel.numpy()[:, :, :filters]
        return {self.name: [kernel], **_norm_weights(self, filters)}


def _norm_weights(module, filters: int) -> Weights:
    gamma, beta = module.normalization.gamma, module.normalization.beta
    return {f"{module.name}_norm": [gamma.numpy()[:filters], beta.numpy()[:filters]]}


class _SqueezeExcite(tf_keras.layers.Layer):
    """Squeeze-and-excite on any of the given widths."""

    def __init__(self, counts: Sequence[int]):
        super().__init__(name="squeeze_excite")
        self.squeezed_counts = [arithmetic.squeeze_excite_filters(count) for count in counts]
        self.gate = layers.MaskedSqueezeExcite(max(self.squeezed_counts), name="gate")
        self.gate.build((None, None, None, max(counts)))

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        squeezed = _select(self.squeezed_counts, output_width.option).filters
        widths = output_width.filters, squeezed
        return self.gate(inputs, *widths), self.gate.l2_loss(*widths)

    def weights_at(self, indices, input_filters, filters) -> Weights:
        squeezed = arithmetic.squeeze_excite_filters(filters)
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


class _Function(tf_keras.layers.Layer):
    """A function without weights."""

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor]):
        super().__init__()
        self.function = function

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        return self.function(inputs), tf.zeros([])

    def weights_at(self, indices, input_filters, filters) -> Weights:
        return {}


class _Choice(tf_keras.layers.Layer):
    """Runs the option that the sample selects."""

    def __init__(self, position: int, options: Sequence[tf_keras.layers.Layer]):
        super().__init__()
        self.position = position
        self.options = layers.Switch(options)

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        return self.options(
            inputs,
            masks[self.position, : len(self.options.options)],
            masks=masks,
            input_width=input_width,
            output_width=output_width,
        )

    def weights_at(self, indices, input_filters, filters) -> Weights:
        selected = self.options.options[indices[self.position]]
        return selected.weights_at(indices, input_filters, filters)


class _Residual(tf_keras.layers.Layer):
    """input + layer(input)."""

    def __init__(self, layer: tf_keras.layers.Layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        outputs, l2_loss = self.layer(inputs, masks, input_width, output_width)
        return inputs + outputs, l2_loss

    def weights_at(self, indices, input_filters, filters) -> Weights:
        return self.layer.weights_at(indices, input_filters, filters)


class _SeparableConv(tf_keras.layers.Layer):
    """Depthwise convolution, activation, 1x1 convolution; kernel sizes share the latter."""

    def __init__(self, builder: "_Builder", node: spec.SeparableConv, path: str):
        super().__init__()
        inputs, outputs = builder.slot.inputs, builder.slot.outputs
        self.activation = layers.activation(node.activation)
        self.depthwise = builder.choice(
            node.kernel_size,
            traversal.join(path, "kernel_size"),
            lambda kernel_size, _: _Depthwise(inputs.largest, kernel_size, node.strides),
        )
        self.project = _Convolution("project", inputs.largest, outputs.largest, 1)

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


class _Bottleneck(tf_keras.layers.Layer):
    """Inverted bottleneck; all kernel sizes and expansions share both 1x1 convolutions."""

    def __init__(self, builder: "_Builder", node: spec.Bottleneck, path: str):
        super().__init__()
        inputs, outputs = builder.slot.inputs, builder.slot.outputs
        self.activation = layers.activation(node.activation)

        self.expansion_position = None
        expansions = (node.expansion,)
        if isinstance(node.expansion, spec.OneOf):
            self.expansion_position = builder.positions[traversal.join(path, "expansion")]
            expansions = node.expansion.choices
        self.num_expansions = len(expansions)
        # The expanded width of (input option, expansion) at input option * expansions + expansion.
        self.expanded_counts = [
            expansion.filters(count, builder.base)
            if isinstance(expansion, spec.Expansion)
            else expansion
            for count in inputs.options
            for expansion in expansions
        ]
        self.input_options = inputs.options
        expanded = max(self.expanded_counts)

        self.expand = _Convolution("expand", inputs.largest, expanded, 1)
        self.depthwise = builder.choice(
            node.kernel_size,
            traversal.join(path, "kernel_size"),
            lambda kernel_size, _: _Depthwise(expanded, kernel_size, node.strides),
        )
        self.squeeze_excite = None
        if node.squeeze_and_excite is not False:
            self.squeeze_excite = builder.choice(
                node.squeeze_and_excite,
                traversal.join(path, "squeeze_and_excite"),
                lambda is_on, _: (
                    _SqueezeExcite(self.expanded_counts) if is_on else _Function(tf.identity)
                ),
            )
        self.project = _Convolution("project", expanded, outputs.largest, 1)

    def call(self, inputs, masks, input_width: Width, output_width: Width):
        expansion = 0
        if self.expansion_position is not None:
            expansion = _selected(masks, self.expansion_position, self.num_expansions)
        expanded = _select(
            self.expanded_counts, input_width.option * self.num_expansions + expansion
        )
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
        expansion = 0 if self.expansion_position is None else indices[self.expansion_position]
        input_option = self.input_options.index(input_filters)
        expanded = self.expanded_counts[input_option * self.num_expansions + expansion]
        weights = self.expand.weights_at(indices, input_filters, expanded)
        weights.update(self.depthwise.weights_at(indices, expanded, expanded))
        if self.squeeze_excite is not None:
            weights.update(self.squeeze_excite.weights_at(indices, expanded, expanded))
        return {**weights, **self.project.weights_at(indices, expanded, filters)}


class _Builder:
    """Builds the modules of one layer of the tower.

    Attributes:
      slot: the layer.
      base: expanded filter counts are multiples of this.
      positions: path of a choice below the layer -> its row among the layer's own choices.
    """

    def __init__(self, slot: LayerSlot, base: int):
        self.slot = slot
        self.base = base
        self.positions = {
            choice.path: row for row, choice in enumerate(traversal.choices_of(slot.layer))
        }

    def build(self, node, path: str) -> tf_keras.layers.Layer:
        """The module of `node`, which stands at `path` below the layer."""
        inputs, outputs = self.slot.inputs, self.slot.outputs
        if isinstance(node, spec.OneOf):
            return self.choice(node, path, self.build)
        if isinstance(node, spec.Residual):
            return _Residual(self.build(node.layer, traversal.join(path, "layer")))
        if isinstance(node, spec.Bottleneck):
            return _Bottleneck(self, node, path)
        if isinstance(node, spec.SeparableConv):
            return _SeparableConv(self, node, path)
        if isinstance(node, spec.Conv):
            return self.choice(
                node.kernel_size,
                traversal.join(path, "kernel_size"),
                lambda kernel_size, _: _Convolution(
                    "conv",
                    inputs.largest,
                    outputs.largest,
                    kernel_size,
                    node.strides,
                    node.batch_norm,
                ),
            )
        if isinstance(node, spec.Activation):
            return _Function(layers.activation(node.kind))
        if isinstance(node, spec.GlobalPool):
            return _Function(lambda x: tf.reduce_mean(x, axis=[1, 2], keepdims=True))
        if isinstance(node, spec.Zero):
            return _Function(layers.Zero(outputs.largest))
        raise TypeError(f"{type(node).__name__} at {self.slot.path}/{path} is not a layer.")

    def choice(
        self, value, path: str, make: Callable[[Any, str], tf_keras.layers.Layer]
    ) -> tf_keras.layers.Layer:
        """`make(value, path)`, or a switch between what it makes of every option of a OneOf."""
        if not isinstance(value, spec.OneOf):
            return make(value, path)
        options = [
            make(option, traversal.join(path, f"choices/{i}"))
            for i, option in enumerate(value.choices)
        ]
        return _Choice(self.positions[path], options)


def build_module(slot: LayerSlot, base: int) -> tf_keras.layers.Layer:
    """The module of a layer of the tower, all its options included.

    Args:
      slot: the layer, not an `Endpoint`.
      base: expanded filter counts are multiples of this.
    """
    return _Builder(slot, base).build(slot.layer, "")
