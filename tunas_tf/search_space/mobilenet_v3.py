"""The search space around MobileNetV3 (TuNAS)."""

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
    SeparableConv,
    Zero,
    filters_choice,
)

__all__ = ["mobilenet_v3_like_search"]

# Blocks 2 to 6: base filters, stride of the first layer, activation, is an endpoint.
_SEARCHED_BLOCKS = (
    (16, 2, "relu", True),
    (32, 2, "relu", True),
    (64, 2, "swish6", False),
    (128, 1, "swish6", True),
    (256, 2, "swish6", True),
)

# The network of the space that is nearest to MobileNetV3-Large. Per searched block: filters,
# and for each layer kernel, expansion and squeeze-and-excite; layers left out are skipped.
# 112, 960 filters and expansions 2.5 and 2.3 are not in the space: 96, 1024; 2, 2 and 3.
_MOBILENET_V3_LARGE = (
    (24, ((3, 4, 0), (3, 3, 0))),
    (40, ((5, 3, 1), (5, 3, 1), (5, 3, 1))),
    (80, ((3, 6, 0), (3, 3, 0), (3, 2, 0), (3, 2, 0))),
    (96, ((3, 6, 1), (3, 6, 1))),
    (160, ((5, 6, 1), (5, 6, 1), (5, 6, 1))),
)


def _bottleneck(strides: int, activation: str) -> Bottleneck:
    return Bottleneck(
        kernel_size=OneOf((3, 5, 7), OPERATION),
        expansion=OneOf(tuple(Expansion(ratio) for ratio in range(1, 7)), FILTERS),
        squeeze_and_excite=OneOf((False, True), OPERATION),
        strides=strides,
        activation=activation,
    )


def _optional(layer) -> Residual:
    return Residual(OneOf((layer, Zero()), OPERATION))


def _blocks() -> tuple[Block, ...]:
    separable = SeparableConv(OneOf((3, 5, 7), OPERATION), activation="relu")
    stem = (
        Conv(OneOf((3, 5), OPERATION), strides=2),
        Activation("swish6"),
        _optional(separable),
        Endpoint(),
    )
    blocks = [Block(stem, filters_choice(16))]
    for filters, strides, activation, is_endpoint in _SEARCHED_BLOCKS:
        layers = (
            _bottleneck(strides, activation),
            *(_optional(_bottleneck(1, activation)),) * 3,
            *((Endpoint(),) if is_endpoint else ()),
        )
        blocks.append(Block(layers, filters_choice(filters)))
    swish6 = Activation("swish6")
    return (
        *blocks,
        Block((Conv(1), swish6, GlobalPool()), filters_choice(512)),
        Block((Conv(1, batch_norm=False), swish6), filters_choice(1024)),
    )


def _reference_indices(blocks) -> tuple[int, ...]:
    indices = [0, 0, 0, blocks[0].filters.choices.index(16)]  # Kernels 3, not skipped.
    for block, (filters, layers) in zip(blocks[1:], _MOBILENET_V3_LARGE):
        for position in range(4):
            if position >= len(layers):
                indices += [0, 0, 0, 1]
                continue
            kernel_size, expansion, squeeze_and_excite = layers[position]
            indices += [(3, 5, 7).index(kernel_size), expansion - 1, squeeze_and_excite]
            indices += [0] if position else []  # The first layer cannot be skipped.
        indices.append(block.filters.choices.index(filters))
    return (*indices, blocks[6].filters.choices.index(1024), blocks[7].filters.choices.index(1280))


@register
def mobilenet_v3_like_search() -> SearchSpace:
    """Kernel, expansion, squeeze-and-excite, depth and all filters: ~10^43 architectures."""
    blocks = _blocks()
    return SearchSpace("mobilenet_v3_like_search", blocks, _reference_indices(blocks))
