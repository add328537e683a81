"""Trains on two replicas, of which one meets NaN in the second step; prints what became of it.

A program of its own for test_step_guard. Its argument is what to do about NaN.
"""

import json
import sys

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.network_trainer import NetworkTrainer, WeightAverages
from tunas_tf.training.optimization import make_optimizer


def _build():
    inputs = tf_keras.Input((1, 1, 3))
    outputs = tf_keras.layers.BatchNormalization(momentum=0.5)(inputs)
    return tf_keras.Model(inputs, tf_keras.layers.Conv2D(2, 1)(outputs)[:, 0, 0])


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    images = np.random.default_rng(0).normal(size=(3, 4, 1, 1, 3)).astype(np.float32)
    images[1, 3] = np.nan  # The last of four examples is the second replica's.
    batches = tf.data.Dataset.from_tensor_slices((images, np.zeros((3, 4), np.int32)))
    with strategy.scope():
        network, averages = _build(), WeightAverages(_build(), 0.5)
        averages.start(network)
        optimizer = make_optimizer(network.trainable_variables, 0.5, 256, 10, 0.0, 0.9)
        trainer = NetworkTrainer(
            ClassificationTask(0.0),
            network,
            optimizer,
            strategy.experimental_distribute_dataset(batches),
            0.0,
            averages,
            on_nan=sys.argv[1],
        )

        def values():
            variables = [*network.variables, *averages.network.variables, *optimizer.variables()]
            return [variable.numpy().tolist() for variable in variables if variable.shape.rank]

        after, losses, bad_steps = [], [], []
        for _ in range(3):
            metrics = trainer.train(tf.constant(1))
            after.append(values())
            losses.append(float(metrics["model/loss"]))
            bad_steps.append(trainer.guard.first_bad_step())
    print(json.dumps({"after": after, "losses": losses, "bad_steps": bad_steps}))


if __name__ == "__main__":
    main()
