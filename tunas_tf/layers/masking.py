"""Active widths: a filter mask keeps a prefix of the channels, so it is one number.

Every masked layer takes the number of active channels as a scalar: an int32 tensor,
which may differ from step to step and from replica to replica, a Python integer, or
None for all of them. Channels beyond it are exactly zero in outputs and in gradients,
whatever the inputs hold there.
"""

import numbers
from typing import Optional, Union

import tensorflow as tf

from tunas_tf.common.errors import InputError

__all__ = ["ActiveFilters", "keep_prefix"]

ActiveFilters = Optional[Union[int, tf.Tensor]]


def keep_prefix(values: tf.Tensor, active: ActiveFilters, axis: int) -> tf.Tensor:
    """Zeroes `values` beyond the first `active` entries along `axis`; None keeps all.

    Shapes are static, so that XLA compiles one program for all widths. For example,
    `keep_prefix([1., 2., 3.], 2, axis=0)` is `[1., 2., 0.]`.
    """
    if active is None:
        return values
    size = values.shape[axis]
    if isinstance(active, numbers.Integral) and not 0 <= active <= size:
        raise InputError(
            f"{active} active filters were asked of a layer that has {size}; give 0 to {size}, "
            "or build the layer wider."
        )
    shape = [1] * values.shape.rank
    shape[axis] = size
    return values * tf.reshape(tf.sequence_mask(active, size, values.dtype), shape)
