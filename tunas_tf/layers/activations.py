"""The activations of the search spaces, by name."""

from collections.abc import Callable

import tensorflow as tf

from tunas_tf.common.errors import InputError

__all__ = ["activation", "swish6"]


def swish6(inputs: tf.Tensor) -> tf.Tensor:
    """h-swish, `x * relu6(x + 3) / 6`: swish with a piecewise linear sigmoid."""
    return inputs * tf.nn.relu6(inputs + 3) / 6


_ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "sigmoid": tf.nn.sigmoid,
    "swish6": swish6,
}


def activation(kind: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The elementwise function called `kind`; raises InputError if there is none."""
    if kind not in _ACTIVATIONS:
        raise InputError(
            f"there is no activation {kind!r}; use one of {', '.join(sorted(_ACTIVATIONS))}."
        )
    return _ACTIVATIONS[kind]
