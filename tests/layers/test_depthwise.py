"""Depthwise convolution: outputs and gradients are those of the stock operation."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.layers.depthwise import depthwise_conv2d


def random(*shape):
    return tf.constant(np.random.default_rng(sum(shape)).normal(size=shape), tf.float32)


def with_gradients(convolve, inputs, kernel):
    with tf.GradientTape() as tape:
        tape.watch([inputs, kernel])
        outputs = convolve(inputs, kernel)
        loss = tf.reduce_sum(outputs**2)  # Output gradients that differ.
    return [outputs, *tape.gradient(loss, [inputs, kernel])]


@pytest.mark.parametrize("kernel_size", [3, 4, 5, 7])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (2, 3), (1, 1)])
def test_equals_the_stock_operation(kernel_size, strides, size):
    inputs, kernel = random(2, *size, 3), random(kernel_size, kernel_size, 3, 1)
    actual = with_gradients(lambda x, k: depthwise_conv2d(x, k, strides), inputs, kernel)
    expected = with_gradients(
        lambda x, k: tf.nn.depthwise_conv2d(x, k, [1, strides, strides, 1], "SAME"),
        inputs,
        kernel,
    )
    for one, other in zip(actual, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_sizes_known_at_run_time_only():
    run = tf.function(
        lambda x, k: with_gradients(lambda x, k: depthwise_conv2d(x, k, 2), x, k),
        input_signature=[tf.TensorSpec([None] * 4), tf.TensorSpec([5, 5, None, 1])],
    )
    inputs, kernel = random(2, 9, 6, 4), random(5, 5, 4, 1)
    expected = with_gradients(
        lambda x, k: tf.nn.depthwise_conv2d(x, k, [1, 2, 2, 1], "SAME"), inputs, kernel
    )
    for one, other in zip(run(inputs, kernel), expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
