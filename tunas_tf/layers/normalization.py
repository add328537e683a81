"""Batch normalisation for a network that is another one at every step."""

from typing import Any

import tensorflow as tf
import tf_keras

from tunas_tf.layers.masking import ActiveFilters, active_part

__all__ = ["MaskedBatchNormalization"]


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class MaskedBatchNormalization(tf_keras.layers.Layer):
    """Stateless batch normalisation, shared by all widths.

    `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with the mean and the (biased)
    variance of the current batch in training and in validation alike: moving averages
    would mix the statistics of different architectures. Each replica normalises by its
    own batch, since each may hold its own architecture. Statistics are float32 also
    under mixed precision.

    Attributes:
      epsilon: added to the variance.
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        # Not autocast: the fused operation takes them, and keeps its statistics, in float32.
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, active_filters: ActiveFilters = None) -> tf.Tensor:
        """[batch, height, width, filters] -> the same shape and type."""
        outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=active_part(self.gamma, {0: active_filters}),
            offset=active_part(self.beta, {0: active_filters}),
            epsilon=self.epsilon,
            is_training=True,
        )
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
