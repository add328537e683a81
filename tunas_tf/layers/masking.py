"""Active widths: a filter mask keeps a prefix of the channels, so it is one number.

Every masked layer takes its active channels as an argument of the call. There are two
executions, which give the same numbers, and every layer has both:

    mask    The number of active channels: an int32 scalar tensor, or a Python integer.
            Tensors have the full width, and are zero beyond the active channels, in outputs
            and in gradients, whatever the inputs hold there. Shapes are static, so that XLA
            compiles one program for all widths.
    slice   The same number within a `Sliced`. Tensors have the active channels only, and only
            that part of a kernel is read. The work is that of the active network.

None stands for all channels in both. The number may differ from step to step and from
replica to replica.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from tunas_tf.common.errors import InputError

__all__ = ["ActiveFilters", "Sliced", "active_part", "widen"]


class Sliced(NamedTuple):
    """So many active channels, in slice execution.

    Attributes:
      filters: int32 scalar.
    """

    filters: int | tf.Tensor


ActiveFilters: TypeAlias = int | tf.Tensor | Sliced | None


def active_part(values: tf.Tensor, active: dict[int, ActiveFilters]) -> tf.Tensor:
    """The first entries of `values` along some axes.

    For example, of `[1., 2., 3.]` the active part `{0: 2}` is `[1., 2., 0.]`, and the part
    `{0: Sliced(2)}` is `[1., 2.]`.

    Args:
      values: of the full width.
      active: axis -> how many entries are active.
    """
    values = tf.convert_to_tensor(values)
    sizes = [-1 if size is None else size for size in values.shape]
    for axis, width in active.items():
        _check(width, values.shape[axis])
        if isinstance(width, Sliced):
            sizes[axis] = width.filters
        elif width is not None:
            size = values.shape[axis]
            shape = [1] * values.shape.rank
            shape[axis] = size
            values *= tf.reshape(tf.sequence_mask(width, size, values.dtype), shape)
    if any(isinstance(width, Sliced) for width in active.values()):
        # The gradient of values[...] fills its zeros nine times as slowly as that of tf.slice.
        values = tf.slice(values, [0] * len(sizes), sizes)
    return values


def widen(values: tf.Tensor, size: int) -> tf.Tensor:
    """`values` [..., channels] with zeros behind them: [..., size]."""
    if values.shape[-1] == size:
        return values
    padding = [(0, 0)] * (values.shape.rank - 1) + [(0, size - tf.shape(values)[-1])]
    wide = tf.pad(values, padding)
    wide.set_shape([*values.shape[:-1], size])
    return wide


def _check(width: ActiveFilters, size: int | None) -> None:
    filters = width.filters if isinstance(width, Sliced) else width
    if isinstance(filters, (int, np.integer)) and size is not None and not 0 <= filters <= size:
        raise InputError(
            f"{filters} active filters were asked of a layer that has {size}; give 0 to {size}, "
            "or build the layer wider."
        )
