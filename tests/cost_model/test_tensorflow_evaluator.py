"""The TensorFlow evaluation against the NumPy one, values and gradients."""

import example_spaces
import numpy as np
import pytest
import tensorflow as tf

from tunas_tf import cost_model, search_space
from tunas_tf.cost_model import published
from tunas_tf.cost_model.tensorflow_evaluator import TensorFlowCostModel
from tunas_tf.search_space import spec, traversal


def _enlarged():
    space = example_spaces.enlarged_space()
    generator = np.random.default_rng(0)
    coefficients = generator.normal(size=published.num_features(space))
    return published.from_coefficients("random", "ms", space, coefficients, 50.0)


_MODELS = {
    "pixel1": lambda: cost_model.get("pixel1", search_space.get("proxylessnas_search")),
    "madds": lambda: cost_model.get("madds", search_space.get("proxylessnas_search")),
    "params": lambda: cost_model.get("params", example_spaces.mixed_space()),
    "enlarged": _enlarged,
}


def _padded(probabilities):
    width = max(map(len, probabilities))
    return np.array([np.pad(p, (0, width - len(p))) for p in probabilities])


@pytest.fixture(name="model", scope="module", params=_MODELS)
def _model(request):
    return _MODELS[request.param]()


def test_cost_of_architectures(model):
    num_options = [choice.num_options for choice in traversal.choices_of(model.space)]
    indices = np.random.default_rng(1).integers(num_options, size=(4, 25, len(num_options)))
    actual = TensorFlowCostModel(model).cost(tf.constant(indices, tf.int32))
    np.testing.assert_allclose(actual, model.cost(indices), rtol=1e-4)


def test_expected_cost_of_soft_masks_and_of_samples(model):
    generator = np.random.default_rng(2)
    evaluator = TensorFlowCostModel(model)
    choices = traversal.choices_of(model.space)
    one_hot = [np.eye(c.num_options)[generator.integers(c.num_options)] for c in choices]
    soft = example_spaces.random_probabilities(model.space, generator)
    for masks in (one_hot, soft):
        actual = evaluator.expected_cost(tf.constant(_padded(masks), tf.float32))
        assert float(actual) == pytest.approx(model.expected_cost(masks), rel=1e-4)


def test_gradient_of_the_expected_cost(model):
    """The cost is linear in each single entry, so central differences are exact."""
    probabilities = _padded(
        example_spaces.random_probabilities(model.space, np.random.default_rng(3))
    )
    masks = tf.constant(probabilities, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(masks)
        cost = TensorFlowCostModel(model).expected_cost(masks)
    gradient = tf.convert_to_tensor(tape.gradient(cost, masks)).numpy()
    scale = float(np.abs(gradient).max())
    for position, choice in enumerate(traversal.choices_of(model.space)):
        for option in range(choice.num_options):
            step = np.zeros_like(probabilities)
            step[position, option] = 0.5
            difference = model.expected_cost(probabilities + step) - model.expected_cost(
                probabilities - step
            )
            assert gradient[position, option] == pytest.approx(difference, abs=1e-4 * scale)
        assert not gradient[position, choice.num_options :].any()


def test_works_inside_a_function_with_unknown_batch(model):
    evaluator = TensorFlowCostModel(model)
    num_choices = len(traversal.choices_of(model.space))
    signature = [tf.TensorSpec([None, num_choices], tf.int32)]
    compiled = tf.function(evaluator.cost, input_signature=signature)
    indices = np.zeros([3, num_choices], np.int32)
    np.testing.assert_allclose(compiled(indices), model.cost(indices), rtol=1e-4)


def test_cost_without_choices_is_the_bias():
    space = spec.SearchSpace("fixed", (spec.Block((spec.Conv(3),), 8),))
    model = cost_model.get("madds", space, image_size=10, num_classes=4)
    evaluator = TensorFlowCostModel(model)
    np.testing.assert_allclose(evaluator.cost(tf.zeros([2, 0], tf.int32)), [model.bias] * 2)
    np.testing.assert_allclose(evaluator.expected_cost(tf.zeros([0, 1])), model.bias)
