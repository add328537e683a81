"""Raw outputs, which have a map per level, as one list of anchors."""

from collections.abc import Mapping

import tensorflow as tf
from official.vision.losses import loss_utils

__all__ = ["flatten"]


def flatten(levels: Mapping[str, tf.Tensor], values: int) -> tf.Tensor:
    """{level: [batch, height, width, anchors * values]} -> [batch, all anchors, values].

    The order is that of `flat_anchors`.
    """
    in_order = {level: levels[level] for level in sorted(levels, key=int)}
    return loss_utils.multi_level_flatten(in_order, last_dim=values)
