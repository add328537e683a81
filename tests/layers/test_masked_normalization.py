"""Masked batch normalisation against the formula in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.layers import MaskedBatchNormalization

FILTERS = 6
SHAPES = [(4, 3, 5, FILTERS), (8, 1, 1, FILTERS)]


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(1.0, 2.0, size=shape).astype(np.float32)


def built_layer(epsilon=1e-3):
    layer = MaskedBatchNormalization(epsilon)
    layer.build((None, None, None, FILTERS))
    layer.gamma.assign(random(FILTERS))
    layer.beta.assign(random(FILTERS) + 1)
    return layer


def numpy_batch_norm(inputs, gamma, beta, output_gradient, epsilon=1e-3):
    """Outputs, and gradients of inputs, gamma and beta, by the textbook formulas."""
    axes = (0, 1, 2)
    inputs = inputs.astype(np.float64)
    deviation = np.sqrt(inputs.var(axes) + epsilon)
    normalized = (inputs - inputs.mean(axes)) / deviation
    gamma_gradient = (output_gradient * normalized).sum(axes)
    beta_gradient = output_gradient.sum(axes)
    count = inputs.size // inputs.shape[-1]
    centered = output_gradient - (beta_gradient + normalized * gamma_gradient) / count
    outputs = gamma * normalized + beta
    return outputs, gamma / deviation * centered, gamma_gradient, beta_gradient


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("active", [1, 4, None, tf.constant(5)])
def test_forward_and_gradients_are_the_formula_on_active_channels(shape, active):
    layer = built_layer()
    inputs, output_gradient = tf.constant(random(*shape)), random(*shape[:-1], FILTERS)[::-1]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, active_filters=active)
    variables = [inputs, layer.gamma, layer.beta]
    actual = [outputs, *tape.gradient(outputs, variables, output_gradient)]

    end = FILTERS if active is None else int(active)
    expected = numpy_batch_norm(
        inputs.numpy()[..., :end],
        layer.gamma.numpy()[:end],
        layer.beta.numpy()[:end],
        output_gradient[..., :end],
    )
    for one, other in zip(actual, expected):
        np.testing.assert_allclose(one[..., :end], other, atol=2e-4, rtol=1e-4)
        assert not np.any(one[..., end:])


def test_epsilon_is_used():
    inputs = random(2, 2, 2, FILTERS)
    outputs = built_layer(epsilon=10.0)(inputs)
    layer = built_layer()
    expected, *_ = numpy_batch_norm(inputs, layer.gamma.numpy(), layer.beta.numpy(), inputs, 10.0)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_is_stateless():
    """There is no training argument and no moving average: a call changes nothing."""
    layer = built_layer()
    assert len(layer.weights) == len(layer.trainable_weights) == 2
    before = [weight.numpy() for weight in layer.weights]
    inputs = random(4, 3, 3, FILTERS)
    first = layer(inputs)
    layer(100 * inputs)
    np.testing.assert_array_equal(first, layer(inputs))
    for old, new in zip(before, layer.weights):
        np.testing.assert_array_equal(old, new)


def test_constant_channels_are_finite():
    layer = built_layer()
    outputs = layer(np.zeros((4, 2, 2, FILTERS), np.float32))
    np.testing.assert_allclose(outputs[0, 0, 0], layer.beta, atol=1e-6)


def test_statistics_are_float32_under_mixed_precision():
    """A mean in bfloat16 (8 bits) over 4096 values near 100 would be off by more than this."""
    layer = MaskedBatchNormalization(dtype="mixed_bfloat16")
    inputs = tf.cast(100 + np.random.default_rng(0).normal(size=(16, 16, 16, 2)) * 4, tf.bfloat16)
    outputs = tf.cast(layer(inputs), tf.float32).numpy()
    np.testing.assert_allclose(outputs.mean((0, 1, 2)), 0, atol=2e-3)
    np.testing.assert_allclose(outputs.std((0, 1, 2)), 1, atol=2e-3)
