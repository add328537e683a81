"""Masked squeeze-and-excite against NumPy on the active part."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.layers import MaskedSqueezeExcite

FILTERS, SQUEEZED = 6, 4
WIDTHS = [(3, 2), (6, 1), (2, 4), (None, None), (tf.constant(4), tf.constant(3)), (5, None)]


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def built_layer():
    layer = MaskedSqueezeExcite(SQUEEZED)
    layer.build((None, None, None, FILTERS))
    layer.squeeze.bias.assign(random(SQUEEZED))
    layer.expand.bias.assign(random(FILTERS))
    return layer


def variables_of(layer):
    return [layer.squeeze.kernel, layer.squeeze.bias, layer.expand.kernel, layer.expand.bias]


def cut(variables, end, squeezed_end):
    """The active part of the four variables: matrices and vectors."""
    squeeze, squeeze_bias, expand, expand_bias = variables
    return [
        squeeze[0, 0, :end, :squeezed_end],
        squeeze_bias[:squeezed_end],
        expand[0, 0, :squeezed_end, :end],
        expand_bias[:end],
    ]


def numpy_squeeze_excite(inputs, squeeze, squeeze_bias, expand, expand_bias):
    squeezed = np.maximum(inputs.mean((1, 2)) @ squeeze + squeeze_bias, 0)
    gates = 1 / (1 + np.exp(-(squeezed @ expand + expand_bias)))
    return inputs * gates[:, None, None, :]


def numpy_gradients(inputs, parameters, output_gradient):
    """Central differences of sum(output * output_gradient), in float64."""
    values = [np.array(value, np.float64) for value in (inputs, *parameters)]

    def loss():
        return np.sum(numpy_squeeze_excite(*values) * output_gradient)

    gradients = []
    for value in values:
        gradient = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            middle = value[index]
            value[index] = middle + 1e-5
            above = loss()
            value[index] = middle - 1e-5
            gradient[index] = (above - loss()) / 2e-5
            value[index] = middle
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("active, active_squeezed", WIDTHS)
def test_forward_and_gradients_are_those_of_the_active_part(active, active_squeezed):
    layer = built_layer()
    inputs, output_gradient = tf.constant(random(2, 3, 2, FILTERS)), random(2, 3, 2, FILTERS)[::-1]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, active, active_squeezed)
    variables = variables_of(layer)
    input_gradient, *gradients = tape.gradient(outputs, [inputs, *variables], output_gradient)

    end = FILTERS if active is None else int(active)
    squeezed_end = SQUEEZED if active_squeezed is None else int(active_squeezed)
    dense_inputs = inputs.numpy()[..., :end]
    parameters = cut([variable.numpy() for variable in variables], end, squeezed_end)
    np.testing.assert_allclose(
        outputs[..., :end], numpy_squeeze_excite(dense_inputs, *parameters), atol=1e-6
    )
    expected = numpy_gradients(dense_inputs, parameters, output_gradient[..., :end])
    np.testing.assert_allclose(input_gradient[..., :end], expected[0], atol=1e-5)
    for one, other in zip(cut(gradients, end, squeezed_end), expected[1:]):
        np.testing.assert_allclose(one, other, atol=1e-5)

    assert not np.any(outputs[..., end:]) and not np.any(input_gradient[..., end:])
    for whole, part in zip(gradients, cut(gradients, end, squeezed_end)):
        assert np.count_nonzero(whole) == np.count_nonzero(part)


def test_l2_loss_counts_the_active_part_of_both_kernels():
    layer = built_layer()
    for end, squeezed_end in ((FILTERS, SQUEEZED), (3, 2)):
        squeeze, _, expand, _ = cut([v.numpy() for v in variables_of(layer)], end, squeezed_end)
        expected = (np.sum(squeeze**2) + np.sum(expand**2)) / 2
        np.testing.assert_allclose(layer.l2_loss(end, squeezed_end), expected, rtol=1e-6)
    np.testing.assert_allclose(layer.l2_loss(), layer.l2_loss(FILTERS, SQUEEZED))


def test_kernels_start_he_normal_and_biases_zero():
    layer = MaskedSqueezeExcite(300)
    layer.build((None, None, None, 400))
    np.testing.assert_allclose(np.std(layer.squeeze.kernel), np.sqrt(2 / 400), rtol=0.02)
    np.testing.assert_allclose(np.std(layer.expand.kernel), np.sqrt(2 / 300), rtol=0.02)
    assert not np.any(layer.squeeze.bias) and not np.any(layer.expand.bias)
