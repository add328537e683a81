"""The baseline of the rewards: a zero-debiased exponential moving average."""

import tensorflow as tf

__all__ = ["debias", "update_average"]


def update_average(average: tf.Tensor, value: tf.Tensor, momentum: float) -> tf.Tensor:
    """momentum * average + (1 - momentum) * value, starting from an average of 0."""
    return momentum * average + (1.0 - momentum) * value


def debias(average: tf.Tensor, num_updates: tf.Tensor, momentum: float) -> tf.Tensor:
    """average / (1 - momentum^num_updates): undoes the pull of the start at 0.

    The first value v gives an average of (1 - momentum) v, debiased to v again.
    """
    return average / (1.0 - tf.pow(momentum, tf.cast(num_updates, tf.float32)))
