"""One traced function for all modules that compute the same with other weights.

Most layers of a tower repeat each other. Traced one by one, a supernet becomes a graph of
a hundred thousand nodes, which TensorFlow takes minutes to build and to optimise. Here a
module is called as a function of its weights, so that modules of equal definition share
one trace, in training and validation alike. Where shapes need not be static, it is a function
of its filter counts as well: most layers differ in nothing else.
"""

import contextlib
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf.models.bottlenecks import HiddenFilters

__all__ = ["SharedCalls", "share_optimized_code"]


def _places(module: tf_keras.layers.Layer, kinds: tuple[type, ...]) -> list[tuple[Any, str]]:
    """The (owner, attribute) pairs in `module` that hold values of these kinds, in fixed order."""
    owners = list(module._flatten_layers())  # pylint: disable=protected-access
    owners += [
        value
        for owner in owners
        for _, value in sorted(vars(owner).items())
        if isinstance(value, HiddenFilters)
    ]
    return [
        (owner, name)
        for owner in owners
        for name, value in sorted(vars(owner).items())
        if isinstance(value, kinds)
    ]


@contextlib.contextmanager
def _replaced(places, tensors: Sequence[tf.Tensor]) -> Iterator[None]:
    """Within it, the attributes at `places` read as `tensors`."""
    # Through __dict__, because Keras would track what is assigned to an attribute.
    values = [vars(owner)[name] for owner, name in places]
    try:
        for (owner, name), tensor in zip(places, tensors):
            vars(owner)[name] = tensor
        yield
    finally:
        for (owner, name), value in zip(places, values):
            vars(owner)[name] = value


def _of_any_size(tensor: tf.Tensor) -> tf.TensorSpec:
    """A kernel or a table of counts, of which the last two axes may have other sizes."""
    fixed = tensor.shape[:-2]
    return tf.TensorSpec([*fixed, *[None] * (tensor.shape.rank - len(fixed))], tensor.dtype)


def share_optimized_code() -> None:
    """Keeps TensorFlow from optimising a shared function once for every call of it.

    Its optimiser of graphs makes a copy of a function for each of its calls, which takes most of
    the first step of a supernet, and memory. For the whole process; to be called before the first
    step. Networks without shared functions do not change.
    """
    tf.config.optimizer.set_experimental_options({"function_optimization": False})


class SharedCalls:
    """Calls modules through functions that are traced once per definition."""

    def __init__(self, any_size: bool = False):
        """
        Args:
          any_size: whether modules of equal definition may differ in their numbers of filters
            and in the size of their inputs as well. Shapes in the graph are then not static.
        """
        self._any_size = any_size
        self._functions: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        """The number of definitions."""
        return len(self._functions)

    def __call__(self, definition: Hashable, module: tf_keras.layers.Layer, inputs, *args):
        """`module(inputs, *args)`.

        Args:
          definition: equal for modules that differ in the values of their weights only (and in
            their arrays of filter counts, with `any_size`).
          module: a built layer whose variables are attributes of it or of its sub-layers.
          inputs: [batch, height, width, filters].
          *args: nested tensors, numbers and None.
        """
        places = _places(module, (tf.Variable, np.ndarray) if self._any_size else (tf.Variable,))
        if definition not in self._functions:

            def call_with(values, *args):
                with _replaced(places, values):
                    return module(*args)

            self._functions[definition] = tf.function(
                call_with,
                autograph=False,
                # Inlined, the copies would be optimised one by one after all.
                experimental_attributes={"_noinline": True},
            )
        function = self._functions[definition]
        values = [tf.convert_to_tensor(vars(owner)[name]) for owner, name in places]
        if self._any_size:
            # The call takes the trace that fits, and so this one, which fits all sizes.
            images = tf.TensorSpec([inputs.shape[0], None, None, None], inputs.dtype)
            function.get_concrete_function([*map(_of_any_size, values)], images, *args)
        return function(values, inputs, *args)
