"""Squeeze-and-excite that uses only a prefix of its channels."""

from typing import Any

import tensorflow as tf
import tf_keras

from tunas_tf.layers.convolution import MaskedConv2D
from tunas_tf.layers.masking import ActiveFilters, active_part

__all__ = ["MaskedSqueezeExcite"]


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class MaskedSqueezeExcite(tf_keras.layers.Layer):
    """`x * sigmoid(expand(relu(squeeze(mean(x)))))`, shared by all widths.

    The mean is over the image; squeeze and expand are 1x1 convolutions with bias.

    Attributes:
      squeezed_filters: channels between the two convolutions at full width.
    """

    def __init__(self, squeezed_filters: int, **kwargs):
        super().__init__(**kwargs)
        self.squeezed_filters = squeezed_filters

    def build(self, input_shape):
        filters = input_shape[-1]
        dtype = self.dtype_policy
        self.squeeze = MaskedConv2D(
            self.squeezed_filters, 1, use_bias=True, name="squeeze", dtype=dtype
        )
        self.expand = MaskedConv2D(filters, 1, use_bias=True, name="expand", dtype=dtype)
        self.squeeze.build((None, 1, 1, filters))
        self.expand.build((None, 1, 1, self.squeezed_filters))
        super().build(input_shape)

    def call(
        self,
        inputs: tf.Tensor,
        active_filters: ActiveFilters = None,
        active_squeezed_filters: ActiveFilters = None,
    ) -> tf.Tensor:
        """[batch, height, width, filters] -> the same shape."""
        means = tf.reduce_mean(inputs, axis=[1, 2], keepdims=True)
        squeezed = tf.nn.relu(self.squeeze(means, active_filters, active_squeezed_filters))
        gates = tf.sigmoid(self.expand(squeezed, active_squeezed_filters, active_filters))
        # The sigmoid of a masked channel is a half: mask again.
        return inputs * active_part(gates, {3: active_filters})

    def l2_loss(
        self, active_filters: ActiveFilters = None, active_squeezed_filters: ActiveFilters = None
    ) -> tf.Tensor:
        """`sum(kernel ** 2) / 2` over the active parts of both kernels: float32 scalar."""
        return self.squeeze.l2_loss(active_filters, active_squeezed_filters) + self.expand.l2_loss(
            active_squeezed_filters, active_filters
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "squeezed_filters": self.squeezed_filters}
