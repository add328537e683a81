"""Updates a weight on two replicas and prints what became of it as JSON.

A program of its own for test_optimization.
"""

import json

import tensorflow as tf

from tunas_tf.training.optimization import apply_mean_gradients, make_optimizer


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        weights = [tf.Variable(1.0), tf.Variable(1.0)]
        optimizer = make_optimizer(weights, 0.5, 256, 10, 0.0, momentum=0.9)

    def replica_step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.GradientTape() as tape:
            loss = (1.0 + 2.0 * tf.cast(replica, tf.float32)) * weights[0]
        return apply_mean_gradients(tape, loss, weights, optimizer)

    rates = strategy.experimental_local_results(tf.function(strategy.run)(replica_step))
    copies = [strategy.experimental_local_results(weight) for weight in weights]
    print(
        json.dumps(
            {
                "rates": [float(rate) for rate in rates],
                "used": [float(copy) for copy in copies[0]],
                "unused": [float(copy) for copy in copies[1]],
                "iterations": int(optimizer.iterations.numpy()),
            }
        )
    )


if __name__ == "__main__":
    main()
