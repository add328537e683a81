"""Supernets to test, their samples, and the stand-alone networks with their weights."""

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import models, search_space
from tunas_tf.models.supernet import copy_weights
from tunas_tf.search_space import arithmetic, traversal

__all__ = [
    "NUM_CLASSES",
    "images",
    "loss",
    "make",
    "one_hot",
    "random_indices",
    "standalone",
    "sum_of_squares",
]

NUM_CLASSES = 10
_WEIGHT_DECAY = 1e-3


def one_hot(space, indices) -> np.ndarray:
    """The sample of one architecture: [choices, options]."""
    choices = traversal.choices_of(space)
    masks = np.zeros((len(choices), max(c.num_options for c in choices)), np.float32)
    masks[np.arange(len(choices)), indices] = 1.0
    return masks


def random_indices(space, seed: int) -> tuple[int, ...]:
    generator = np.random.default_rng(seed)
    return tuple(int(generator.integers(c.num_options)) for c in traversal.choices_of(space))


def make(space) -> models.Supernet:
    """A supernet with biases and batch norm at values that hide no errors."""
    supernet = models.Supernet(space, NUM_CLASSES)
    generator = np.random.default_rng(0)
    for variable in supernet.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(generator.normal(1.0, 0.3, variable.shape))
    return supernet


def images(size: int = 32) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, size, size, 3)).astype(np.float32)


def standalone(supernet, indices) -> tf_keras.Model:
    """The network at `indices` with the weights that it has in the supernet.

    Its size is checked on the way.
    """
    architecture = search_space.resolve(supernet.space, indices)
    network = models.build_classifier(architecture, NUM_CLASSES)
    copy_weights(supernet, indices, network)
    count = arithmetic.count(architecture, 32, NUM_CLASSES)
    assert sum(np.prod(v.shape) for v in network.trainable_variables) == count.params
    return network


def loss(logits, l2_loss):
    """Some loss whose gradient reaches every weight in use."""
    return tf.reduce_mean(logits**2) + _WEIGHT_DECAY * l2_loss


def sum_of_squares(tensors) -> float:
    """Of all elements; None, for no gradient, counts as zeros."""
    return sum(float(tf.reduce_sum(t**2)) for t in tensors if t is not None)
