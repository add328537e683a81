"""The order of a search step, on a supernet of a single weight."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf import models, search_space
from tunas_tf.controller import Controller, ControllerConfig
from tunas_tf.models.supernet import SupernetOutput, copy_weights
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.search_trainer import SearchTrainer

WEIGHT_DECAY = 0.5


class OneWeight:
    """Logits (w * x, 0) for images of value x; the L2 loss is w^2 / 2."""

    def __init__(self, space, weight):
        self.space = space
        self.weight = tf.Variable(weight)
        self.variables = self.trainable_variables = [self.weight]

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
        ClassificationTask(label_smoothing=0.0),
        supernet,
        controller,
        optimizer,
        batches,
        batches,
        WEIGHT_DECAY,
        seed=0,
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


def test_weight_decay_counts_the_kernels_in_use_only(small_space):
    supernet = models.Supernet(small_space, 2)
    optimizer = make_optimizer(supernet.trainable_variables, 0.1, 256, 10, 0.0, momentum=0.9)
    no_warmup = {
        "rl_delay_steps_fraction": 0.0,
        "increase_ops_warmup_steps_fraction": 0.0,
        "increase_filters_warmup_steps_fraction": 0.0,
    }
    config = ControllerConfig(total_steps=10, train_batch_size=4, **no_warmup)
    controller = Controller(small_space, config, None)
    images = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype(np.float32)
    batches = tf.data.Dataset.from_tensors((images, np.zeros(4, np.int32))).repeat()

    # A network that leaves something out.
    seed, indices = next(
        (seed, indices)
        for seed in range(100)
        if (indices := tuple(controller.sample(seed, 0).indices.numpy())) == (1, 0, 0)
    )
    network = models.build_classifier(search_space.resolve(small_space, indices), 2)
    copy_weights(supernet, indices, network)
    kernels = [v.numpy() for v in network.trainable_variables if len(v.shape) == 4]
    assert len(kernels) == 5  # Stem, the three of the bottleneck, classifier.
    squares = sum(np.sum(np.square(kernel)) for kernel in kernels)
    everything = sum(
        np.sum(np.square(v)) for v in supernet.trainable_variables if len(v.shape) == 4
    )
    assert squares < 0.9 * everything

    trainer = SearchTrainer(
        ClassificationTask(label_smoothing=0.1),
        supernet,
        controller,
        optimizer,
        batches,
        batches,
        WEIGHT_DECAY,
        seed,
    )
    metrics = trainer.train(tf.constant(1))
    assert float(metrics["model/regularization_loss"]) == pytest.approx(
        WEIGHT_DECAY / 2 * squares, rel=1e-5
    )
