"""The skip option: a layer whose output is zero."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf.layers.masking import ActiveFilters, active_part

__all__ = ["Zero"]


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class Zero(tf_keras.layers.Layer):
    """Zeros of the shape that a convolution with SAME padding would give.

    Inside a residual it makes the identity.

    Attributes:
      filters: output channels; None for as many as the input has.
      strides: step in both directions.
    """

    def __init__(self, filters: int | np.ndarray | None = None, strides: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides

    def call(
        self,
        inputs: tf.Tensor,
        active_input_filters: ActiveFilters = None,
        active_filters: ActiveFilters = None,
    ) -> tf.Tensor:
        """[batch, height, width, input filters] -> zeros [batch, height', width', filters].

        It takes the active input filters, without need, to be an option beside convolutions.
        """
        del active_input_filters
        # Slices give ceil(size / strides) for static and for dynamic sizes.
        zeros = tf.zeros_like(inputs[:, :: self.strides, :: self.strides])
        if self.filters is None:
            return zeros
        filters = active_part(tf.zeros([self.filters], zeros.dtype), {0: active_filters})
        return zeros[..., :1] + filters

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}
