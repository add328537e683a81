"""The vocabulary of a search space: frozen dataclasses with `OneOf` at any depth.

A search space is a tower of blocks; a block is a list of layers that share one
output filter count. Any field may hold a `OneOf`. A tree without `OneOf` is a
single network. The order of the fields is the order of traversal: kernel size,
expansion, squeeze-and-excite.
"""

import dataclasses
import math
from typing import Any, TypeAlias

__all__ = [
    "FILTERS",
    "OPERATION",
    "Activation",
    "Block",
    "Bottleneck",
    "Conv",
    "Endpoint",
    "Expansion",
    "FusedBottleneck",
    "GlobalPool",
    "OneOf",
    "Residual",
    "SearchSpace",
    "SeparableConv",
    "TuckerBottleneck",
    "Zero",
    "filters_choice",
    "make_divisible",
    "scale_filters",
]

# The two kinds of choice, by the names that the published release logs them under.
OPERATION = "op_indices"
FILTERS = "filters_indices"


def scale_filters(filters: int, multiplier: float, base: int) -> int:
    """`filters * multiplier`, rounded half up to a multiple of `base`, at least `base`."""
    return max(base, base * math.floor(filters * multiplier / base + 0.5))


def make_divisible(value: float, divisor: int) -> int:
    """The multiple of `divisor` nearest to `value` that is not below 0.9 `value`."""
    rounded = max(divisor, math.floor((value + divisor / 2) / divisor) * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


@dataclasses.dataclass(frozen=True)
class OneOf:
    """A choice: exactly one of `choices` is part of an architecture.

    Attributes:
      choices: the options, values or sub-trees. A single option is allowed.
      tag: `OPERATION` or `FILTERS`.
    """

    choices: tuple
    tag: str

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("OneOf needs at least one option.")
        if self.tag not in (OPERATION, FILTERS):
            raise ValueError(f"OneOf tag is {self.tag!r}; use {OPERATION!r} or {FILTERS!r}.")


# An int or a bool, or a OneOf of these. Which of the two is not known to type checkers: a layer
# whose choices are made is of the same class as one with choices.
Choosable: TypeAlias = Any


# The factors of a block's filters in the spaces that search them (TuNAS).
_FILTER_MULTIPLIERS = (0.5, 0.625, 0.75, 1.0, 1.25, 1.5, 2.0)


def filters_choice(filters: int, base: int = 8) -> OneOf:
    """The choice between half and twice `filters`: the distinct rounded counts, ascending."""
    counts = {scale_filters(filters, factor, base) for factor in _FILTER_MULTIPLIERS}
    return OneOf(tuple(sorted(counts)), FILTERS)


@dataclasses.dataclass(frozen=True)
class Expansion:
    """A hidden filter count, as a multiple of a layer's input (or output) filters.

    Attributes:
      ratio: the factor; the count is rounded to the base of the space.
      of: "input" or "output".
    """

    ratio: float
    of: str = "input"

    def __post_init__(self) -> None:
        if self.of not in ("input", "output"):
            raise ValueError(f"Expansion is of {self.of!r}; use 'input' or 'output'.")

    def filters(self, input_filters: int, filters: int, base: int) -> int:
        of = input_filters if self.of == "input" else filters
        return scale_filters(of, self.ratio, base)


@dataclasses.dataclass(frozen=True)
class Conv:
    """k x k convolution, SAME, with batch norm, or with a bias where `batch_norm` is off."""

    kernel_size: Choosable
    strides: int = 1
    batch_norm: bool = True


@dataclasses.dataclass(frozen=True)
class SeparableConv:
    """Depthwise k x k, batch norm, activation; then 1x1 convolution, batch norm."""

    kernel_size: Choosable
    strides: int = 1
    activation: str = "relu"


@dataclasses.dataclass(frozen=True)
class Bottleneck:
    """Inverted bottleneck: 1x1 expand, depthwise k x k, optional squeeze-and-excite, 1x1 project.

    Attributes:
      kernel_size: of the depthwise convolution.
      expansion: `Expansion` of the input filters, or expanded filters as an integer.
      squeeze_and_excite: whether the expanded channels are re-weighted before the projection.
      strides: of the depthwise convolution.
      activation: after the expansion and after the depthwise convolution.
    """

    kernel_size: Choosable
    expansion: Any
    squeeze_and_excite: Choosable = False
    strides: int = 1
    activation: str = "relu"


@dataclasses.dataclass(frozen=True)
class FusedBottleneck:
    """Fused inverted bottleneck: k x k expand with the stride, activation, 1x1 project.

    One full convolution in place of the expansion and the depthwise convolution of a
    `Bottleneck`, which suits accelerators (MobileDets, section 3). Batch norm after both.
    """

    kernel_size: Choosable
    expansion: Any
    strides: int = 1
    activation: str = "relu"


@dataclasses.dataclass(frozen=True)
class TuckerBottleneck:
    """A k x k convolution between two 1x1 convolutions that compress its input and output.

    1x1 to the hidden input filters, activation; k x k with the stride to the hidden output
    filters, activation; 1x1 to the block's filters (MobileDets, section 3). Batch norm
    after all three.

    Attributes:
      kernel_size: of the convolution in the middle.
      input_compression: its input filters, as an integer or an `Expansion`.
      output_compression: its output filters; usually an `Expansion` of the output.
      strides: of the convolution in the middle.
      activation: after the first and the second convolution.
    """

    kernel_size: Choosable
    input_compression: Any
    output_compression: Any
    strides: int = 1
    activation: str = "relu"


@dataclasses.dataclass(frozen=True)
class Activation:
    """relu, relu6, swish6 (x * relu6(x + 3) / 6) or sigmoid."""

    kind: str


@dataclasses.dataclass(frozen=True)
class GlobalPool:
    """Global average pool that keeps the spatial dimensions as 1 x 1."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Marks the output of the layer before it as a feature map for detection."""


@dataclasses.dataclass(frozen=True)
class Zero:
    """All-zeros output: the skip option. Inside a `Residual` it makes an identity."""


@dataclasses.dataclass(frozen=True)
class Residual:
    """input + layer(input)."""

    layer: Any


@dataclasses.dataclass(frozen=True)
class Block:
    """Layers in order, all with the same number of output filters."""

    layers: tuple
    filters: Choosable


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """A named tower of blocks, ended by a classifier that is no part of the tree.

    A space without choices is a single network.

    Attributes:
      name: the `ssd` it is known by.
      blocks: the tower.
      reference_indices: the known good network whose cost is the default target; () if none.
      filter_base: filter counts are rounded to a multiple of this.
    """

    name: str
    blocks: tuple
    reference_indices: tuple = ()
    filter_base: int = 8
