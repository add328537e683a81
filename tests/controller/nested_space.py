"""A small search space with every kind of nesting, and its exact enumeration.

Choices in order (options; where it is nested):
  0 kernel size (3; option 0 of choice 2)      1 expansion (2; option 1 of choice 2)
  2 layer type (2; option 0 of choice 3)       3 layer or zero (2)       4 filters (2)
48 architectures, of which (3 + 2 + 1) * 2 = 12 are distinct networks.
"""

import itertools

import numpy as np
import tensorflow as tf

from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

NUM_CHOICES, MAX_OPTIONS = 5, 3
NUM_OPTIONS = (3, 2, 2, 2, 2)


def nested_space() -> spec.SearchSpace:
    separable = spec.SeparableConv(OneOf((3, 5, 7), OPERATION))
    # Twice 16 inputs are 32 filters, so the first of the two options is the larger one.
    bottleneck = spec.Bottleneck(3, OneOf((spec.Expansion(2), 24), FILTERS))
    layer = OneOf((OneOf((separable, bottleneck), OPERATION), spec.Zero()), OPERATION)
    return spec.SearchSpace(
        "nested",
        (
            spec.Block((spec.Conv(3, 2),), 16),
            spec.Block((spec.Residual(layer),), OneOf((16, 24), FILTERS)),
        ),
    )


def all_indices() -> np.ndarray:
    """[48, 5]"""
    return np.array(list(itertools.product(*(range(n) for n in NUM_OPTIONS))))


def masks_of(indices) -> tf.Tensor:
    return tf.one_hot(np.asarray(indices), MAX_OPTIONS)


def random_logits(seed: int) -> tf.Tensor:
    """[5, 3], the padding filled with large numbers that must not matter."""
    logits = np.random.default_rng(seed).normal(size=(NUM_CHOICES, MAX_OPTIONS))
    for choice, num_options in enumerate(NUM_OPTIONS):
        logits[choice, num_options:] = 50.0
    return tf.constant(logits, tf.float32)


def architecture_probabilities(logits: tf.Tensor) -> tf.Tensor:
    """[48]: products of ordinary softmaxes over the options that exist; differentiable."""
    rows = [tf.nn.softmax(logits[choice, :n]) for choice, n in enumerate(NUM_OPTIONS)]
    columns = [tf.gather(row, all_indices()[:, choice]) for choice, row in enumerate(rows)]
    return tf.reduce_prod(tf.stack(columns), axis=0)


def network_numbers() -> np.ndarray:
    """[48]: equal numbers for architectures that prune to the same network."""
    networks = [traversal.prune(nested_space(), indices) for indices in all_indices()]
    distinct = {network: number for number, network in enumerate(dict.fromkeys(networks))}
    return np.array([distinct[network] for network in networks])


def random_values(seed: int) -> np.ndarray:
    """[48]: a value per distinct network, with interactions between all choices."""
    numbers = network_numbers()
    return np.random.default_rng(seed).normal(size=numbers.max() + 1)[numbers]


def exact_gradient(logits: tf.Tensor, values: np.ndarray) -> np.ndarray:
    """d E[value] / d logits [5, 3], by enumeration."""
    with tf.GradientTape() as tape:
        tape.watch(logits)
        mean = tf.reduce_sum(architecture_probabilities(logits) * values)
    return tape.gradient(mean, logits).numpy()


class TinyCosts:
    """A cost evaluator: cost 4 + weights of the options that the network uses."""

    def __init__(self):
        self.cost_of = tf.constant(4.0 + 0.5 * random_values(99), tf.float32)  # [48]

    def cost(self, indices):
        strides = np.cumprod([1, *NUM_OPTIONS[:0:-1]])[::-1].astype(np.int32)
        return tf.gather(self.cost_of, tf.reduce_sum(indices * strides, axis=-1))

    def expected_cost(self, masks):
        weights = tf.reduce_prod(
            tf.stack([tf.gather(masks[..., c, :], all_indices()[:, c], axis=-1) for c in range(5)]),
            axis=0,
        )
        return tf.reduce_sum(weights * self.cost_of, axis=-1)
