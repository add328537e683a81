"""A short tower for a first search: it learns on a CPU within minutes."""

from tunas_tf.search_space.registry import register
from tunas_tf.search_space.spec import (
    FILTERS,
    OPERATION,
    Activation,
    Block,
    Bottleneck,
    Conv,
    Expansion,
    GlobalPool,
    OneOf,
    Residual,
    SearchSpace,
    Zero,
)

__all__ = ["quickstart_search"]

# Filters and number of layers of the searched blocks, each with stride 2.
_BLOCKS = ((24, 2), (40, 3), (80, 3))


def _bottleneck(strides: int) -> Bottleneck:
    return Bottleneck(
        kernel_size=OneOf((3, 5, 7), OPERATION),
        expansion=OneOf((Expansion(3), Expansion(6)), FILTERS),
        strides=strides,
    )


@register
def quickstart_search() -> SearchSpace:
    """The layers of `proxylessnas_search` in three blocks: ~10^8 architectures.

    Its reference network has all its layers, with kernel 3 and expansion 3.
    """
    blocks = [Block((Conv(3, strides=2), Activation("relu")), 16)]
    reference: list[int] = []
    for filters, num_layers in _BLOCKS:
        optional = Residual(OneOf((_bottleneck(1), Zero()), OPERATION))
        blocks.append(Block((_bottleneck(2),) + (optional,) * (num_layers - 1), filters))
        reference += [0, 0] + [0, 0, 0] * (num_layers - 1)
    blocks.append(Block((Conv(1), Activation("relu"), GlobalPool()), 160))
    return SearchSpace("quickstart_search", tuple(blocks), tuple(reference))
