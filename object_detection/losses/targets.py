"""What every anchor should predict, from labels that are padded to a fixed number of boxes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from official.vision.ops import box_matcher, box_ops, iou_similarity

__all__ = ["Targets", "label_anchors"]

# An anchor belongs to the object that it overlaps with most, from this IoU on.
_MATCH_IOU = 0.5
# An anchor of which a crowd covers this part is neither object nor background.
_CROWD_OVERLAP = 0.5

_MATCHED, _UNMATCHED, _BETWEEN = 1, -1, -2


class Targets(NamedTuple):
    """What the anchors of a batch should predict.

    Attributes:
      classes: [batch, anchors] int32, 0 for background.
      boxes: [batch, anchors, 4] float32, encoded; zeros where there is no object.
      class_weights: [batch, anchors] float32, 1 for objects and background, 0 for anchors on
        crowds.
      box_weights: [batch, anchors] float32, 1 for objects.
    """

    classes: tf.Tensor
    boxes: tf.Tensor
    class_weights: tf.Tensor
    box_weights: tf.Tensor


def _match(similarity: tf.Tensor, is_object: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which label every anchor matches, and whether it does: [batch, anchors] each.

    Args:
      similarity: IoU, [batch, anchors, labels].
      is_object: [batch, labels]; the others match nothing.
    """
    is_object = is_object[:, tf.newaxis]  # [batch, 1, labels]
    similarity = tf.where(is_object, similarity, -1.0)
    # The matcher gives every label an anchor, padding too. Padding gets one that does not exist.
    nowhere = tf.where(is_object, -1.0, 1.0)
    matcher = box_matcher.BoxMatcher(
        thresholds=[_MATCH_IOU, _MATCH_IOU],
        indicators=[_UNMATCHED, _BETWEEN, _MATCHED],
        force_match_for_each_col=True,
    )
    indices, indicators = matcher(tf.concat([similarity, nowhere], axis=1))
    return indices[:, :-1], indicators[:, :-1] == _MATCHED


def label_anchors(
    labels: Mapping[str, tf.Tensor],
    anchors: np.ndarray,
    box_coder_weights: Sequence[float] | None = None,
) -> Targets:
    """Assigns objects to anchors, and anchors to objects, as SSD does.

    An anchor takes the object that it overlaps with most, if the IoU is at least 0.5. Every
    object besides gets the anchor that overlaps with it most; where objects share that anchor,
    the first of them gets it. Boxes without area are no objects.

    Args:
      labels: "boxes" [batch, labels, 4] (ymin, xmin, ymax, xmax) in pixels, "classes" int32
        [batch, labels], 0 for padding, "is_crowd" bool [batch, labels].
      anchors: [anchors, 4], in pixels.
      box_coder_weights: factors of the encoded y, x, height and width; None for 1.
    """
    boxes = labels["boxes"]
    is_valid = (labels["classes"] > 0) & tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    is_object = is_valid & ~labels["is_crowd"]
    anchors = tf.constant(anchors)[tf.newaxis]  # [1, anchors, 4]

    iou = iou_similarity.IouSimilarity()(anchors, boxes)  # [batch, anchors, labels]
    indices, is_matched = _match(iou, is_object)
    classes = tf.gather(labels["classes"], indices, batch_dims=1)
    # Without an object, an anchor is its own target: zeros, encoded.
    matched_boxes = tf.where(
        is_matched[..., tf.newaxis], tf.gather(boxes, indices, batch_dims=1), anchors
    )
    encoded = box_ops.encode_boxes(
        matched_boxes, anchors, box_coder_weights and list(box_coder_weights)
    )

    areas = iou_similarity.area(anchors)[..., tf.newaxis]
    covered = iou_similarity.intersection(anchors, boxes) / areas
    is_crowd = (is_valid & labels["is_crowd"])[:, tf.newaxis]
    is_on_crowd = tf.reduce_any(is_crowd & (covered >= _CROWD_OVERLAP), axis=-1)
    return Targets(
        classes=tf.where(is_matched, classes, 0),
        boxes=encoded,
        class_weights=tf.cast(is_matched | ~is_on_crowd, tf.float32),
        box_weights=tf.cast(is_matched, tf.float32),
    )
