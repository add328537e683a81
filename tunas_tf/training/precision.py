"""The precision that networks compute in: float32, or bfloat16 with float32 variables."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
import tf_keras

__all__ = ["network_precision", "on_tpu"]


def on_tpu(strategy: tf.distribute.Strategy | None = None) -> bool:
    """Whether the devices of a strategy, by default the current one, are TPUs."""
    return isinstance(
        strategy or tf.distribute.get_strategy(),
        (tf.distribute.TPUStrategy, tf.distribute.experimental.TPUStrategy),
    )


@contextlib.contextmanager
def network_precision(bfloat16: bool) -> Iterator[None]:
    """Networks that are built within it compute in bfloat16, else in float32.

    Layers keep the policy that they were built under, so Keras's global one is set only here,
    and put back afterwards. Variables, gradients and logits are float32 either way; bfloat16
    has the exponents of float32, so losses need no scaling.
    """
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16" if bfloat16 else "float32")
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
