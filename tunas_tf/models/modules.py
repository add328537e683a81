"""From a layer of a search space to a module with the weights of all its options."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from tunas_tf import layers
from tunas_tf.models.basic_modules import Choice, Convolution, Function, Residual, Zero
from tunas_tf.models.bottlenecks import (
    Bottleneck,
    FusedBottleneck,
    SeparableConv,
    TuckerBottleneck,
)
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.slots import LayerSlot

__all__ = ["Builder", "build_module"]

# These modules are built from (builder, node, path).
_LAYERS = {
    spec.Bottleneck: Bottleneck,
    spec.FusedBottleneck: FusedBottleneck,
    spec.SeparableConv: SeparableConv,
    spec.TuckerBottleneck: TuckerBottleneck,
}


class Builder:
    """Builds the modules of one layer of the tower.

    Attributes:
      slot: the layer.
      base: expanded filter counts are multiples of this.
      rematerialize: whether choices compute their options again in the backward pass.
      static_shapes: whether all options of a choice have tensors of the same shapes.
      positions: path of a choice below the layer -> its row among the layer's own choices.
    """

    def __init__(self, slot: LayerSlot, base: int, rematerialize: bool, static_shapes: bool):
        self.slot = slot
        self.base = base
        self.rematerialize = rematerialize
        self.static_shapes = static_shapes
        self.positions = {
            choice.path: row for row, choice in enumerate(traversal.choices_of(slot.layer))
        }

    def build(self, node, path: str) -> tf_keras.layers.Layer:
        """The module of `node`, which stands at `path` below the layer."""
        inputs, outputs = self.slot.inputs, self.slot.outputs
        if isinstance(node, spec.OneOf):
            return self.choice(node, path, self.build)
        if isinstance(node, spec.Residual):
            return self._residual(node.layer, traversal.join(path, "layer"))
        if type(node) in _LAYERS:
            return _LAYERS[type(node)](self, node, path)
        if isinstance(node, spec.Conv):
            return self.choice(
                node.kernel_size,
                traversal.join(path, "kernel_size"),
                lambda kernel_size, _: Convolution(
                    "conv",
                    inputs.largest,
                    outputs.largest,
                    kernel_size,
                    node.strides,
                    node.batch_norm,
                ),
            )
        if isinstance(node, spec.Activation):
            activation = layers.activation(node.kind)
            # The sigmoid of 0 is a half.
            return Function(activation, keeps_zeros=float(activation(tf.zeros([]))) == 0)
        if isinstance(node, spec.GlobalPool):
            return Function(lambda x: tf.reduce_mean(x, axis=[1, 2], keepdims=True))
        if isinstance(node, spec.Zero):
            return Zero(outputs.largest)
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
        # What an outer choice computes again includes the choices within.
        is_outermost = not any(path.startswith(f"{other}/") for other in self.positions)
        return Choice(
            self.positions[path],
            options,
            rematerialize=self.rematerialize and is_outermost,
            same_shapes=self.static_shapes,
        )

    def _residual(self, node, path: str) -> tf_keras.layers.Layer:
        """input + node(input): the sum is part of the options, so that a skip costs nothing."""
        if isinstance(node, spec.OneOf):
            return self.choice(node, path, self._residual)
        if isinstance(node, spec.Zero):
            return Function(tf.identity)
        return Residual(self.build(node, path))


def build_module(
    slot: LayerSlot, base: int, rematerialize: bool = False, static_shapes: bool = False
) -> tf_keras.layers.Layer:
    """The module of a layer of the tower, all its options included.

    Args:
      slot: the layer, not an `Endpoint`.
      base: expanded filter counts are multiples of this.
      rematerialize: whether choices compute their options again in the backward pass.
      static_shapes: whether all options of a choice have tensors of the same shapes.
    """
    return Builder(slot, base, rematerialize, static_shapes).build(slot.layer, "")
