"""Initialisers that Keras gets wrong."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

__all__ = ["DepthwiseHeNormal"]


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class DepthwiseHeNormal(tf_keras.initializers.Initializer):
    """He normal for depthwise kernels [height, width, channels, multiplier].

    Truncated normal with standard deviation `sqrt(2 / (height * width))`: an output of a
    depthwise convolution sums over one channel only. The stock `he_normal` takes the
    channels of the kernel for summed inputs, and starts `sqrt(channels)` times too small.

    Example: `DepthwiseConv2D(3, depthwise_initializer=DepthwiseHeNormal())`.

    Attributes:
      seed: makes every call return the same values; None draws new ones.
    """

    def __init__(self, seed: int | None = None):
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype=None) -> tf.Tensor:
        height, width, channels, multiplier = shape
        # With one input channel, the stock initialiser has the right fan-in.
        single_input = (height, width, 1, channels * multiplier)
        values = tf_keras.initializers.HeNormal(self.seed)(single_input, dtype)
        return tf.reshape(values, shape)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}
