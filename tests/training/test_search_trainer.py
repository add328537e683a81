"""The order of a search step, on a supernet of a single weight."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.controller import Controller, ControllerConfig
from tunas_tf.models.supernet import SupernetOutput
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.search_trainer import SearchTrainer

WEIGHT_DECAY = 0.5


class OneWeight:
    """Logits (w * x, 0) for images of value x; the L2 loss is w^2 / 2."""

    def __init__(self, space, weight):
        self.space = space
        self.weight = tf.Variable(weight)
        self.trainable_variables = [self.weight]

    def __call__(self, images, masks, training=None):
        value = self.weight * images[:, 0, 0, 0]
        return SupernetOutput(tf.stack([value, 0 * value], 1), (), self.weight**2 / 2)


@pytest.fixture
def trainer(small_space):
    supernet = OneWeight(small_space, -0.1)
    # Rate 2 at once: 256 examples, no warmup.
    optimizer = make_optimizer([supernet.weight], 2.0, 256, 10, 0.0, momentum=0.9)
    config = ControllerConfig(total_steps=10, train_batch_size=4)
    batch = (np.ones((4, 1, 1, 3), np.float32), np.zeros(4, np.int32))
    batches = tf.data.Dataset.from_tensors(batch).repeat()
    controller = Controller(small_space, config, None)
    return SearchTrainer(
        supernet, controller, optimizer, batches, batches, WEIGHT_DECAY, 0.0, seed=0
    )


def test_the_reward_comes_from_the_updated_weight(trainer):
    metrics = trainer.train(tf.constant(1))
    # Before: logits (-0.1, 0), all wrong. Cross-entropy ln(1 + e^0.1), its gradient
    # sigmoid(-0.1) - 1; decay adds 0.5 * w.
    probability = 1 / (1 + np.exp(0.1))
    gradient = probability - 1 + WEIGHT_DECAY * -0.1
    step = 2.0 * gradient / np.sqrt(0.9 + 0.1 * gradient**2 + 1.0)
    assert float(trainer.supernet.weight) == pytest.approx(-0.1 - step, rel=1e-5)
    assert float(trainer.supernet.weight) > 0
    # After: all right.
    assert float(metrics["rlcontroller/validation_accuracy"]) == 1.0
    assert float(metrics["model/empirical_loss"]) == pytest.approx(-np.log(probability), rel=1e-5)
    assert float(metrics["model/regularization_loss"]) == pytest.approx(0.5 * 0.01 / 2, rel=1e-5)
    assert float(metrics["model/learning_rate"]) == 2.0
    assert int(trainer.global_step) == 1


def test_means_are_over_the_steps_of_a_loop(trainer):
    metrics = trainer.train(tf.constant(3))
    rates = [1 + np.cos(np.pi * step / 10) for step in range(3)]  # 2 * (1 + cos) / 2.
    assert float(metrics["model/learning_rate"]) == pytest.approx(np.mean(rates), rel=1e-5)
    assert "rlcontroller/estimated_cost" not in metrics
