"""Supernets to test, their samples, and the stand-alone networks with their weights."""

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import models, search_space
from tunas_tf.models.supernet import copy_weights
from tunas_tf.search_space import arithmetic, spec, traversal

__all__ = [
    "NUM_CLASSES",
    "assert_close",
    "distance",
    "gradients_of_network",
    "half_warmed_up",
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


def assert_close(tensors, expected) -> None:
    """Equal to 1e-5 of the largest value of a tensor.

    Sums that cancel, such as the gradient of what batch norm subtracts, have rounding errors
    only: those count by the largest value of all.
    """
    floor = 1e-3 * max(np.max(np.abs(other)) for other in expected)
    for one, other in zip(tensors, expected, strict=True):
        assert one.shape == other.shape
        scale = max(np.max(np.abs(other)), floor)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * scale)


def distance(tensors, expected) -> float:
    """Of two lists of tensors, each as one vector: relative to the length of the second one."""
    difference = np.concatenate([np.ravel(a - b) for a, b in zip(tensors, expected, strict=True)])
    return np.linalg.norm(difference) / np.linalg.norm(np.concatenate([*map(np.ravel, expected)]))


def half_warmed_up(space, seed: int) -> np.ndarray:
    """A sample of which about half of the choices are replaced as in warmup."""
    masks = one_hot(space, random_indices(space, seed))
    is_replaced = np.random.default_rng(seed).random(len(masks)) < 0.5
    for row, choice, is_in in zip(masks, traversal.choices_of(space), is_replaced):
        if is_in and choice.tag == spec.OPERATION:
            row[: choice.num_options] = 1 / choice.num_options
        elif is_in:
            row[:] = np.eye(len(row))[choice.num_options - 1]
    return masks


def make(space, **options) -> models.Supernet:
    """A supernet with weights that hide no errors, the same ones for the same space.

    Args:
      space: the search space.
      **options: of the supernet.
    """
    tf_keras.utils.set_random_seed(0)
    supernet = models.Supernet(space, NUM_CLASSES, **options)
    generator = np.random.default_rng(0)
    for variable in supernet.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(generator.normal(1.0, 0.3, variable.shape))
    return supernet


def images(size: int = 32, number: int = 4) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(number, size, size, 3)).astype(np.float32)


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


def gradients_of_network(supernet, indices, gradients) -> list[np.ndarray]:
    """Of the gradients of a supernet's variables those that its network at `indices` has.

    They are where the weights are, so they are copied as if they were weights.
    """
    network = standalone(supernet, indices)
    weights = [variable.numpy() for variable in supernet.trainable_variables]
    for variable, gradient in zip(supernet.trainable_variables, gradients, strict=True):
        variable.assign(tf.zeros_like(variable) if gradient is None else gradient)
    copy_weights(supernet, indices, network)
    for variable, values in zip(supernet.trainable_variables, weights):
        variable.assign(values)
    return [variable.numpy() for variable in network.trainable_variables]


def loss(logits, l2_loss):
    """Some loss whose gradient reaches every weight in use."""
    return tf.reduce_mean(logits**2) + _WEIGHT_DECAY * l2_loss


def sum_of_squares(tensors) -> float:
    """Of all elements; None, for no gradient, counts as zeros."""
    return sum(float(tf.reduce_sum(t**2)) for t in tensors if t is not None)
