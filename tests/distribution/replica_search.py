"""Takes steps of a search on several replicas, and saves what came of them.

    python replica_search.py NUM_REPLICAS FILE.npz

A program of its own for test_search_replicas. Batch norm takes its statistics of the examples of
one replica, so every quarter of a batch holds the same images; and the controller is sure of one
architecture, so all replicas sample the same.
"""

import sys

import numpy as np
import tensorflow as tf
import tiny_space

from tunas_tf.controller import Controller, ControllerConfig
from tunas_tf.models import Supernet
from tunas_tf.training import devices
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.search_job import make_supernet
from tunas_tf.training.search_trainer import SearchTrainer

INDICES = (0, 1, 0, 1, 0, 0)
_BATCH_SIZE = 16
_NUM_STEPS = 3


class _Quarters:
    """Endless batches of which every quarter is the same, as `devices` wants a dataset."""

    def training_batches(self, split, batch_size, seed, augment, first_batch, share):
        generator = np.random.default_rng(seed)
        images = generator.normal(size=(_BATCH_SIZE // 4, 16, 16, 3)).astype(np.float32)
        labels = generator.integers(2, size=_BATCH_SIZE // 4).astype(np.int32)
        examples = tf.data.Dataset.from_tensor_slices((images, labels)).repeat()
        return examples.batch(batch_size, drop_remainder=True)


def main(num_replicas: int, path: str) -> None:
    strategy = devices.make_strategy("mirrored", num_replicas)
    assert strategy.num_replicas_in_sync == num_replicas
    config = ControllerConfig(
        total_steps=10,
        train_batch_size=_BATCH_SIZE,
        rl_delay_steps_fraction=0.0,
        increase_ops_warmup_steps_fraction=0.0,
        increase_filters_warmup_steps_fraction=0.0,
    )
    with strategy.scope():
        space = tiny_space.tiny_search()
        supernet = make_supernet(lambda: Supernet(space, 2), seed=0)
        optimizer = make_optimizer(
            supernet.trainable_variables, 4.0, _BATCH_SIZE, 10, 0.0, momentum=0.9
        )
        controller = Controller(space, config, None)
        controller.state.logits.assign(100.0 * tf.one_hot(INDICES, 2))
        batches = [
            devices.distributed_batches(_Quarters(), split, _BATCH_SIZE, seed, True, None)
            for seed, split in enumerate(("search_train", "search_validation"))
        ]
        trainer = SearchTrainer(
            ClassificationTask(0.1), supernet, controller, optimizer, *batches, 4e-5, seed=0
        )
        before = supernet.get_weights()
        metrics = trainer.train(tf.constant(_NUM_STEPS))
        np.savez(
            path,
            **{f"before_{i}": value for i, value in enumerate(before)},
            **{f"after_{i}": value for i, value in enumerate(supernet.get_weights())},
            **{f"slot_{i}": v.numpy() for i, v in enumerate(optimizer.variables())},
            **{name: float(value) for name, value in metrics.items()},
            reward_average=controller.state.reward_average.numpy(),
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
