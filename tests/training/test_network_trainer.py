"""One step of training a network, and the averages of its weights, by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.training.network_job import NetworkSettings
from tunas_tf.training.network_trainer import NetworkTrainer, WeightAverages
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.task import Task, TaskLoss


class _MeanPrediction(Task):
    """The loss is the mean prediction: its gradient by a weight is the mean input."""

    quality_name = "nothing"
    scalar_names = ("twice",)

    def loss(self, predictions, labels):
        mean = tf.reduce_mean(predictions)
        return TaskLoss(mean, {"twice": 2 * mean})

    def quality(self, predictions, labels):
        raise NotImplementedError


def _network(kernel: float) -> tf_keras.Model:
    inputs = tf_keras.Input((1,))
    outputs = tf_keras.layers.Dense(
        1, use_bias=False, kernel_initializer=tf_keras.initializers.Constant(kernel)
    )(inputs)
    return tf_keras.Model(inputs, outputs)


def _batches() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors((np.full((4, 1), 3.0, np.float32), np.zeros(4))).repeat()


def test_momentum_by_hand():
    network = _network(1.0)
    optimizer = make_optimizer(
        network.trainable_variables, 0.5, 256, 10, 0.0, momentum=0.9, name="momentum"
    )
    trainer = NetworkTrainer(_MeanPrediction(), network, optimizer, _batches(), weight_decay=0.1)
    metrics = trainer.train(tf.constant(1))
    # Loss 3 * 1, decay 0.1 * 1 / 2; gradient 3 + 0.1; the rate is 0.5.
    assert float(metrics["model/empirical_loss"]) == pytest.approx(3.0)
    assert float(metrics["model/twice"]) == pytest.approx(6.0)
    assert float(metrics["model/loss"]) == pytest.approx(3.05)
    first = 1.0 - 0.5 * 3.1
    assert float(network.weights[0]) == pytest.approx(first, rel=1e-6)
    trainer.train(tf.constant(1))
    rate = 0.5 * (1 + np.cos(np.pi / 10)) / 2
    velocity = 0.9 * (-0.5 * 3.1) - rate * (3 + 0.1 * first)
    assert float(network.weights[0]) == pytest.approx(first + velocity, rel=1e-5)


def test_averages_by_hand():
    network, averaged = _network(1.0), _network(0.0)
    averages = WeightAverages(averaged, decay=0.25)
    averages.start(network)
    assert float(averaged.weights[0]) == 1.0
    optimizer = make_optimizer(
        network.trainable_variables, 0.5, 256, 10, 0.0, momentum=0.0, name="momentum"
    )
    trainer = NetworkTrainer(_MeanPrediction(), network, optimizer, _batches(), 0.0, averages)
    expected = 1.0
    for step in (1, 2, 3):
        trainer.train(tf.constant(1))
        # 2 / 11, 3 / 12 = the decay itself, and 0.25 instead of 4 / 13.
        decay = {1: 2 / 11, 2: 0.25, 3: 0.25}[step]
        expected = decay * expected + (1 - decay) * float(network.weights[0])
        assert float(averaged.weights[0]) == pytest.approx(expected, rel=1e-5)
    assert float(averaged.weights[0]) != pytest.approx(float(network.weights[0]), rel=0.01)


def test_averages_follow_all_replicas():
    """Of a variable with a copy on each of two devices, and of one that differs between them."""
    devices = tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices[:2]])
    with strategy.scope():

        def build():
            inputs = tf_keras.Input((1,))
            outputs = tf_keras.layers.BatchNormalization(momentum=0.5)(inputs)
            return tf_keras.Model(inputs, outputs)

        network, averaged = build(), build()
        averages = WeightAverages(averaged, decay=0.5)
        averages.start(network)
        for variable in network.variables:
            variable.assign(variable + 1.0)
        before = [value + 0.0 for value in averaged.get_weights()]

        @tf.function
        def update():
            averages.update(network, tf.constant(100))

        update()
    for old, new, value in zip(before, averaged.get_weights(), network.get_weights()):
        np.testing.assert_allclose(new, (old + value) / 2, rtol=1e-6)


def test_an_average_of_nothing_is_refused():
    values = {
        "total_steps": 1,
        "train_split": "train",
        "train_batch_size": 1,
        "augment": True,
        "optimizer": "rmsprop",
        "base_learning_rate": 1.0,
        "warmup_steps_fraction": 0.0,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "use_bfloat16": False,
        "seed": 0,
        "iterations_per_loop": 1,
        "checkpoint_interval": 1,
    }
    with pytest.raises(InputError, match="ema_decay is 1; it must be at least 0, below 1"):
        NetworkSettings(ema_decay=1.0, **values)


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(InputError, match="no optimizer 'sgd'; use one of rmsprop, momentum, adam"):
        make_optimizer([tf.Variable(1.0)], 0.5, 256, 10, 0.0, 0.9, "sgd")
