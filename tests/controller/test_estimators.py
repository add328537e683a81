"""Gradient estimators, against exact gradients by enumeration."""

import nested_space
import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.controller import distribution, estimators
from tunas_tf.controller.choice_table import ChoiceTable

TABLE = ChoiceTable.of(nested_space.nested_space())
MASKS = nested_space.masks_of(nested_space.all_indices())  # [48, 5, 3]


def _expectation(logits, values) -> np.ndarray:
    """Exact mean over architectures of values [48, ...]."""
    p = nested_space.architecture_probabilities(logits)
    return tf.tensordot(p, tf.cast(values, tf.float32), axes=1).numpy()


def test_reinforce_is_unbiased_with_any_baseline():
    logits, values = nested_space.random_logits(0), nested_space.random_values(1)
    scores = distribution.score(logits, TABLE, MASKS)
    for baseline in (0.0, 0.7):
        mean = _expectation(logits, (values - baseline)[:, None, None] * scores)
        assert mean == pytest.approx(nested_space.exact_gradient(logits, values), abs=1e-6)


def test_leave_one_out_is_unbiased():
    """All 48 * 48 pairs of architectures, by their probability."""
    logits, values = nested_space.random_logits(2), nested_space.random_values(3)
    scores = distribution.score(logits, TABLE, MASKS).numpy()
    first, second = np.divmod(np.arange(48 * 48), 48)
    gradients = estimators.leave_one_out_gradient(
        tf.constant(np.stack([values[first], values[second]], axis=1), tf.float32),
        tf.constant(np.stack([scores[first], scores[second]], axis=1)),
    ).numpy()
    p = nested_space.architecture_probabilities(logits).numpy()
    mean = np.tensordot(p[first] * p[second], gradients, axes=1)
    assert mean == pytest.approx(nested_space.exact_gradient(logits, values), abs=1e-6)


def test_leave_one_out_by_hand():
    # Values 1, 2, 6 have mean 3: ((1 - 3) * 1 + (2 - 3) * 0 + (6 - 3) * -1) / 2 = -2.5.
    scores = tf.reshape(tf.constant([1.0, 0.0, -1.0]), [3, 1, 1])
    gradient = estimators.leave_one_out_gradient(tf.constant([1.0, 2.0, 6.0]), scores)
    assert gradient.numpy().tolist() == [[-2.5]]


def test_known_gradient_approaches_the_exact_one():
    logits, values = nested_space.random_logits(4), nested_space.random_values(5)
    of_index = tf.constant(values.reshape(nested_space.NUM_OPTIONS), tf.float32)
    gradient = estimators.known_gradient(
        logits, TABLE, lambda indices: tf.gather_nd(of_index, indices), 40000, tf.constant([1, 2])
    )
    expected = nested_space.exact_gradient(logits, values)
    # |score| <= 1, so five standard errors are below 5 * 1 / sqrt(40000) = 0.025.
    assert np.std(values) < 1
    assert gradient.numpy() == pytest.approx(expected, abs=0.025)
    assert np.abs(expected).max() > 3 * 0.025


def _random_regression(seed) -> estimators.Regression:
    slopes = np.random.default_rng(seed).normal(size=[5, 3])
    return estimators.Regression(tf.constant(slopes, tf.float32), tf.zeros([5, 3]))


def test_regression_gradient_is_the_covariance_of_scores_times_slopes():
    logits, regression = nested_space.random_logits(6), _random_regression(7)
    scores = distribution.score(logits, TABLE, MASKS)
    predictions = estimators.predict(regression, scores)
    expected = nested_space.exact_gradient(logits, predictions.numpy())
    gradient = estimators.regression_gradient(regression, logits, TABLE)
    assert gradient.numpy() == pytest.approx(expected, abs=1e-6)


def test_full_residual_is_unbiased_whatever_the_slopes():
    logits, values = nested_space.random_logits(8), nested_space.random_values(9)
    scores = distribution.score(logits, TABLE, MASKS)
    for seed in range(3):
        regression = _random_regression(seed)
        residuals = values - estimators.predict(regression, scores)
        mean = estimators.regression_gradient(regression, logits, TABLE) + _expectation(
            logits, residuals[:, None, None] * scores
        )
        assert mean.numpy() == pytest.approx(nested_space.exact_gradient(logits, values), abs=1e-6)


