"""Switch: which branches run, values, gradients, inside loops and other switches."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.layers import MaskedConv2D, Switch, Zero, switch

ONE_HOTS = np.eye(3, dtype=np.float32)
UNIFORM = np.full(3, 1 / 3, np.float32)


@pytest.fixture(name="weights")
def _weights():
    return [tf.Variable(float(value)) for value in (2, 3, 5)]


@pytest.fixture(name="counters")
def _counters():
    return [tf.Variable(0) for _ in range(3)]


def powers(weights, x):
    """Branches `x * w`, `x * w**2`, `x * w**3`: gradients `x`, `2 x w`, `3 x w**2`."""
    return [
        lambda: x * weights[0],
        lambda: x * weights[1] ** 2,
        lambda: x * weights[2] ** 3,
    ]


def counted(counters, branches):
    """The same branches, each counting its runs at run time."""

    def count(counter, branch):
        def run():
            counter.assign_add(1)
            return branch()

        return run

    return [count(counter, branch) for counter, branch in zip(counters, branches)]


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize(
    "mask, runs, value",
    [
        (ONE_HOTS[0], [1, 0, 0], 4),
        (ONE_HOTS[1], [0, 1, 0], 18),
        (ONE_HOTS[2], [0, 0, 1], 250),
        (UNIFORM, [1, 1, 1], (4 + 18 + 250) / 3),
        ([0.25, 0.0, 0.75], [1, 1, 1], 0.25 * 4 + 0.75 * 250),
        ([0.0, 0.0, 0.0], [1, 1, 1], 0),
    ],
)
def test_runs_what_the_mask_selects(in_graph, mask, runs, value, weights, counters):
    def call(mask):
        return switch(mask, counted(counters, powers(weights, 2.0)))

    call = tf.function(call) if in_graph else call
    np.testing.assert_allclose(call(tf.constant(mask)), value, rtol=1e-6)
    assert [int(counter) for counter in counters] == runs


def test_gradient_runs_only_the_selected_branch(weights, counters):
    """The backward pass neither runs the other branches nor repeats the selected one."""

    @tf.function
    def gradients(mask):
        with tf.GradientTape() as tape:
            loss = switch(mask, counted(counters, powers(weights, 2.0)))
        return tape.gradient(loss, weights)

    gradients(tf.constant(ONE_HOTS[1]))
    assert [int(counter) for counter in counters] == [0, 1, 0]


@pytest.mark.parametrize(
    "mask, expected",
    [
        (ONE_HOTS[0], [2, 0, 0]),
        (ONE_HOTS[1], [0, 12, 0]),
        (ONE_HOTS[2], [0, 0, 150]),
        (UNIFORM, [2 / 3, 4, 50]),
    ],
)
def test_gradients_in_a_function_are_dense_zeros_where_not_selected(mask, expected, weights):
    @tf.function
    def gradients(mask, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = switch(mask, powers(weights, x))
        *weight_gradients, input_gradient = tape.gradient(loss, [*weights, x])
        assert all(isinstance(gradient, tf.Tensor) for gradient in weight_gradients)
        return weight_gradients, input_gradient, loss

    weight_gradients, input_gradient, loss = gradients(tf.constant(mask), tf.constant(2.0))
    np.testing.assert_allclose(weight_gradients, expected, rtol=1e-6)
    np.testing.assert_allclose(input_gradient, loss / 2, rtol=1e-6)  # All are linear in x.


def test_eager_gradients_are_none_where_not_selected(weights):
    with tf.GradientTape() as tape:
        loss = switch(ONE_HOTS[1], powers(weights, 2.0))
    first, second, third = tape.gradient(loss, weights)
    assert first is None and third is None
    np.testing.assert_allclose(second, 12)


@pytest.mark.parametrize("in_graph", [False, True])
def test_an_optimizer_moves_the_selected_weight_only(in_graph, weights):
    optimizer = tf_keras.optimizers.SGD(0.01)
    optimizer.build(weights)

    def step(mask):
        with tf.GradientTape() as tape:
            loss = switch(mask, powers(weights, 2.0))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))

    (tf.function(step) if in_graph else step)(tf.constant(ONE_HOTS[1]))
    np.testing.assert_allclose([weight.numpy() for weight in weights], [2, 3 - 0.12, 5])


def test_masks_that_change_within_a_loop_of_training_steps(weights):
    """The host loop of a search: one function, another sample at every step."""
    optimizer = tf_keras.optimizers.SGD(0.01)
    optimizer.build(weights)
    selected = tf.constant([0, 1, 0, 2, 0])

    @tf.function
    def train():
        for step in tf.range(5):
            with tf.GradientTape() as tape:
                loss = switch(tf.one_hot(selected[step], 3), powers(weights, 2.0))
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))

    train()
    expected = [2 - 3 * 0.02, 3 - 0.12, 5 - 1.5]
    np.testing.assert_allclose([weight.numpy() for weight in weights], expected, rtol=1e-6)


def test_gradient_through_a_loop(weights):
    """x <- branch(x) twice: x * w0, then times w1 ** 2."""

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            x = tf.constant(2.0)
            for step in tf.range(2):
                x = switch(tf.one_hot(step, 3), powers(weights, x))
        return x, tape.gradient(x, weights)

    value, actual = gradients()
    np.testing.assert_allclose(value, 36)
    np.testing.assert_allclose(actual, [2 * 9, 2 * 2 * 6, 0])


@pytest.mark.parametrize(
    "outer, inner, value, expected",
    [
        ([1, 0], ONE_HOTS[2], 250, [0, 0, 150]),
        ([0, 1], ONE_HOTS[2], 0, [0, 0, 0]),
        ([0.5, 0.5], ONE_HOTS[1], 9, [0, 6, 0]),
        ([1, 0], UNIFORM, 272 / 3, [2 / 3, 4, 50]),
        ([0.5, 0.5], UNIFORM, 272 / 6, [1 / 3, 2, 25]),
    ],
)
def test_nested(outer, inner, value, expected, weights):
    @tf.function
    def call(outer, inner):
        with tf.GradientTape() as tape:
            result = switch(
                outer,
                [lambda: switch(inner, powers(weights, 2.0)), lambda: tf.constant(0.0)],
            )
        return result, tape.gradient(result, weights)

    result, gradients = call(tf.constant(outer, tf.float32), tf.constant(inner))
    np.testing.assert_allclose(result, value, rtol=1e-6)
    np.testing.assert_allclose(gradients, expected, rtol=1e-6)


def test_nested_runs_nothing_of_an_unselected_branch(weights, counters):
    @tf.function
    def call(outer, inner):
        return switch(
            outer,
            [
                lambda: switch(inner, counted(counters, powers(weights, 2.0))),
                lambda: tf.constant(0.0),
            ],
        )

    call(tf.constant([0.0, 1.0]), tf.constant(UNIFORM))
    assert [int(counter) for counter in counters] == [0, 0, 0]


def test_structures_are_averaged_leaf_by_leaf():
    def branch(value):
        half = tf.constant([value, 0.0], tf.bfloat16)
        return lambda: {"a": tf.constant(value), "b": (half, tf.constant([[value]]))}

    result = switch([0.25, 0.75], [branch(4.0), branch(8.0)])
    np.testing.assert_allclose(result["a"], 7)
    assert result["b"][0].dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(result["b"][0], tf.float32), [7, 0])
    np.testing.assert_allclose(result["b"][1], [[7]])


def test_a_single_branch_just_runs():
    assert switch(tf.constant([0.3]), [lambda: "result"]) == "result"


@pytest.mark.parametrize("mask", [[1.0], [1.0, 0.0, 0.0], 1.0])
def test_mask_of_another_size_is_an_error(mask):
    with pytest.raises(InputError, match="between 2 branches"):
        switch(mask, [lambda: 1.0, lambda: 2.0])


def test_no_branches_is_an_error():
    with pytest.raises(InputError, match="between 0 branches"):
        switch(tf.zeros([0]), [])


def test_building_the_layer_builds_its_options_once():
    shared = MaskedConv2D(4, 1)
    layer = Switch([shared, shared, MaskedConv2D(4, 3)])
    layer.build((None, None, None, 3))
    assert [variable.shape[0] for variable in layer.trainable_variables] == [1, 3]


def test_layer_passes_inputs_and_arguments_to_the_selected_options():
    layer = Switch([MaskedConv2D(4, 1), MaskedConv2D(4, 3), Zero(4)])
    inputs = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 5, 3)), tf.float32)
    call = tf.function(layer)  # First called, and built, inside a function.
    assert call(inputs, option_mask=tf.constant(ONE_HOTS[0])).shape == (2, 5, 5, 4)

    outputs = [option(inputs, active_filters=2) for option in layer.options]
    for mask in (*ONE_HOTS, UNIFORM):
        actual = call(inputs, option_mask=tf.constant(mask), active_filters=tf.constant(2))
        expected = sum(weight * output for weight, output in zip(mask, outputs))
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_switch_of_layers_inside_another_switch():
    inner = Switch([MaskedConv2D(3, 1, kernel_initializer="ones"), Zero()])
    inner.build((None, None, None, 3))
    inputs = tf.ones([1, 2, 2, 3])

    @tf.function
    def call(outer_mask, inner_mask):
        with tf.GradientTape() as tape:
            outputs = switch(
                outer_mask, [lambda: inner(inputs, option_mask=inner_mask), lambda: 7 * inputs]
            )
        return outputs, tape.gradient(outputs, inner.trainable_variables[0])

    first, second = tf.constant([1.0, 0.0]), tf.constant([0.0, 1.0])
    for outer_mask, inner_mask, value, gradient in (
        (first, first, 3, 4),  # 1x1 convolution of ones, and a gradient from 2x2 positions.
        (first, second, 0, 0),
        (second, first, 7, 0),
        (second, second, 7, 0),
    ):
        outputs, kernel_gradient = call(outer_mask, inner_mask)
        np.testing.assert_allclose(outputs, value * inputs)
        np.testing.assert_allclose(kernel_gradient, np.full((1, 1, 3, 3), gradient))


@pytest.mark.parametrize(
    "mask, rematerialize, runs",
    [
        (ONE_HOTS[1], False, [0, 1, 0]),
        (ONE_HOTS[1], True, [0, 2, 0]),
        (UNIFORM, False, [2, 2, 2]),
        (UNIFORM, True, [2, 2, 2]),
    ],
)
def test_the_backward_pass_computes_again(mask, rematerialize, runs, weights, counters):
    @tf.function
    def gradients(mask, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = switch(mask, counted(counters, powers(weights, x)), rematerialize)
        return loss, tape.gradient(loss, [*weights, x])

    loss, (*weight_gradients, input_gradient) = gradients(tf.constant(mask), tf.constant(2.0))
    assert [int(counter) for counter in counters] == runs
    expected = np.array([2, 12, 150]) * mask
    np.testing.assert_allclose(weight_gradients, expected, rtol=1e-6)
    np.testing.assert_allclose(input_gradient, loss / 2, rtol=1e-6)


def test_structures_have_gradients_leaf_by_leaf(weights):
    """Also where a branch does not use a weight, and where an output has no gradient."""

    def first():
        return {"sum": weights[0] + weights[1], "count": tf.constant(1), "half": 0.5 * weights[0]}

    def second():
        return {"sum": 3 * weights[1], "count": tf.constant(2), "half": tf.constant(0.0)}

    @tf.function
    def gradients(mask):
        with tf.GradientTape() as tape:
            results = switch(mask, [first, second])
            loss = 10 * results["sum"] + results["half"]
        return results["count"], tape.gradient(loss, weights[:2])

    for mask, count, expected in (([1.0, 0.0], 1, [10.5, 10]), ([0.0, 1.0], 2, [0, 30])):
        actual_count, actual = gradients(tf.constant(mask))
        assert int(actual_count) == count
        np.testing.assert_allclose(actual, expected)


def test_the_graph_grows_little_faster_than_the_options():
    """Only what a branch returns, a gradient for the weights of every branch, is quadratic."""

    def num_nodes(num_options):
        layer = Switch([MaskedConv2D(4, 3, use_bias=True) for _ in range(num_options)])
        layer.build((None, None, None, 4))

        @tf.function
        def gradients(x, mask):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(x, option_mask=mask))
            return tape.gradient(loss, layer.trainable_variables)

        graph = gradients.get_concrete_function(
            tf.TensorSpec((1, 5, 5, 4)), tf.TensorSpec((num_options,))
        ).graph.as_graph_def()
        functions = graph.library.function
        return len(graph.node) + sum(len(function.node_def) for function in functions)

    four, eight, sixteen = map(num_nodes, (4, 8, 16))
    assert sixteen < 2.5 * eight < 2.5 * 2.2 * four


def test_xla_takes_branches_that_save_other_shapes_if_they_are_rematerialized(weights):
    def branch(weight, size):
        return lambda: tf.reduce_sum(tf.exp(weight * tf.ones([size]))) / size

    @tf.function(jit_compile=True)
    def gradients(mask):
        with tf.GradientTape() as tape:
            loss = switch(
                mask, [branch(w, n) for w, n in zip(weights, (2, 3, 4))], rematerialize=True
            )
        return tape.gradient(loss, weights)

    np.testing.assert_allclose(gradients(tf.constant(ONE_HOTS[1])), [0, np.exp(3), 0], rtol=1e-5)


def test_xla_gives_the_same_values_and_gradients(weights):
    @tf.function(jit_compile=True)
    def gradients(mask):
        with tf.GradientTape() as tape:
            loss = switch(mask, powers(weights, 2.0))
        return loss, tape.gradient(loss, weights)

    for mask, value, expected in (
        (ONE_HOTS[1], 18, [0, 12, 0]),
        (UNIFORM, 272 / 3, [2 / 3, 4, 50]),
    ):
        loss, actual = gradients(tf.constant(mask))
        np.testing.assert_allclose(loss, value, rtol=1e-6)
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
