"""Steps with numbers that are not finite: found by step and sample, and left out if asked to."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf import models
from tunas_tf.controller import Controller, ControllerConfig
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.network_trainer import NetworkTrainer, WeightAverages
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.search_trainer import SearchTrainer
from tunas_tf.training.step_guard import StepGuard
from tunas_tf.training.task import Task, TaskLoss


class _MeanPrediction(Task):
    quality_name = "nothing"
    scalar_names = ()

    def loss(self, predictions, labels):
        return TaskLoss(tf.reduce_mean(predictions), {})

    def quality(self, predictions, labels):
        raise NotImplementedError


@tf.custom_gradient
def _finite_without_gradient(value):
    return value, lambda upstream: upstream * np.inf


class _NoGradient(_MeanPrediction):
    """The loss is finite, its gradient is not where labels say so."""

    def loss(self, predictions, labels):
        value = tf.reduce_mean(predictions)
        is_bad = tf.reduce_any(labels > 0)
        return TaskLoss(tf.where(is_bad, _finite_without_gradient(value), value), {})


def _network() -> tf_keras.Model:
    inputs = tf_keras.Input((2,))
    outputs = tf_keras.layers.BatchNormalization(momentum=0.5)(inputs)
    return tf_keras.Model(inputs, tf_keras.layers.Dense(1)(outputs))


def _trainer(on_nan: str, images, task=None, labels=None) -> NetworkTrainer:
    """One step for each row of `images` [steps, batch, 2]."""
    tf_keras.utils.set_random_seed(0)
    network, averages = _network(), WeightAverages(_network(), 0.5)
    averages.start(network)
    optimizer = make_optimizer(network.trainable_variables, 0.5, 256, 10, 0.0, momentum=0.9)
    labels = np.zeros(images.shape[:2]) if labels is None else labels
    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    return NetworkTrainer(
        task or _MeanPrediction(), network, optimizer, batches, 0.1, averages, on_nan
    )


def _values(trainer: NetworkTrainer) -> list[np.ndarray]:
    """Weights, moving statistics, averages, slots; not the number of steps."""
    variables = [*trainer.network.variables, *trainer.averages.network.variables]
    variables += trainer.optimizer.variables()[1:]
    assert len(variables) == 6 + 6 + 2 * 4
    return [variable.numpy() for variable in variables]


def _images(num_steps: int, bad_steps=(), value=np.nan) -> np.ndarray:
    images = np.random.default_rng(0).normal(size=(num_steps, 4, 2)).astype(np.float32)
    for step in bad_steps:
        images[step - 1, 1, 0] = value
    return images


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_first_bad_step_of_a_loop_is_known(value):
    trainer = _trainer("stop", _images(8, bad_steps=(5, 7), value=value))
    trainer.train(tf.constant(3))
    assert trainer.guard.first_bad_step() is None
    metrics = trainer.train(tf.constant(5))
    assert trainer.guard.first_bad_step() == (5, ())
    assert np.isnan(metrics["model/loss"]) and "model/skipped_steps" not in metrics


def test_a_skipped_step_changes_nothing():
    trainer = _trainer("skip", _images(4, bad_steps=(3,)))
    trainer.train(tf.constant(2))
    before = _values(trainer)
    metrics = trainer.train(tf.constant(1))
    for old, new in zip(before, _values(trainer)):
        np.testing.assert_array_equal(old, new)
    assert trainer.guard.first_bad_step() == (3, ())
    assert int(metrics["model/skipped_steps"]) == 1 and np.isnan(metrics["model/loss"])
    assert int(trainer.global_step) == 3 and int(trainer.optimizer.iterations) == 3

    metrics = trainer.train(tf.constant(1))
    assert trainer.guard.first_bad_step() is None and int(metrics["model/skipped_steps"]) == 1
    changed = [not np.array_equal(old, new) for old, new in zip(before, _values(trainer))]
    assert sum(changed) > 15  # Of some weights the gradient is 0.


def test_skipping_does_nothing_to_good_steps_and_their_means():
    images = _images(4)
    expected, trainer = _trainer("stop", images), _trainer("skip", images)
    metrics, others = expected.train(tf.constant(4)), trainer.train(tf.constant(4))
    for old, new in zip(_values(expected), _values(trainer)):
        np.testing.assert_array_equal(old, new)
    assert float(metrics["model/loss"]) == float(others["model/loss"])

    # In one loop: of three steps, two count.
    trainer = _trainer("skip", _images(3, bad_steps=(2,)))
    mean = float(trainer.train(tf.constant(3))["model/loss"])
    one_by_one = _trainer("skip", _images(3, bad_steps=(2,)))
    losses = [float(one_by_one.train(tf.constant(1))["model/loss"]) for _ in range(3)]
    assert mean == pytest.approx((losses[0] + losses[2]) / 2, rel=1e-6)


def test_an_update_that_is_not_finite_is_taken_back():
    """The loss of the step is finite; what it does to the weights is not."""
    labels = np.zeros((3, 4))
    labels[1] = 1.0
    trainer = _trainer("skip", _images(3), _NoGradient(), labels)
    trainer.train(tf.constant(1))
    before = _values(trainer)
    trainer.train(tf.constant(1))
    assert trainer.guard.first_bad_step() == (2, ())
    for old, new in zip(before, _values(trainer)):
        np.testing.assert_array_equal(old, new)
    trainer.train(tf.constant(1))
    assert all(np.isfinite(value).all() for value in _values(trainer))


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_a_bad_step_of_a_search_is_known_by_its_sample(small_space, on_nan):
    tf_keras.utils.set_random_seed(0)
    supernet = models.Supernet(small_space, 2)
    optimizer = make_optimizer(supernet.trainable_variables, 0.1, 256, 10, 0.0, momentum=0.9)
    config = ControllerConfig(
        total_steps=10,
        train_batch_size=4,
        rl_learning_rate=1.0,
        rl_delay_steps_fraction=0.0,
        increase_ops_warmup_steps_fraction=0.0,
        increase_filters_warmup_steps_fraction=0.0,
    )
    controller = Controller(small_space, config, None)
    images = np.random.default_rng(0).normal(size=(6, 4, 16, 16, 3)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 2, (6, 4)).astype(np.int32)
    good = tf.data.Dataset.from_tensor_slices((images.copy(), labels))
    images[3, 0] = np.nan
    trainer = SearchTrainer(
        ClassificationTask(0.0),
        supernet,
        controller,
        optimizer,
        tf.data.Dataset.from_tensor_slices((images, labels)),
        good,
        weight_decay=0.0,
        seed=0,
        on_nan=on_nan,
    )

    def values():
        variables = [*supernet.variables, *tf.nest.flatten(controller.state)]
        return [v.numpy() for v in (*variables, *optimizer.variables()[1:])]

    trainer.train(tf.constant(3))
    before = values()
    assert trainer.guard.first_bad_step() is None and np.any(controller.state.logits)
    expected = controller.sample(0, 3).indices  # Step 3 from 0 is the fourth.
    trainer.train(tf.constant(3 if on_nan == "stop" else 1))
    assert trainer.guard.first_bad_step() == (4, tuple(expected.numpy()))
    if on_nan == "skip":
        for old, new in zip(before, values()):
            np.testing.assert_array_equal(old, new)
        trainer.train(tf.constant(2))
        assert all(np.isfinite(value).all() for value in values())


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_all_replicas_do_the_same(on_nan):
    script = pathlib.Path(__file__).parent / "mirrored_guard.py"
    completed = subprocess.run(
        [sys.executable, str(script), on_nan],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr[-3000:]
    result = json.loads(completed.stdout.strip().splitlines()[-1])
    first, second, third = result["after"]
    assert result["bad_steps"][0] is None and result["bad_steps"][1] == [2, []]
    assert np.isfinite(result["losses"][0])
    if on_nan == "skip":
        assert second == first and third != second
        assert result["bad_steps"][2] is None and np.isfinite(result["losses"][2])
    else:
        assert result["bad_steps"][2] == [3, []]


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="no policy 'ignore'; use one of stop, skip"):
        StepGuard("ignore", [])
