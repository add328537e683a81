"""A traced function and, as a second function, its backward pass."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.eager import record

__all__ = ["RecordedFunction", "unrecorded"]

# Within it no tape records. The gradients of what runs in it are given by hand, and a call of
# a function that a tape watches would build the gradients of that function once more.
unrecorded = record.stop_recording


class Forward(NamedTuple):
    """What a forward pass gives.

    Attributes:
      outputs: flat list of tensors.
      saved: the intermediate tensors that the backward pass needs.
    """

    outputs: list[tf.Tensor]
    saved: list[tf.Tensor]


class RecordedFunction:
    """A function without arguments, traced once, and its backward pass.

    The function may use tensors and variables from outside. tf.function differentiates such a
    function too, but keeps the intermediate tensors to itself; here they are outputs, so that
    control flow can pass them on.

    Attributes:
      structure: the outputs as the function returned them, to pack others like them.
      sources: the float tensors and the variable handles from outside that gradients flow to.
    """

    def __init__(self, function: Callable[[], Any], inline: bool = False):
        """
        Args:
          function: without arguments.
          inline: whether calls of it become part of their callers. XLA (TensorFlow 2.20) aborts
            on branches that compute with what another call returned.
        """
        self._inline = inline

        def forward() -> Forward:
            self.structure = function()
            # A tensor from outside that is returned as it is gets a place in this graph.
            outputs = [tf.identity(output) for output in tf.nest.flatten(self.structure)]
            return Forward(outputs, self._trace_backward(outputs))

        with unrecorded():
            self._forward = _concrete(forward, inline=inline)
        # By way of the current graph, where the gradient of a loop looks for variables.
        capture = tf.compat.v1.get_default_graph().capture
        self._forward.set_external_captures([capture(t) for t in self._forward.captured_inputs])

    def _trace_backward(self, outputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Traces the backward pass of the graph that is being traced; returns what it needs."""
        captures = list(tf.compat.v1.get_default_graph().captures)
        sources = [
            (outside, inside)
            for outside, inside in captures
            if outside.dtype.is_floating or outside.dtype == tf.resource
        ]
        self._is_float = [output.dtype.is_floating for output in outputs]
        outputs = [output for output in outputs if output.dtype.is_floating]

        def backward(*output_gradients):
            return tf.gradients(outputs, [inside for _, inside in sources], output_gradients)

        self._backward = _concrete(
            backward,
            *(tf.TensorSpec(output.shape, output.dtype) for output in outputs),
            inline=self._inline,
        )
        is_reached = [gradient is not None for gradient in self._backward.structured_outputs]
        self.sources = [outside for (outside, _), is_in in zip(sources, is_reached) if is_in]
        # What comes from outside is there still; the rest has to be saved.
        outside_of = {id(inside): outside for outside, inside in captures}
        needed = self._backward.captured_inputs
        self._outside_inputs = [outside_of.get(id(tensor)) for tensor in needed]
        return [tensor for tensor in needed if id(tensor) not in outside_of]

    @property
    def saved_specs(self) -> list[tf.TensorSpec]:
        saved = self._forward.structured_outputs.saved
        return [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in saved]

    def forward(self) -> Forward:
        """Calls the function."""
        return self._forward()

    def backward(
        self, saved: Sequence[tf.Tensor], output_gradients: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """The gradients of `sources`.

        Args:
          saved: from the forward pass.
          output_gradients: of all outputs, in their order.
        """
        remaining = iter(saved)
        self._backward.set_external_captures(
            [next(remaining) if t is None else t for t in self._outside_inputs]
        )
        gradients = self._backward(
            *(gradient for gradient, is_in in zip(output_gradients, self._is_float) if is_in)
        )
        return [gradient for gradient in gradients if gradient is not None]


def _concrete(function: Callable, *specs: tf.TensorSpec, inline: bool):
    # Inlined, its nodes would be those of every caller, which are many.
    attributes = {} if inline else {"_noinline": True}
    return tf.function(
        function, autograph=False, experimental_attributes=attributes
    ).get_concrete_function(*specs)
