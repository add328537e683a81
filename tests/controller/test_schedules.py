"""Learning rate and warmup probabilities over the steps."""

import pytest
import tensorflow as tf

from tunas_tf.controller import schedules


def test_learning_rate_waits_then_grows_tenfold():
    def rate(step):
        return float(schedules.controller_learning_rate(step, 1000, 0.02, 0.25, exponential=True))

    assert rate(0) == 0
    assert rate(249) == 0
    assert rate(250) == pytest.approx(0.02)
    # Halfway: 0.02 * 10^(375 / 750) = 0.02 * 3.16228.
    assert rate(625) == pytest.approx(0.0632456, rel=1e-5)
    assert rate(1000) == pytest.approx(0.2)


def test_constant_learning_rate():
    rates = schedules.controller_learning_rate([0, 9, 10, 40], 40, 0.5, 0.25, exponential=False)
    assert rates.numpy().tolist() == [0.0, 0.0, 0.5, 0.5]


def test_learning_rate_without_delay_and_with_nothing_but_delay():
    assert float(schedules.controller_learning_rate(0, 10, 0.5, 0.0, True)) == 0.5
    assert float(schedules.controller_learning_rate(9, 10, 0.5, 1.0, True)) == 0.0


def test_warmup_falls_linearly():
    # Over 0.25 * 400 = 100 steps.
    probabilities = schedules.warmup_probability([0, 25, 99, 100, 300], 400, 0.25)
    assert probabilities.numpy() == pytest.approx([1.0, 0.75, 0.01, 0.0, 0.0], abs=1e-6)
    assert schedules.warmup_probability([0, 5], 400, 0.0).numpy().tolist() == [0.0, 0.0]


def test_schedules_are_traceable():
    @tf.function
    def both(step):
        return (
            schedules.controller_learning_rate(step, 8, 1.0, 0.5, True),
            schedules.warmup_probability(step, 8, 0.5),
        )

    rate, probability = both(tf.constant(6, tf.int64))
    assert float(rate) == pytest.approx(10**0.5, rel=1e-6)
    assert float(probability) == 0.0
