"""Runs the controller on two replicas and prints what they did as JSON.

A program of its own for test_controller_replicas.
"""

import json

import nested_space
import tensorflow as tf

from tunas_tf.controller import Controller, ControllerConfig


def _results(strategy: tf.distribute.Strategy, estimator: str) -> dict:
    config = ControllerConfig(
        total_steps=100,
        train_batch_size=256,
        rl_learning_rate=0.1,
        use_exponential_rl_learning_rate_schedule=False,
        rl_delay_steps_fraction=0.0,
        increase_ops_warmup_steps_fraction=0.0,
        increase_filters_warmup_steps_fraction=0.0,
        rl_estimator=estimator,
        rl_residual_weight=1.0,
    )
    with strategy.scope():
        controller = Controller(nested_space.nested_space(), config, None)

    def replica_step(step):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        sample = controller.sample(1, step)
        quality = 0.4 + 0.2 * tf.cast(replica, tf.float32)
        return sample.indices, controller.update(sample, quality, 1, step)

    @tf.function
    def one_step(step):
        return strategy.run(replica_step, args=(step,))

    @tf.function
    def steps(first, last):
        for step in tf.range(first, last):  # As in a training loop.
            strategy.run(replica_step, args=(step,))

    def of_replicas(value):
        return [copy.numpy().tolist() for copy in strategy.experimental_local_results(value)]

    indices, scalars = one_step(tf.constant(0))
    results = {
        "indices": of_replicas(indices),
        "scalars": {name: of_replicas(value) for name, value in scalars.items()},
        "logits": of_replicas(controller.state.logits),
        "second_moment": controller.state.second_moment.numpy().tolist(),
        "evidence": controller.state.regression.evidence.numpy().tolist(),
    }
    steps(tf.constant(1), tf.constant(6))
    results["later_logits"] = of_replicas(controller.state.logits)
    results["num_updates"] = int(controller.state.num_updates.numpy())
    return results


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    print(json.dumps({name: _results(strategy, name) for name in ("reinforce", "control_variate")}))


if __name__ == "__main__":
    main()
