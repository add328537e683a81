"""The search space of MobileDets for the Edge TPU: full convolutions beside depthwise ones.

MobileDets (Xiong et al., CVPR 2021) searches detection backbones with the method of TuNAS.
No two options of a layer share weights.
"""

from tunas_tf.search_space.registry import register
from tunas_tf.search_space.spec import (
    OPERATION,
    Activation,
    Block,
    Bottleneck,
    Conv,
    Endpoint,
    Expansion,
    FusedBottleneck,
    GlobalPool,
    OneOf,
    Residual,
    SearchSpace,
    SeparableConv,
    TuckerBottleneck,
    Zero,
    filters_choice,
)

__all__ = ["mobiledet_edgetpu_search"]

_BASE_FILTERS = (32, 16, 32, 48, 96, 96, 160, 192, 192)

# Blocks 3 to 7: stride of the first layer, and whether the block's output is an endpoint.
_SEARCHED_BLOCKS = ((2, True), (2, True), (2, False), (1, True), (2, True))

# MobileDet-EdgeTPU.
_REFERENCE = (
    2, 5, 1, 6, 4, 6, 4, 0, 7, 4, 4, 4, 2, 2, 2, 4, 4, 2, 3, 3, 2, 2, 3, 3, 2, 1, 2, 2, 3, 6, 5,
)  # fmt: skip


def _tucker(strides: int) -> tuple[TuckerBottleneck, ...]:
    return tuple(
        TuckerBottleneck(3, Expansion(before), Expansion(after, of="output"), strides)
        for before in (0.25, 0.75)
        for after in (0.25, 0.75)
    )


def _layers(strides: int) -> tuple:
    """The twelve options of a layer."""
    sizes = [(kernel_size, Expansion(ratio)) for ratio in (4, 8) for kernel_size in (3, 5)]
    return (
        *(Bottleneck(kernel_size, expansion, strides=strides) for kernel_size, expansion in sizes),
        *(FusedBottleneck(kernel_size, expansion, strides) for kernel_size, expansion in sizes),
        *_tucker(strides),
    )


def _first_layers() -> tuple:
    """The options in front, at expansion 1.

    Without an expand convolution an inverted bottleneck is a separable convolution, and a
    fused one is a 1x1 convolution, whatever its kernel size was.
    """
    return (SeparableConv(3), SeparableConv(5), Conv(1), Conv(1), *_tucker(1))


@register
def mobiledet_edgetpu_search() -> SearchSpace:
    """Inverted, fused and Tucker bottlenecks, depth and all filters: ~10^31 architectures."""
    filters = [filters_choice(count) for count in _BASE_FILTERS]
    optional = Residual(OneOf((*_layers(1), Zero()), OPERATION))
    blocks = [
        Block((Conv(3, strides=2), Activation("relu")), filters[0]),
        Block((OneOf(_first_layers(), OPERATION), Endpoint()), filters[1]),
    ]
    for (strides, is_endpoint), block_filters in zip(_SEARCHED_BLOCKS, filters[2:7]):
        layers = (OneOf(_layers(strides), OPERATION), optional, optional, optional)
        blocks.append(Block(layers + ((Endpoint(),) if is_endpoint else ()), block_filters))
    blocks.append(Block((OneOf(_layers(1), OPERATION), Endpoint()), filters[7]))
    blocks.append(Block((Conv(1), Activation("relu"), GlobalPool()), filters[8]))
    return SearchSpace("mobiledet_edgetpu_search", tuple(blocks), _REFERENCE)
