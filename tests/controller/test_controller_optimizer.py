"""The controller's Adam, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.controller.optimizer import adam_step


def test_two_steps():
    # v1 = 0.001 * 4 = 0.004; step 0.1 * sqrt(0.001) * 2 / sqrt(0.004) = 0.1.
    step, moment = adam_step(
        tf.constant([2.0]), tf.constant([4.0]), tf.zeros([1]), tf.constant(1), 0.1
    )
    assert step.numpy() == pytest.approx([0.1], rel=1e-4)
    assert moment.numpy() == pytest.approx([0.004])
    # v2 = 0.999 * 0.004 + 0.001 * 1 = 0.004996; 1 - 0.999^2 = 0.001999;
    # step 0.1 * sqrt(0.001999) * -1 / sqrt(0.004996) = -0.0632551.
    step, moment = adam_step(tf.constant([-1.0]), tf.constant([1.0]), moment, tf.constant(2), 0.1)
    assert step.numpy() == pytest.approx([-0.0632551], rel=1e-4)
    assert moment.numpy() == pytest.approx([0.004996])


def test_squares_are_averaged_after_squaring():
    # Replicas with gradients 3 and -1: mean 1, mean square 5. step = 0.1 / sqrt(5).
    step, _ = adam_step(tf.constant([1.0]), tf.constant([5.0]), tf.zeros([1]), tf.constant(1), 0.1)
    assert step.numpy() == pytest.approx([0.1 / np.sqrt(5)], rel=1e-4)


def test_learning_rate_zero_only_gathers_the_scale():
    step, moment = adam_step(
        tf.constant([2.0]), tf.constant([4.0]), tf.zeros([1]), tf.constant(1), 0.0
    )
    assert step.numpy() == [0.0]
    assert moment.numpy() == pytest.approx([0.004])


def test_no_gradient_no_step():
    step, _ = adam_step(tf.zeros([3]), tf.zeros([3]), tf.zeros([3]), tf.constant(1), 0.1)
    assert step.numpy().tolist() == [0.0, 0.0, 0.0]
