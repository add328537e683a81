"""The depthwise initialiser: fan-in is the kernel's area, whatever the channels."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf.layers import DepthwiseHeNormal


@pytest.mark.parametrize("shape", [(3, 3, 20000, 1), (5, 5, 8000, 1), (3, 5, 6000, 2)])
def test_standard_deviation_does_not_depend_on_channels(shape):
    tf_keras.utils.set_random_seed(1)
    values = DepthwiseHeNormal()(shape).numpy()
    expected = np.sqrt(2 / (shape[0] * shape[1]))
    assert values.shape == shape
    np.testing.assert_allclose(values.std(), expected, rtol=0.01)
    np.testing.assert_allclose(values.mean(), 0, atol=0.01 * expected)
    # Truncated at two standard deviations of the normal before truncation.
    assert np.abs(values).max() < 2.3 * expected


def test_keeps_the_variance_through_relu():
    """What He normal is for: E[output ** 2] = E[input ** 2] after a ReLU."""
    tf_keras.utils.set_random_seed(2)
    inputs = tf.nn.relu(tf.random.normal([1, 32, 32, 500]))
    kernel = DepthwiseHeNormal()([3, 3, 500, 1])
    outputs = tf.nn.relu(tf.nn.depthwise_conv2d(inputs, kernel, [1, 1, 1, 1], "VALID"))
    ratio = tf.reduce_mean(outputs**2) / tf.reduce_mean(inputs**2)
    np.testing.assert_allclose(ratio, 1, rtol=0.15)


def test_channels_draw_different_values_and_seeds_repeat_them():
    values = DepthwiseHeNormal(seed=3)([3, 3, 4, 1]).numpy()
    assert len(np.unique(values)) == values.size
    np.testing.assert_array_equal(values, DepthwiseHeNormal(seed=3)([3, 3, 4, 1]))
    assert not np.array_equal(DepthwiseHeNormal()([3, 3, 4, 1]), DepthwiseHeNormal()([3, 3, 4, 1]))


def test_serves_the_stock_layer_and_its_config():
    layer = tf_keras.layers.DepthwiseConv2D(3, depthwise_initializer=DepthwiseHeNormal(seed=5))
    clone = tf_keras.layers.DepthwiseConv2D.from_config(layer.get_config())
    for built in (layer, clone):
        built.build((None, 8, 8, 6))
    np.testing.assert_array_equal(layer.depthwise_kernel, clone.depthwise_kernel)
    np.testing.assert_array_equal(layer.depthwise_kernel, DepthwiseHeNormal(5)([3, 3, 6, 1]))
