"""The optimiser against NumPy and hand-computed rates."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.training.optimization import WarmupCosine, make_optimizer


@pytest.mark.parametrize(
    "step, expected",
    [
        (0, 0.0),
        (5, 0.4),  # Half way up.
        (10, 0.8),
        (55, 0.4),  # Half way down: cos(pi / 2) = 0.
        (40, 0.6),  # A third of the way: 0.8 * (1 + cos(pi / 3)) / 2 = 0.8 * 0.75.
        (100, 0.0),
        (200, 0.0),
    ],
)
def test_warmup_cosine(step, expected):
    schedule = WarmupCosine(peak=0.8, warmup_steps=10, total_steps=100)
    assert float(schedule(step)) == pytest.approx(expected, abs=1e-6)


def test_without_warmup_the_first_rate_is_the_peak():
    assert float(WarmupCosine(0.8, 0, 100)(0)) == pytest.approx(0.8)


def test_rmsprop_steps_equal_numpy():
    generator = np.random.default_rng(0)
    value = generator.normal(size=(3, 4))
    variable = tf.Variable(value, dtype=tf.float32)
    # 512 examples: the rate is twice the given one.
    optimizer = make_optimizer([variable], 0.05, 512, 20, 0.25, momentum=0.9)
    mean_square, momentum = np.ones_like(value), np.zeros_like(value)
    for step in range(8):
        gradient = generator.normal(size=(3, 4)) * 10
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        rate = 0.1 * step / 5 if step < 5 else 0.05 * (1 + np.cos(np.pi * (step - 5) / 15))
        mean_square = 0.9 * mean_square + 0.1 * gradient**2
        momentum = 0.9 * momentum + rate * gradient / np.sqrt(mean_square + 1.0)
        value = value - momentum
        np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-6)


def test_first_step_is_small_although_the_gradient_is_large():
    # Mean square 0.9 * 1 + 0.1 * 1e4 = 1000.9; from 0 it would be the same here, but for a
    # gradient of 0.1 it is 0.901 rather than 0.001: 0.1 / sqrt(1.901) = 0.0725.
    variable = tf.Variable([0.0])
    optimizer = make_optimizer([variable], 1.0, 256, 10, 0.0, momentum=0.0)
    optimizer.apply_gradients([(tf.constant([0.1]), variable)])
    assert float(variable[0]) == pytest.approx(-0.1 / np.sqrt(1.901), rel=1e-5)


def test_replicas_update_by_the_mean_of_their_gradients():
    # In a process of its own: the number of devices is fixed when TensorFlow starts.
    script = pathlib.Path(__file__).parent / "mirrored_update.py"
    completed = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr[-3000:]
    result = json.loads(completed.stdout.strip().splitlines()[-1])
    # Gradients 1 and 3, mean 2: mean square 0.9 + 0.1 * 4.
    expected = 1.0 - 0.5 * 2.0 / np.sqrt(1.3 + 1.0)
    assert result["used"] == pytest.approx([expected] * 2, rel=1e-5)
    assert result["unused"] == [1.0, 1.0]
    assert result["rates"] == [0.5, 0.5]
    assert result["iterations"] == 1
