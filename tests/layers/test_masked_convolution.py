"""Masked convolutions against dense ones on kernels cut to the active part."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.layers import MaskedConv2D, MaskedDepthwiseConv2D

INPUT_FILTERS, FILTERS = 5, 6


def random(*shape):
    return tf.constant(np.random.default_rng(sum(shape)).normal(size=shape), tf.float32)


def with_gradients(function, tensors):
    """Output of `function`, and gradients of a sum of it with unequal weights."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = function()
        # Weights that do not depend on the number of channels.
        batch, height, width, filters = outputs.shape
        loss = tf.reduce_sum(outputs * random(batch, height, width, 8)[..., :filters])
    return [outputs, *tape.gradient(loss, tensors)]


def assert_prefix(actual, expected):
    """`actual` is `expected` at its start in every dimension, and exactly 0 elsewhere."""
    padding = [(0, big - small) for big, small in zip(actual.shape, expected.shape)]
    np.testing.assert_allclose(actual, np.pad(expected, padding), atol=1e-5)
    outside = np.pad(np.ones(expected.shape), padding) == 0
    assert not np.any(np.asarray(actual)[outside])


def built_conv(kernel_size, strides=1, use_bias=False):
    layer = MaskedConv2D(FILTERS, kernel_size, strides, use_bias)
    layer.build((None, None, None, INPUT_FILTERS))
    if use_bias:
        layer.bias.assign(random(FILTERS))
    return layer


def built_depthwise(kernel_size, strides=1):
    layer = MaskedDepthwiseConv2D(kernel_size, strides)
    layer.build((None, None, None, FILTERS))
    return layer


@pytest.mark.parametrize("kernel_size, strides", [(1, 1), (3, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("active_inputs, active", [(2, 4), (5, 1), (3, 6), (None, 2), (1, None)])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_conv_is_the_dense_conv_of_the_active_part(
    kernel_size, strides, active_inputs, active, as_tensor
):
    layer = built_conv(kernel_size, strides, use_bias=True)
    inputs = random(2, 7, 6, INPUT_FILTERS)  # Not zero beyond the active channels.
    widths = [active_inputs, active]
    if as_tensor:
        widths = [None if width is None else tf.constant(width) for width in widths]

    actual = with_gradients(lambda: layer(inputs, *widths), [inputs, layer.kernel, layer.bias])

    dense_inputs = inputs[..., :active_inputs]
    dense_kernel = layer.kernel[:, :, :active_inputs, :active]
    dense_bias = layer.bias[:active]
    expected = with_gradients(
        lambda: tf.nn.conv2d(dense_inputs, dense_kernel, strides, "SAME") + dense_bias,
        [dense_inputs, dense_kernel, dense_bias],
    )
    for one, other in zip(actual, expected):
        assert_prefix(one, other)


@pytest.mark.parametrize("kernel_size, strides", [(3, 1), (3, 2), (5, 1), (7, 2)])
@pytest.mark.parametrize("active", [1, 4, None, tf.constant(5)])
def test_depthwise_is_the_dense_depthwise_of_the_active_part(kernel_size, strides, active):
    layer = built_depthwise(kernel_size, strides)
    inputs = random(2, 9, 6, FILTERS)
    actual = with_gradients(
        lambda: layer(inputs, active_filters=active), [inputs, layer.depthwise_kernel]
    )

    end = None if active is None else int(active)
    dense_inputs = inputs[..., :end]
    dense_kernel = layer.depthwise_kernel[:, :, :end]
    expected = with_gradients(
        lambda: tf.nn.depthwise_conv2d(
            dense_inputs, dense_kernel, [1, strides, strides, 1], "SAME"
        ),
        [dense_inputs, dense_kernel],
    )
    for one, other in zip(actual, expected):
        assert_prefix(one, other)


def test_l2_loss_counts_half_the_squares_of_the_active_kernel():
    conv = built_conv(3, use_bias=True)
    kernel = conv.kernel.numpy()
    np.testing.assert_allclose(conv.l2_loss(), np.sum(kernel**2) / 2, rtol=1e-6)
    active_part = kernel[:, :, :2, :4]
    np.testing.assert_allclose(
        conv.l2_loss(tf.constant(2), tf.constant(4)), np.sum(active_part**2) / 2, rtol=1e-6
    )
    depthwise = built_depthwise(5)
    kernel = depthwise.depthwise_kernel.numpy()
    np.testing.assert_allclose(depthwise.l2_loss(), np.sum(kernel**2) / 2, rtol=1e-6)
    np.testing.assert_allclose(depthwise.l2_loss(3), np.sum(kernel[:, :, :3] ** 2) / 2, rtol=1e-6)


def test_l2_gradient_is_the_active_kernel():
    layer = built_conv(3, use_bias=True)
    with tf.GradientTape() as tape:
        loss = layer.l2_loss(2, 4)
    gradient, bias_gradient = tape.gradient(loss, [layer.kernel, layer.bias])
    assert_prefix(gradient, layer.kernel[:, :, :2, :4])
    assert bias_gradient is None


def test_one_program_serves_all_widths():
    layer = built_conv(1)
    inputs = random(1, 2, 2, INPUT_FILTERS)
    traces = []

    @tf.function
    def call(active):
        traces.append(active)
        return layer(inputs, active_filters=active)

    for active in range(FILTERS + 1):
        assert_prefix(call(tf.constant(active)), layer(inputs)[..., :active])
    assert len(traces) == 1


@pytest.mark.parametrize("active", [-1, FILTERS + 1])
def test_width_out_of_range_is_an_error(active):
    with pytest.raises(InputError, match=f"{active} active filters.*0 to {FILTERS}"):
        built_depthwise(3)(random(1, 4, 4, FILTERS), active_filters=active)


def test_conv_starts_he_normal_and_takes_other_initializers():
    layer = MaskedConv2D(200, 3)
    layer.build((None, None, None, 100))
    np.testing.assert_allclose(np.std(layer.kernel), np.sqrt(2 / 900), rtol=0.02)
    ones = MaskedConv2D(2, 3, kernel_initializer="ones")
    ones.build((None, None, None, 3))
    assert np.all(ones.kernel.numpy() == 1)


def test_depthwise_starts_he_normal_over_the_kernel_area():
    layer = MaskedDepthwiseConv2D(3)
    layer.build((None, None, None, 5000))
    np.testing.assert_allclose(np.std(layer.depthwise_kernel), np.sqrt(2 / 9), rtol=0.03)
