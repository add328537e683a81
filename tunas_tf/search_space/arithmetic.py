"""Multiply-adds and trainable parameters of layers, counted from their definition.

Multiply-adds: every convolution, the squeeze-and-excite convolutions and the
classifier; batch norm, biases, activations and pools count nothing. Parameters:
trainable ones, gamma and beta of batch norm included, moving averages not.
"""

import functools
from typing import NamedTuple

from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec

__all__ = [
    "Count",
    "classifier_count",
    "count",
    "layer_count",
    "output_size",
    "squeeze_excite_filters",
]


class Count(NamedTuple):
    """Multiply-adds of one image, and trainable parameters."""

    madds: int = 0
    params: int = 0

    def __add__(self, other):
        return Count(self.madds + other.madds, self.params + other.params)


def squeeze_excite_filters(expanded_filters: int) -> int:
    """Filters between the two squeeze-and-excite convolutions."""
    return spec.make_divisible(0.25 * expanded_filters, 8)


def output_size(layer, input_size: int) -> int:
    """Side of the square output of `layer` (SAME padding: ceil(input / stride))."""
    if isinstance(layer, spec.GlobalPool):
        return 1
    if isinstance(layer, spec.Residual):
        return output_size(layer.layer, input_size)
    if isinstance(layer, spec.OneOf):
        return output_size(layer.choices[0], input_size)
    return -(-input_size // getattr(layer, "strides", 1))


def _conv(kernel_size, input_filters, filters, size, batch_norm=True) -> Count:
    weights = kernel_size * kernel_size * input_filters * filters
    return Count(weights * size * size, weights + (2 * filters if batch_norm else filters))


def _depthwise(kernel_size, filters, size) -> Count:
    weights = kernel_size * kernel_size * filters
    return Count(weights * size * size, weights + 2 * filters)


@functools.singledispatch
def layer_count(layer, input_filters: int, filters: int, input_size: int) -> Count:
    """Counts of one layer without choices, at a square input of side `input_size`."""
    raise TypeError(f"{type(layer).__name__} is not a layer.")


@layer_count.register(spec.Activation)
@layer_count.register(spec.Endpoint)
@layer_count.register(spec.GlobalPool)
@layer_count.register(spec.Zero)
def _(layer, input_filters, filters, input_size):
    return Count()


@layer_count.register
def _(layer: spec.Residual, input_filters, filters, input_size):
    return layer_count(layer.layer, input_filters, filters, input_size)


@layer_count.register
def _(layer: spec.Conv, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    return _conv(layer.kernel_size, input_filters, filters, size, layer.batch_norm)


@layer_count.register
def _(layer: spec.SeparableConv, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    return _depthwise(layer.kernel_size, input_filters, size) + _conv(
        1, input_filters, filters, size
    )


@layer_count.register
def _(layer: spec.Bottleneck, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    expanded = layer.expansion
    total = _conv(1, input_filters, expanded, input_size)
    total += _depthwise(layer.kernel_size, expanded, size)
    if layer.squeeze_and_excite:
        squeezed = squeeze_excite_filters(expanded)
        total += _conv(1, expanded, squeezed, 1, batch_norm=False)
        total += _conv(1, squeezed, expanded, 1, batch_norm=False)
    return total + _conv(1, expanded, filters, size)


@layer_count.register
def _(layer: spec.FusedBottleneck, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    expanded = layer.expansion
    return _conv(layer.kernel_size, input_filters, expanded, size) + _conv(
        1, expanded, filters, size
    )


@layer_count.register
def _(layer: spec.TuckerBottleneck, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    before, after = layer.input_compression, layer.output_compression
    total = _conv(1, input_filters, before, input_size)
    total += _conv(layer.kernel_size, before, after, size)
    return total + _conv(1, after, filters, size)


def classifier_count(input_filters: int, num_classes: int) -> Count:
    """Counts of the final 1x1 convolution with bias; without classes there is none."""
    return _conv(1, input_filters, num_classes, 1, batch_norm=False) if num_classes else Count()


def count(
    architecture: architecture_lib.Architecture, image_size: int, num_classes: int
) -> Count:
    """Counts of a whole network on square images of side `image_size`, 3 channels."""
    total = Count()
    size = image_size
    for placed in architecture.layers():
        total += layer_count(placed.layer, placed.input_filters, placed.filters, size)
        size = output_size(placed.layer, size)
    return total + classifier_count(architecture.output_filters, num_classes)
