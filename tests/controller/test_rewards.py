"""Rewards and baseline, by hand."""

import pytest
import tensorflow as tf

from tunas_tf.controller import baseline, rewards

QUALITY = tf.constant([0.7, 0.7, 0.5])
COST = tf.constant([100.0, 80.0, 40.0])  # Ratios to 80: 1.25, 1, 0.5.


@pytest.mark.parametrize(
    "kind, expected",
    [
        # 0.7 - 0.1 * 0.25; 0.7; 0.5 - 0.1 * 0.5
        ("abs", [0.675, 0.7, 0.45]),
        # 0.7 * 1.25^-0.1 = 0.7 * 0.9779327; 0.7; 0.5 * 0.5^-0.1 = 0.5 * 1.0717735
        ("mnas", [0.6845529, 0.7, 0.5358867]),
        # The same, but a cost below the target earns nothing.
        ("mnas_hard", [0.6845529, 0.7, 0.5]),
    ],
)
def test_rewards(kind, expected):
    result = rewards.reward(QUALITY, COST, target=80.0, exponent=-0.1, kind=kind)
    assert result.numpy() == pytest.approx(expected, rel=1e-6)


def test_unknown_reward():
    with pytest.raises(ValueError, match="no reward function 'square'"):
        rewards.reward(QUALITY, COST, 80.0, -0.1, "square")


def test_baseline_is_debiased():
    # Averages: 0.05 * 0.4 = 0.02; then 0.95 * 0.02 + 0.05 * 0.8 = 0.059. Debiased:
    # 0.02 / 0.05 = 0.4; 0.059 / (1 - 0.95^2) = 0.059 / 0.0975 = 0.6051282.
    first = baseline.update_average(tf.constant(0.0), tf.constant(0.4), 0.95)
    assert float(baseline.debias(first, tf.constant(1), 0.95)) == pytest.approx(0.4, rel=1e-5)
    second = baseline.update_average(first, tf.constant(0.8), 0.95)
    assert float(second) == pytest.approx(0.059)
    debiased = baseline.debias(second, tf.constant(2), 0.95)
    assert float(debiased) == pytest.approx(0.6051282, rel=1e-5)


def test_baseline_of_constant_rewards_is_the_reward():
    average = tf.constant(0.0)
    for update in range(1, 6):
        average = baseline.update_average(average, tf.constant(0.3), 0.9)
        assert float(baseline.debias(average, tf.constant(update), 0.9)) == pytest.approx(0.3)
