"""The zero layer."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.layers import MaskedConv2D, Zero


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("filters", [None, 2, 7])
def test_has_the_shape_of_a_convolution_and_is_zero(filters, strides):
    inputs = tf.fill([2, 7, 8, 3], np.inf)
    outputs = Zero(filters, strides)(inputs)
    assert outputs.shape == MaskedConv2D(filters or 3, 3, strides)(tf.ones([2, 7, 8, 3])).shape
    assert not np.any(outputs)


def test_unknown_sizes():
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def call(inputs):
        outputs = Zero(5, strides=2)(inputs)
        assert outputs.shape.as_list() == [None, None, None, 5]
        return outputs

    assert call(tf.ones([2, 7, 4, 3])).shape == (2, 4, 2, 5)


def test_residual_of_zero_is_the_identity():
    inputs = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 4, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = inputs + Zero()(inputs, active_filters=2)
    np.testing.assert_array_equal(outputs, inputs)
    np.testing.assert_array_equal(tape.gradient(outputs, inputs), np.ones((2, 4, 4, 3)))
