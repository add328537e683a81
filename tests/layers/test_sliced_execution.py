"""Slice execution: what mask execution computes, of the active channels only."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf import layers
from tunas_tf.common.errors import InputError
from tunas_tf.layers import Sliced, widen
from tunas_tf.layers.masking import active_part

FILTERS = 6

# The layer, its active widths, and which of them are those of the input and of the output.
CASES = {
    "conv": (lambda: layers.MaskedConv2D(8, 3, 2, use_bias=True), (3, 5), 0, 1),
    "conv_of_all_inputs": (lambda: layers.MaskedConv2D(8, 1), (None, 5), 0, 1),
    "depthwise": (lambda: layers.MaskedDepthwiseConv2D(5, 2), (3,), 0, 0),
    "batch_norm": (layers.MaskedBatchNormalization, (4,), 0, 0),
    "squeeze_excite": (lambda: layers.MaskedSqueezeExcite(4), (3, 2), 0, 0),
    "zero": (lambda: layers.Zero(8, 2), (3, 5), 0, 1),
}


def _assert_close(tensor, expected):
    """Equal to 1e-6 of the largest value: sums that cancel keep the rounding of their summands."""
    assert tensor.shape == expected.shape
    np.testing.assert_allclose(tensor, expected, rtol=0, atol=1e-6 * np.max(np.abs(expected)))


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_the_active_part_of_those_of_mask_execution(name):
    make, widths, input_index, output_index = CASES[name]
    layer = make()
    generator = np.random.default_rng(0)
    layer.build((None, None, None, FILTERS))
    layer.set_weights([generator.normal(size=w.shape) for w in layer.weights])
    active_inputs, active = widths[input_index], widths[output_index]
    inputs = tf.constant(generator.normal(size=(4, 7, 5, FILTERS)), tf.float32)
    traces = []

    @tf.function(reduce_retracing=True)
    def run(inputs, widths):
        traces.append(inputs.shape)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, *widths)
            # Not of squares, whose sum batch norm fixes: gradients would be rounding alone.
            loss = tf.reduce_sum(outputs**3)
        return outputs, *tape.gradient(
            loss, [inputs, *layer.trainable_weights], unconnected_gradients="zero"
        )

    tensors = [None if width is None else tf.constant(width) for width in widths]
    masked = run(inputs, tensors)
    sliced = run(inputs[..., :active_inputs], [None if t is None else Sliced(t) for t in tensors])
    assert sliced[0].shape[-1] == active
    for tensor, end in ((0, active), (1, active_inputs)):
        _assert_close(sliced[tensor], masked[tensor][..., :end])
    for one, other in zip(sliced[2:], masked[2:]):
        _assert_close(one, other)


def test_active_part():
    matrix = tf.reshape(tf.range(6.0), (2, 3))
    np.testing.assert_array_equal(active_part(matrix, {1: 2}), [[0, 1, 0], [3, 4, 0]])
    np.testing.assert_array_equal(active_part(matrix, {1: Sliced(2)}), [[0, 1], [3, 4]])
    np.testing.assert_array_equal(active_part(matrix, {0: Sliced(1), 1: None}), [[0, 1, 2]])
    np.testing.assert_array_equal(active_part(matrix, {0: 1, 1: Sliced(1)}), [[0], [0]])


@pytest.mark.parametrize("width", [4, Sliced(4), Sliced(-1)])
def test_width_out_of_range_is_an_error(width):
    with pytest.raises(InputError, match="active filters.*0 to 3"):
        active_part(tf.zeros([3]), {0: width})


def test_widen():
    narrow = tf.ones([2, 1, 1, 3])
    np.testing.assert_array_equal(widen(narrow, 5)[0, 0, 0], [1, 1, 1, 0, 0])
    assert widen(narrow, 3) is narrow

    @tf.function(input_signature=[tf.TensorSpec([2, 1, 1, None])])
    def call(x):
        wide = widen(x, 5)
        assert wide.shape == (2, 1, 1, 5)
        return wide

    np.testing.assert_array_equal(call(narrow), widen(narrow, 5))
