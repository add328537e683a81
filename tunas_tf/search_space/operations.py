"""The primitive operations that a layer consists of: what its costs are counted from.

An operation works on square feature maps; padding is SAME. Batch norm is part of the
convolution before it, where inference folds it.
"""

import dataclasses
import functools
from typing import Any

from tunas_tf.search_space import spec

__all__ = [
    "Convolution",
    "Depthwise",
    "Elementwise",
    "Pool",
    "classifier_operations",
    "layer_operations",
    "output_size",
    "squeeze_excite_filters",
]


@dataclasses.dataclass(frozen=True)
class Convolution:
    """k x k convolution with batch norm, or with a bias instead.

    Attributes:
      kernel_size, strides: of the convolution.
      input_filters, filters: channels before and after.
      input_size, size: sides of the feature maps before and after, in pixels.
      batch_norm: whether batch norm follows.
    """

    kernel_size: int
    strides: int
    input_filters: int
    filters: int
    input_size: int
    size: int
    batch_norm: bool = True


@dataclasses.dataclass(frozen=True)
class Depthwise:
    """k x k depthwise convolution with batch norm; attributes as for `Convolution`."""

    kernel_size: int
    strides: int
    filters: int
    input_size: int
    size: int


@dataclasses.dataclass(frozen=True)
class Elementwise:
    """An activation by its name, "add" or "multiply" (of a map by one value per channel)."""

    kind: str
    filters: int
    size: int


@dataclasses.dataclass(frozen=True)
class Pool:
    """Global average pool of maps of side `input_size`."""

    filters: int
    input_size: int


def squeeze_excite_filters(expanded_filters: int) -> int:
    """Filters between the two squeeze-and-excite convolutions."""
    return spec.make_divisible(0.25 * expanded_filters, 8)


def output_size(layer: Any, input_size: int) -> int:
    """Side of the square output of `layer` (SAME padding: ceil(input / stride))."""
    if isinstance(layer, spec.GlobalPool):
        return 1
    if isinstance(layer, spec.Residual):
        return output_size(layer.layer, input_size)
    if isinstance(layer, spec.OneOf):
        return output_size(layer.choices[0], input_size)
    return -(-input_size // getattr(layer, "strides", 1))


def _pointwise(input_filters: int, filters: int, size: int, batch_norm: bool = True):
    return Convolution(1, 1, input_filters, filters, size, size, batch_norm)


@functools.singledispatch
def layer_operations(layer: Any, input_filters: int, filters: int, input_size: int) -> list:
    """The operations of one layer without choices, in order.

    Args:
      layer: its expansions are resolved.
      input_filters, filters: channels before and after.
      input_size: side of the square input in pixels.
    """
    raise TypeError(f"{type(layer).__name__} is not a layer.")


@layer_operations.register(spec.Endpoint)
@layer_operations.register(spec.Zero)
def _(layer, input_filters, filters, input_size):
    return []


@layer_operations.register
def _(layer: spec.Activation, input_filters, filters, input_size):
    return [Elementwise(layer.kind, filters, input_size)]


@layer_operations.register
def _(layer: spec.GlobalPool, input_filters, filters, input_size):
    return [Pool(filters, input_size)]


@layer_operations.register
def _(layer: spec.Residual, input_filters, filters, input_size):
    branch = layer_operations(layer.layer, input_filters, filters, input_size)
    return [*branch, Elementwise("add", filters, input_size)] if branch else []


@layer_operations.register
def _(layer: spec.Conv, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    return [
        Convolution(
            layer.kernel_size,
            layer.strides,
            input_filters,
            filters,
            input_size,
            size,
            layer.batch_norm,
        )
    ]


@layer_operations.register
def _(layer: spec.SeparableConv, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    return [
        Depthwise(layer.kernel_size, layer.strides, input_filters, input_size, size),
        Elementwise(layer.activation, input_filters, size),
        _pointwise(input_filters, filters, size),
    ]


def _squeeze_excite(expanded: int, size: int) -> list:
    squeezed = squeeze_excite_filters(expanded)
    return [
        Pool(expanded, size),
        _pointwise(expanded, squeezed, 1, batch_norm=False),
        Elementwise("relu", squeezed, 1),
        _pointwise(squeezed, expanded, 1, batch_norm=False),
        Elementwise("sigmoid", expanded, 1),
        Elementwise("multiply", expanded, size),
    ]


@layer_operations.register
def _(layer: spec.Bottleneck, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    expanded = layer.expansion
    return [
        _pointwise(input_filters, expanded, input_size),
        Elementwise(layer.activation, expanded, input_size),
        Depthwise(layer.kernel_size, layer.strides, expanded, input_size, size),
        Elementwise(layer.activation, expanded, size),
        *(_squeeze_excite(expanded, size) if layer.squeeze_and_excite else []),
        _pointwise(expanded, filters, size),
    ]


@layer_operations.register
def _(layer: spec.FusedBottleneck, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    expanded = layer.expansion
    return [
        Convolution(layer.kernel_size, layer.strides, input_filters, expanded, input_size, size),
        Elementwise(layer.activation, expanded, size),
        _pointwise(expanded, filters, size),
    ]


@layer_operations.register
def _(layer: spec.TuckerBottleneck, input_filters, filters, input_size):
    size = output_size(layer, input_size)
    before, after = layer.input_compression, layer.output_compression
    return [
        _pointwise(input_filters, before, input_size),
        Elementwise(layer.activation, before, input_size),
        Convolution(layer.kernel_size, layer.strides, before, after, input_size, size),
        Elementwise(layer.activation, after, size),
        _pointwise(after, filters, size),
    ]


def classifier_operations(input_filters: int, num_classes: int, input_size: int = 1) -> list:
    """The final 1x1 convolution with bias and the pool behind it; none without classes."""
    if not num_classes:
        return []
    convolution = _pointwise(input_filters, num_classes, input_size, batch_norm=False)
    return [convolution, Pool(num_classes, input_size)]