def test_least_squares_slopes_give_the_exact_gradient_of_any_function():
    """Compatible features: no residual is needed, although values have interactions."""
    logits, values = nested_space.random_logits(10), nested_space.random_values(11)
    scores = distribution.score(logits, TABLE, MASKS).numpy()
    root = np.sqrt(nested_space.architecture_probabilities(logits).numpy())
    centred = values - np.sum(root**2 * values)
    # The scores of a choice add up to 0: of the many solutions, the smallest.
    slopes, *_ = np.linalg.lstsq(root[:, None] * scores.reshape(48, -1), root * centred, rcond=1e-4)
    assert np.std(centred - scores.reshape(48, -1) @ slopes) > 0.1  # A poor fit.
    regression = estimators.Regression(
        tf.constant(slopes.reshape(5, 3), tf.float32), tf.zeros([5, 3])
    )
    gradient = estimators.regression_gradient(regression, logits, TABLE)
    assert gradient.numpy() == pytest.approx(nested_space.exact_gradient(logits, values), abs=1e-6)


def test_one_step_of_the_fit_by_hand():
    # One replica with score (0.5, -0.5) and residual 0.3, prior 2, memory 4, old evidence 1:
    # evidence 0.75 * 1 + 2 * 0.25 = 1.25; slope +- 0.3 * 0.5 / (2 + 1.25) = +- 0.0461538.
    regression = estimators.Regression(tf.zeros([1, 2]), tf.ones([1, 2]))
    fitted = estimators.fit(
        regression,
        residual=tf.constant(0.3),
        score=tf.constant([[0.5, -0.5]]),
        prior=tf.constant(2.0),
        memory=4.0,
        num_replicas=1,
        replica_mean=lambda values: values,
    )
    assert fitted.evidence.numpy() == pytest.approx(np.array([[1.25, 1.25]]))
    assert fitted.slopes.numpy() == pytest.approx(np.array([[0.0461538, -0.0461538]]), rel=1e-5)


def test_fit_sums_over_replicas():
    # Two replicas: evidence 2 * (0.25 + 0.25) = 1; the products 0.1 * 0.5 and 0.3 * -0.5 add
    # up to -0.1; slope -0.1 / (1 + 1).
    fitted = estimators.fit(
        estimators.Regression(tf.zeros([1, 1, 2]), tf.zeros([1, 1, 2])),
        residual=tf.constant([0.1, 0.3]),
        score=tf.constant([[[0.5, -0.5]], [[-0.5, 0.5]]]),
        prior=tf.constant(1.0),
        memory=10.0,
        num_replicas=2,
        replica_mean=lambda values: [tf.reduce_mean(v, axis=0, keepdims=True) for v in values],
    )
    assert fitted.evidence.numpy().ravel() == pytest.approx([1.0, 1.0])
    assert fitted.slopes.numpy().ravel() == pytest.approx([-0.05, 0.05])


def test_fit_converges_to_the_exact_gradient():
    """All architectures as replicas of each step: uniform, like the logits."""
    logits, values = tf.zeros([5, 3]), nested_space.random_values(12)
    scores = distribution.score(logits, TABLE, MASKS)
    differences = tf.constant(values - values.mean(), tf.float32)
    regression = estimators.Regression(tf.zeros([1, 5, 3]), tf.zeros([1, 5, 3]))
    for _ in range(40):
        regression = estimators.fit(
            regression,
            differences - estimators.predict(regression, scores),
            scores,
            prior=estimators.prior_evidence(TABLE),
            memory=5.0,
            num_replicas=48,
            replica_mean=lambda vs: [tf.reduce_mean(v, axis=0, keepdims=True) for v in vs],
        )
    gradient = estimators.regression_gradient(regression, logits, TABLE)[0]
    assert gradient.numpy() == pytest.approx(nested_space.exact_gradient(logits, values), abs=1e-4)


def test_prior_is_the_mean_squared_score_of_a_uniform_controller():
    # Kernel 1/4 * 2/3, expansion 1/4 * 1/2, type 1/2 * 1/2, layer 1/2, filters 1/2.
    expected = 1 / 6 + 1 / 8 + 1 / 4 + 1 / 2 + 1 / 2
    assert float(estimators.prior_evidence(TABLE)) == pytest.approx(expected)
    squares = tf.reduce_sum(distribution.score(tf.zeros([5, 3]), TABLE, MASKS) ** 2, axis=[1, 2])
    assert float(tf.reduce_mean(squares)) == pytest.approx(expected)
