"""A small search space with endpoints of every stride, and its networks."""

import numpy as np

from tunas_tf import search_space
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

__all__ = ["architecture", "one_hot", "random_indices", "space"]


def _bottleneck(strides: int) -> spec.Bottleneck:
    return spec.Bottleneck(
        OneOf((3, 5), OPERATION), OneOf((spec.Expansion(2), spec.Expansion(3)), FILTERS),
        strides=strides,
    )  # fmt: skip


def space() -> spec.SearchSpace:
    """Seven blocks; two of the stride 32, and a head with a choice that no detector needs."""
    optional = spec.Residual(OneOf((_bottleneck(1), spec.Zero()), OPERATION))
    blocks = [spec.Block((spec.Conv(3, 2), spec.Activation("relu"), spec.Endpoint()), 8)]
    for counts in ((8, 16), (16, 24), (24, 32), (32, 48)):
        layers = (_bottleneck(2), optional, spec.Endpoint())
        blocks.append(spec.Block(layers, OneOf(counts, FILTERS)))
    blocks.append(spec.Block((_bottleneck(1), spec.Endpoint()), OneOf((40, 56), FILTERS)))
    head = (spec.Conv(1), spec.Activation("relu"), spec.GlobalPool())
    blocks.append(spec.Block(head, OneOf((64, 96), FILTERS)))
    return spec.SearchSpace("tower", tuple(blocks))


def random_indices(of: spec.SearchSpace, seed: int) -> tuple[int, ...]:
    generator = np.random.default_rng(seed)
    return tuple(int(generator.integers(c.num_options)) for c in traversal.choices_of(of))


def architecture(seed: int = 0) -> search_space.Architecture:
    return search_space.resolve(space(), random_indices(space(), seed))


def one_hot(of: spec.SearchSpace, indices) -> np.ndarray:
    """The sample of one architecture: [choices, options]."""
    choices = traversal.choices_of(of)
    masks = np.zeros((len(choices), max(c.num_options for c in choices)), np.float32)
    masks[np.arange(len(choices)), indices] = 1.0
    return masks
