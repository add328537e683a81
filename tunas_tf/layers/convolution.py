"""Convolutions that use only a prefix of their input and output channels."""

from typing import Any

import tensorflow as tf
import tf_keras

from tunas_tf.layers.depthwise import depthwise_conv2d
from tunas_tf.layers.initializers import DepthwiseHeNormal
from tunas_tf.layers.masking import ActiveFilters, active_part

__all__ = ["MaskedConv2D", "MaskedDepthwiseConv2D"]


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class MaskedConv2D(tf_keras.layers.Layer):
    """Convolution with SAME padding, shared by all input and output widths.

    The kernel is built at the widest input and output: call `build` with it, or begin with an
    input of full width. A call uses the corner of it that belongs to the active widths, and
    raises InputError if that is wider than the kernel.

    Attributes:
      filters: output channels at full width.
      kernel_size: side of the square kernel.
      strides: step in both directions.
      use_bias: whether to add a bias, which starts at zero.
      kernel_initializer: initialiser, as for stock Keras layers.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        use_bias: bool = False,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.use_bias = use_bias
        self.kernel_initializer = tf_keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        # Not autocast: the L2 loss needs float32, also when it is called from a layer that
        # computes in a lower precision.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            autocast=False,
        )
        self.bias: Any = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros", autocast=False
            )
        super().build(input_shape)

    def active_kernel(
        self, active_input_filters: ActiveFilters = None, active_filters: ActiveFilters = None
    ) -> tf.Tensor:
        """float32 [kernel_size, kernel_size, input filters, filters]."""
        return active_part(self.kernel, {2: active_input_filters, 3: active_filters})

    def call(
        self,
        inputs: tf.Tensor,
        active_input_filters: ActiveFilters = None,
        active_filters: ActiveFilters = None,
        kernel: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """[batch, height, width, input filters] -> [batch, height', width', filters].

        A caller that needs the active kernel itself gives it, so that its gradient, which has
        the size of the whole kernel, is made once.
        """
        if kernel is None:
            kernel = self.active_kernel(active_input_filters, active_filters)
        kernel = tf.cast(kernel, inputs.dtype)
        outputs = tf.nn.conv2d(inputs, kernel, self.strides, "SAME")
        if self.use_bias:
            outputs += tf.cast(active_part(self.bias, {0: active_filters}), outputs.dtype)
        return outputs

    def l2_loss(
        self, active_input_filters: ActiveFilters = None, active_filters: ActiveFilters = None
    ) -> tf.Tensor:
        """`sum(kernel ** 2) / 2` over the active part: float32 scalar, without the bias."""
        return tf.nn.l2_loss(self.active_kernel(active_input_filters, active_filters))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "kernel_initializer": tf_keras.initializers.serialize(self.kernel_initializer),
        }


@tf_keras.utils.register_keras_serializable(package="tunas_tf")
class MaskedDepthwiseConv2D(tf_keras.layers.Layer):
    """Depthwise convolution with SAME padding and no bias, shared by all widths.

    Attributes:
      kernel_size: side of the square kernel.
      strides: step in both directions.
    """

    def __init__(self, kernel_size: int, strides: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape):
        self.depthwise_kernel = self.add_weight(
            name="depthwise_kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], 1),
            initializer=DepthwiseHeNormal(),
            autocast=False,  # As in MaskedConv2D.
        )
        super().build(input_shape)

    def active_kernel(self, active_filters: ActiveFilters = None) -> tf.Tensor:
        """float32 [kernel_size, kernel_size, filters, 1]."""
        return active_part(self.depthwise_kernel, {2: active_filters})

    def call(
        self,
        inputs: tf.Tensor,
        active_filters: ActiveFilters = None,
        kernel: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """[batch, height, width, filters] -> [batch, height', width', filters].

        A caller may give the active kernel, as in MaskedConv2D.
        """
        if kernel is None:
            kernel = self.active_kernel(active_filters)
        return depthwise_conv2d(inputs, tf.cast(kernel, inputs.dtype), self.strides)

    def l2_loss(self, active_filters: ActiveFilters = None) -> tf.Tensor:
        """`sum(kernel ** 2) / 2` over the active part: float32 scalar."""
        return tf.nn.l2_loss(self.active_kernel(active_filters))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }
