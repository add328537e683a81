"""Trains on two replicas with synchronised batch norm, and on one; prints how they differ.

A program of its own for test_synchronized_batch_norm.
"""

import json

import numpy as np
import tensorflow as tf
import tf_keras
import towers

from object_detection import modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite

_IMAGE_SIZE = 64


def _difference(strategy, definition, synchronized: bool) -> float:
    """The largest difference of outputs to those of one replica with the whole batch."""
    network = towers.architecture()
    single = modeling.build_detector(definition, network, _IMAGE_SIZE, 5)
    with strategy.scope():
        mirrored = modeling.build_detector(
            definition, network, _IMAGE_SIZE, 5, synchronized_batch_norm=synchronized
        )
    mirrored.set_weights(single.get_weights())
    generator = np.random.default_rng(0)
    # The replicas get images of different contrast.
    contrast = np.array([1.0, 1.0, 5.0, 5.0]).reshape(-1, 1, 1, 1)
    images = contrast * generator.normal(size=(4, _IMAGE_SIZE, _IMAGE_SIZE, 3))
    images = tf.constant(images, tf.float32)

    @tf.function
    def run():
        def replica_step():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            return mirrored(tf.reshape(images, (2, 2, *images.shape[1:]))[replica], training=True)

        return strategy.run(replica_step)

    replicas = tf.nest.map_structure(
        lambda outputs: tf.concat(strategy.experimental_local_results(outputs), axis=0), run()
    )
    differences = tf.nest.map_structure(
        lambda a, b: float(tf.reduce_max(tf.abs(a - b))), replicas, single(images, training=True)
    )
    return max(tf.nest.flatten(differences))


def main():
    tf_keras.utils.set_random_seed(0)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    differences = {
        f"{definition.name} {synchronized}": _difference(strategy, definition, synchronized)
        for definition in (SSDLite(), RetinaNet(8, separable=True))
        for synchronized in (True, False)
    }
    print(json.dumps(differences))


if __name__ == "__main__":
    main()
