"""The ProxylessNAS tower with shared operations (TuNAS, section 5 and appendix B)."""

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
)

__all__ = ["proxylessnas_indices", "proxylessnas_search"]

# Filters of the nine blocks.
_FILTERS = (32, 16, 32, 40, 80, 96, 192, 320, 1280)

# Blocks 3 to 7: stride of the first layer, and whether the block's output is an endpoint.
_SEARCHED_BLOCKS = ((2, True), (2, True), (2, False), (1, True), (2, True))

# ProxylessNAS-Mobile in the published operation codes. The first is the sepconv's kernel;
# then per layer 0..5 = (expansion 3: k3, k5, k7; expansion 6: k3, k5, k7), 6 = skipped.
_PROXYLESSNAS_MOBILE = (0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1, 4, 1, 1, 1, 5, 5, 2, 2, 5)


def _bottleneck(strides: int) -> Bottleneck:
    return Bottleneck(
        kernel_size=OneOf((3, 5, 7), OPERATION),
        expansion=OneOf((Expansion(3), Expansion(6)), FILTERS),
        strides=strides,
        activation="relu",
    )


def _mandatory(strides: int) -> OneOf:
    return OneOf((_bottleneck(strides),), OPERATION)


def _optional() -> Residual:
    return Residual(OneOf((_bottleneck(1), Zero()), OPERATION))


def _tower(filters) -> tuple[Block, ...]:
    """The tower on any nine filter counts, each an integer or a choice."""
    kernels = tuple(SeparableConv(kernel_size, 1, "relu") for kernel_size in (3, 5, 7))
    blocks = [
        Block((Conv(3, strides=2), Activation("relu")), filters[0]),
        Block((OneOf(kernels, OPERATION), Endpoint()), filters[1]),
    ]
    for (strides, is_endpoint), block_filters in zip(_SEARCHED_BLOCKS, filters[2:7]):
        layers = (_mandatory(strides), _optional(), _optional(), _optional())
        blocks.append(Block(layers + ((Endpoint(),) if is_endpoint else ()), block_filters))
    blocks.append(Block((_mandatory(1), Endpoint()), filters[7]))
    blocks.append(Block((Conv(1), Activation("relu"), GlobalPool()), filters[8]))
    return tuple(blocks)


def proxylessnas_indices(operation_codes) -> tuple[int, ...]:
    """Published operation codes -> indices in `proxylessnas_search`.

    A skipped layer gets kernel and expansion 0, which nobody selects.
    """
    codes = iter(operation_codes)
    indices = [0, next(codes), 0]  # The stem's filters; the sepconv's kernel and filters.
    for num_layers in (4, 4, 4, 4, 4, 1):
        for _ in range(num_layers):
            code = next(codes)
            indices += [0, 0, 1] if code == 6 else [code % 3, code // 3, 0]
        indices.append(0)
    return tuple(indices + [0])


@register
def proxylessnas_search() -> SearchSpace:
    """Kernel, expansion and depth per layer, fixed filters: ~10^21 architectures."""
    return SearchSpace(
        name="proxylessnas_search",
        blocks=_tower([OneOf((filters,), FILTERS) for filters in _FILTERS]),
        reference_indices=proxylessnas_indices(_PROXYLESSNAS_MOBILE),
    )
