"""The ProxylessNAS tower with shared operations (TuNAS, section 5 and appendix B).

Its spaces differ in the filters of the blocks: fixed as in ProxylessNAS, searched, or
fixed by one of the two rules of thumb that the paper compares with.
"""

from collections.abc import Sequence

from tunas_tf.search_space import spec
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

__all__ = [
    "PROXYLESSNAS_MOBILE",
    "proxylessnas_doubled_every_block_search",
    "proxylessnas_doubled_every_stride2_search",
    "proxylessnas_enlarged_search",
    "proxylessnas_indices",
    "proxylessnas_search",
    "with_fixed_filters",
]

# Filters of the nine blocks: as in ProxylessNAS, and the bases of the searched ones.
_FILTERS = (32, 16, 32, 40, 80, 96, 192, 320, 1280)
_BASE_FILTERS = (16, 16, 16, 32, 64, 128, 256, 512, 1024)

# Blocks 3 to 7: stride of the first layer, and whether the block's output is an endpoint.
_SEARCHED_BLOCKS = ((2, True), (2, True), (2, False), (1, True), (2, True))

# ProxylessNAS-Mobile in the published operation codes. The first is the sepconv's kernel;
# then per layer 0..5 = (expansion 3: k3, k5, k7; expansion 6: k3, k5, k7), 6 = skipped.
PROXYLESSNAS_MOBILE = (0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1, 4, 1, 1, 1, 5, 5, 2, 2, 5)


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


def proxylessnas_indices(
    operation_codes: Sequence[int], filter_indices: Sequence[int] = (0,) * 9
) -> tuple[int, ...]:
    """Published operation codes -> indices in a space of this tower.

    A skipped layer gets kernel and expansion 0, which nobody selects.

    Args:
      operation_codes: the kernel of the separable convolution, then one code per bottleneck.
      filter_indices: of the filters of the nine blocks.
    """
    codes, filters = iter(operation_codes), iter(filter_indices)
    # The stem's filters; the kernel and filters of the separable convolution.
    indices = [next(filters), next(codes), next(filters)]
    for num_layers in (4, 4, 4, 4, 4, 1):
        for _ in range(num_layers):
            code = next(codes)
            indices += [0, 0, 1] if code == 6 else [code % 3, code // 3, 0]
        indices.append(next(filters))
    return (*indices, next(filters))


def with_fixed_filters(name: str, filters: Sequence[int]) -> SearchSpace:
    """The tower with one option for each block's filters; reference: ProxylessNAS-Mobile."""
    return SearchSpace(
        name=name,
        blocks=_tower([OneOf((count,), FILTERS) for count in filters]),
        reference_indices=proxylessnas_indices(PROXYLESSNAS_MOBILE),
    )


@register
def proxylessnas_search() -> SearchSpace:
    """Kernel, expansion and depth per layer, fixed filters: ~10^21 architectures."""
    return with_fixed_filters("proxylessnas_search", _FILTERS)


@register
def proxylessnas_doubled_every_block_search() -> SearchSpace:
    """`proxylessnas_search` with filters that double from block to block."""
    return with_fixed_filters("proxylessnas_doubled_every_block_search", _BASE_FILTERS)


@register
def proxylessnas_doubled_every_stride2_search() -> SearchSpace:
    """`proxylessnas_search` with filters that double where the image is halved."""
    return with_fixed_filters(
        "proxylessnas_doubled_every_stride2_search", (16, 16, 32, 64, 128, 128, 256, 256, 512)
    )


@register
def proxylessnas_enlarged_search() -> SearchSpace:
    """The filters of each block are searched too: ~10^28 architectures."""
    choices = [spec.filters_choice(count) for count in _BASE_FILTERS]
    filter_indices = [choice.choices.index(n) for choice, n in zip(choices, _FILTERS)]
    return SearchSpace(
        name="proxylessnas_enlarged_search",
        blocks=_tower(choices),
        reference_indices=proxylessnas_indices(PROXYLESSNAS_MOBILE, filter_indices),
    )
