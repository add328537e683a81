"""Multiply-adds and trainable parameters of layers, counted from their operations.

Multiply-adds: every convolution, the squeeze-and-excite convolutions and the
classifier; batch norm, biases, activations and pools count nothing. Parameters:
trainable ones, gamma and beta of batch norm included, moving averages not.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import operations

__all__ = ["Count", "classifier_count", "count", "layer_count", "operations_count"]


class Count(NamedTuple):
    """Multiply-adds of one image, and trainable parameters."""

    madds: int = 0
    params: int = 0

    def __add__(self, other):
        return Count(self.madds + other.madds, self.params + other.params)


def _operation_count(operation) -> Count:
    if isinstance(operation, operations.Convolution):
        weights = operation.kernel_size**2 * operation.input_filters * operation.filters
        per_filter = 2 if operation.batch_norm else 1  # Gamma and beta, or a bias.
    elif isinstance(operation, operations.Depthwise):
        weights = operation.kernel_size**2 * operation.filters
        per_filter = 2
    else:
        return Count()
    return Count(weights * operation.size**2, weights + per_filter * operation.filters)


def operations_count(counted: Iterable) -> Count:
    """Counts of `operations` in a row."""
    return sum(map(_operation_count, counted), Count())


def layer_count(layer: Any, input_filters: int, filters: int, input_size: int) -> Count:
    """Counts of one layer without choices, at a square input of side `input_size`."""
    return operations_count(operations.layer_operations(layer, input_filters, filters, input_size))


def classifier_count(input_filters: int, num_classes: int, input_size: int = 1) -> Count:
    """Counts of the final 1x1 convolution with bias; without classes there is none."""
    return operations_count(
        operations.classifier_operations(input_filters, num_classes, input_size)
    )


def count(architecture: architecture_lib.Architecture, image_size: int, num_classes: int) -> Count:
    """Counts of a whole network on square images of side `image_size`, 3 channels."""
    total = Count()
    size = image_size
    for placed in architecture.layers():
        total += layer_count(placed.layer, placed.input_filters, placed.filters, size)
        size = operations.output_size(placed.layer, size)
    return total + classifier_count(architecture.output_filters, num_classes, size)
