"""Sampling: frequencies, warmup, reproducibility."""

import nested_space
import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.controller import distribution, sampling
from tunas_tf.controller.choice_table import ChoiceTable

TABLE = ChoiceTable.of(nested_space.nested_space())
SEED = tf.constant([3, 4])


def test_frequencies_match_probabilities():
    logits = nested_space.random_logits(0)
    indices = sampling.sample_many(logits, TABLE, 20000, SEED)
    assert indices.shape == [20000, 5]
    frequencies = tf.reduce_mean(nested_space.masks_of(indices), axis=0).numpy()
    p = distribution.probabilities(logits, TABLE).numpy()
    # Five standard errors, at most 5 * sqrt(0.25 / 20000) = 0.018.
    assert frequencies == pytest.approx(p, abs=0.018)
    assert np.all(frequencies[~TABLE.valid] == 0)


def test_choices_are_independent():
    indices = sampling.sample_many(tf.zeros([5, 3]), TABLE, 20000, SEED).numpy()
    correlations = np.corrcoef(indices.T) - np.eye(5)
    assert np.abs(correlations).max() < 5 / np.sqrt(20000)


def test_same_seed_same_sample():
    logits = nested_space.random_logits(1)

    def draw(seed):
        batch = tf.tile(logits[None], [30, 1, 1])
        return sampling.sample(batch, TABLE, tf.constant(seed), 0.5, 0.5)

    again = tf.nest.map_structure(
        lambda a, b: bool(tf.reduce_all(a == b)), draw([1, 2]), draw([1, 2])
    )
    assert all(again)
    assert not np.array_equal(draw([1, 2]).indices, draw([1, 3]).indices)
    assert not np.array_equal(draw([1, 2]).replaced, draw([2, 2]).replaced)


def test_without_warmup_masks_are_one_hot():
    sample = sampling.sample(tf.zeros([50, 5, 3]), TABLE, SEED)
    assert not np.any(sample.replaced)
    assert np.array_equal(sample.masks, nested_space.masks_of(sample.indices))


def test_full_warmup_replaces_everything():
    sample = sampling.sample(tf.zeros([100, 5, 3]), TABLE, SEED, 1.0, 1.0)
    assert np.all(sample.replaced)
    assert np.all(sample.masks == TABLE.warmup_masks)
    # The larger expansion is the first option, the larger filter count the second; operations
    # keep what was drawn for them.
    assert [sorted(set(column)) for column in sample.indices.numpy().T] == [
        [0, 1, 2],
        [0],
        [0, 1],
        [0, 1],
        [1],
    ]


@pytest.mark.parametrize(
    "operations, filters, expected",
    [(0.3, 0.0, [0.3, 0, 0.3, 0.3, 0]), (0.0, 0.6, [0, 0.6, 0, 0, 0.6])],
)
def test_each_warmup_concerns_its_own_choices(operations, filters, expected):
    sample = sampling.sample(tf.zeros([20000, 5, 3]), TABLE, SEED, operations, filters)
    replaced = sample.replaced.numpy()
    assert replaced.mean(axis=0) == pytest.approx(expected, abs=0.018)
    # Choices are replaced one by one, not all together.
    num_replaced = replaced.sum(axis=1)
    assert set(range(1 + np.count_nonzero(expected))) == set(num_replaced)


def test_partial_warmup_keeps_the_other_choices_one_hot():
    sample = sampling.sample(tf.zeros([200, 5, 3]), TABLE, SEED, 0.5, 0.5)
    one_hot = nested_space.masks_of(sample.indices).numpy()
    replaced = sample.replaced.numpy()
    assert np.array_equal(sample.masks.numpy()[~replaced], one_hot[~replaced])
    expected = np.broadcast_to(TABLE.warmup_masks, one_hot.shape)
    assert np.array_equal(sample.masks.numpy()[replaced], expected[replaced])


def test_many_samples_for_many_controllers():
    logits = tf.stack([100.0 * nested_space.masks_of([1] * 5), tf.zeros([5, 3])])
    indices = sampling.sample_many(logits, TABLE, 100, SEED).numpy()
    assert indices.shape == (2, 100, 5)
    assert np.all(indices[0] == 1)
    assert indices[1].std() > 0
