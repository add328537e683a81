"""One traced function for all modules that compute the same with other weights.

Most layers of a tower repeat each other. Traced one by one, a supernet becomes a graph of
a hundred thousand nodes, which TensorFlow takes minutes to build and to optimise. Here a
module is called as a function of its weights, so that modules of equal definition share
one trace, in training and validation alike.
"""

import contextlib
from typing import Any, Hashable, Iterator, Sequence

import tensorflow as tf
import tf_keras

__all__ = ["SharedCalls"]


def _weight_places(module: tf_keras.layers.Layer) -> list[tuple[Any, str]]:
    """The (owner, attribute) pairs that hold the variables of `module`, in a fixed order."""
    return [
        (owner, name)
        for owner in module._flatten_layers()  # pylint: disable=protected-access
        for name, value in sorted(vars(owner).items())
        if isinstance(value, tf.Variable)
    ]


@contextlib.contextmanager
def _replaced_weights(places, tensors: Sequence[tf.Tensor]) -> Iterator[None]:
    """Within it, the attributes at `places` read as `tensors`."""
    # Through __dict__, because Keras would track what is assigned to an attribute.
    variables = [vars(owner)[name] for owner, name in places]
    try:
        for (owner, name), tensor in zip(places, tensors):
            vars(owner)[name] = tensor
        yield
    finally:
        for (owner, name), variable in zip(places, variables):
            vars(owner)[name] = variable


class SharedCalls:
    """Calls modules through functions that are traced once per definition."""

    def __init__(self):
        self._functions: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        """The number of definitions."""
        return len(self._functions)

    def __call__(self, definition: Hashable, module: tf_keras.layers.Layer, *args):
        """`module(*args)`.

        Args:
          definition: equal for modules that differ in the values of their weights only.
          module: a built layer whose variables are attributes of it or of its sub-layers.
          *args: nested tensors, numbers and None.
        """
        places = _weight_places(module)
        if definition not in self._functions:

            def call_with(weights, *args):
                with _replaced_weights(places, weights):
                    return module(*args)

            self._functions[definition] = tf.function(
                call_with,
                autograph=False,
                # Inlined, the copies would be optimised one by one after all.
                experimental_attributes={"_noinline": True},
            )
        weights = [tf.convert_to_tensor(vars(owner)[name]) for owner, name in places]
        return self._functions[definition](weights, *args)
