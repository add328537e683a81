"""Short towers for a first search: they learn on a CPU within minutes."""

from tunas_tf.search_space.registry import register
from tunas_tf.search_space.spec import (
    FILTERS,
    OPERATION,
    Activation,
    Block,
    Bottleneck,
    Conv,
    Endpoint,
    Expansion,
    GlobalPool,
    OneOf,
    Residual,
    SearchSpace,
    Zero,
)

__all__ = ["quickstart_detection_search", "quickstart_search"]

# Filters and number of layers of the searched blocks, each with stride 2.
_BLOCKS = ((24, 2), (40, 3), (80, 3))
# One more, as detectors want feature maps of the strides 16 and 32.
_DETECTION_BLOCKS = ((24, 2), (40, 2), (80, 3), (128, 2))


def _bottleneck(strides: int) -> Bottleneck:
    return Bottleneck(
        kernel_size=OneOf((3, 5, 7), OPERATION),
        expansion=OneOf((Expansion(3), Expansion(6)), FILTERS),
        strides=strides,
    )


def _space(name: str, searched: tuple[tuple[int, int], ...], head_filters: int) -> SearchSpace:
    blocks = [Block((Conv(3, strides=2), Activation("relu")), 16)]
    reference: list[int] = []
    for filters, num_layers in searched:
        optional = Residual(OneOf((_bottleneck(1), Zero()), OPERATION))
        layers = (_bottleneck(2),) + (optional,) * (num_layers - 1)
        blocks.append(Block((*layers, Endpoint()), filters))
        reference += [0, 0] + [0, 0, 0] * (num_layers - 1)
    blocks.append(Block((Conv(1), Activation("relu"), GlobalPool()), head_filters))
    return SearchSpace(name, tuple(blocks), tuple(reference))


@register
def quickstart_search() -> SearchSpace:
    """The layers of `proxylessnas_search` in three blocks: ~10^8 architectures.

    Its reference network has all its layers, with kernel 3 and expansion 3.
    """
    return _space("quickstart_search", _BLOCKS, 160)


@register
def quickstart_detection_search() -> SearchSpace:
    """As `quickstart_search`, in four blocks: feature maps of strides 4 to 32."""
    return _space("quickstart_detection_search", _DETECTION_BLOCKS, 256)
