"""Probabilities, log-probability and entropy, against enumerating every architecture."""

import nested_space
import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.controller import distribution
from tunas_tf.controller.choice_table import ChoiceTable

TABLE = ChoiceTable.of(nested_space.nested_space())
INDICES = nested_space.all_indices()


def _network_probabilities(logits) -> np.ndarray:
    """[48]: of the distinct network of each architecture; sums over what it does not use."""
    numbers = nested_space.network_numbers()
    p = nested_space.architecture_probabilities(logits).numpy()
    return np.bincount(numbers, weights=p)[numbers]


def test_padding_has_probability_zero():
    p = distribution.probabilities(nested_space.random_logits(0), TABLE).numpy()
    assert np.all(p[~TABLE.valid] == 0.0)
    assert p.sum(axis=1) == pytest.approx(np.ones(5))
    uniform = distribution.probabilities(tf.zeros([5, 3]), TABLE).numpy()
    assert uniform.tolist() == [[pytest.approx(1 / 3)] * 3] + [[0.5, 0.5, 0.0]] * 4


def test_log_prob_is_that_of_the_distinct_network():
    logits = nested_space.random_logits(1)
    log_probs = distribution.log_prob(logits, TABLE, nested_space.masks_of(INDICES))
    assert np.exp(log_probs) == pytest.approx(_network_probabilities(logits), rel=1e-5)


def test_log_prob_by_hand():
    # Uniform logits. Kernel 7 of the separable convolution, 24 filters:
    # log(1/3) + log(1/2) + log(1/2) + log(1/2) = -log 24; the expansion does not count.
    # Zero: log(1/2) + log(1/2) = -log 4; nothing below the layer counts.
    masks = nested_space.masks_of([[2, 1, 0, 0, 1], [2, 1, 0, 1, 1]])
    log_probs = distribution.log_prob(tf.zeros([5, 3]), TABLE, masks)
    assert log_probs.numpy() == pytest.approx([-np.log(24), -np.log(4)])


def test_log_prob_in_warmup_by_hand():
    # The layer type runs both options, so kernel and expansion count both. With p = 0.2 for
    # operations and 0.3 for filters: type log 0.2, kernel log(0.8 / 3), expansion replaced
    # log 0.3, layer log(0.8 / 2), filters log(0.7 / 2).
    masks = nested_space.masks_of([1, 0, 0, 0, 1]).numpy()
    masks[2] = [0.5, 0.5, 0.0]
    replaced = tf.constant([False, True, True, False, False])
    p = tf.constant([0.2, 0.3, 0.2, 0.2, 0.3])
    log_prob = distribution.log_prob(tf.zeros([5, 3]), TABLE, masks, replaced, p)
    assert float(log_prob) == pytest.approx(np.log(0.2 * 0.8 / 3 * 0.3 * 0.4 * 0.35), rel=1e-6)


def test_log_prob_at_both_ends_of_warmup():
    masks = tf.constant(TABLE.warmup_masks)
    everything = tf.ones([5], bool)
    log_prob = distribution.log_prob(tf.zeros([5, 3]), TABLE, masks, everything, tf.ones([5]))
    assert float(log_prob) == 0.0  # Certain.
    masks = nested_space.masks_of([0, 0, 0, 0, 0])
    log_prob = distribution.log_prob(tf.zeros([5, 3]), TABLE, masks, ~everything, tf.zeros([5]))
    assert float(log_prob) == pytest.approx(-np.log(24))


def test_entropy_is_that_of_the_distinct_networks():
    for seed in range(3):
        logits = nested_space.random_logits(seed)
        # Each distinct network counts once: weigh architectures by their own probability.
        expected = -np.sum(
            nested_space.architecture_probabilities(logits).numpy()
            * np.log(_network_probabilities(logits))
        )
        assert float(distribution.entropy(logits, TABLE)) == pytest.approx(expected, rel=1e-5)


def test_entropy_gradient_vanishes_at_uniform_flat_choices_only():
    gradient = distribution.entropy_gradient(tf.zeros([5, 3]), TABLE).numpy()
    assert gradient[[0, 1, 4]] == pytest.approx(np.zeros([3, 3]), abs=1e-7)
    # More kernels than expansions, and more below the layer than below zero.
    assert gradient[2, 0] > 0 > gradient[2, 1]
    assert gradient[3, 0] > 0 > gradient[3, 1]


def test_score_is_the_gradient_of_log_prob():
    logits = nested_space.random_logits(2)
    replaced = tf.constant([False, True, True, False, False])
    warmup_masks = tf.where(replaced[:, None], TABLE.warmup_masks, nested_space.masks_of([1] * 5))
    cases = [(masks, None) for masks in nested_space.masks_of(INDICES)]
    for masks, is_replaced in [*cases, (warmup_masks, replaced)]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            log_prob = distribution.log_prob(
                logits, TABLE, masks, is_replaced, tf.constant([0.1, 0.2, 0.1, 0.1, 0.2])
            )
        expected = tape.gradient(log_prob, logits).numpy()
        assert distribution.score(logits, TABLE, masks, is_replaced).numpy() == pytest.approx(
            expected, abs=1e-6
        )


def test_certainty_gives_finite_numbers():
    logits = tf.constant([[200.0, -200.0, 0.0]] * 5)
    masks = nested_space.masks_of([[0, 0, 0, 0, 0], [1, 1, 1, 0, 1]])
    for function in (
        lambda x: distribution.entropy(x, TABLE),
        lambda x: distribution.log_prob(x, TABLE, masks),
    ):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(logits)
        assert np.all(np.isfinite(value))
        assert np.all(np.isfinite(tape.gradient(value, logits)))
    assert float(distribution.entropy(logits, TABLE)) == 0.0


def test_leading_axes_are_independent():
    logits = tf.stack([nested_space.random_logits(seed) for seed in range(2)])
    masks = nested_space.masks_of(INDICES[:3])
    together = distribution.log_prob(logits[:, None], TABLE, masks)  # [2, 3]
    for row in range(2):
        alone = distribution.log_prob(logits[row], TABLE, masks)
        assert together[row].numpy() == pytest.approx(alone.numpy())
