"""The loss of a detector: sigmoid focal loss of the classes, Huber loss of the boxes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras
from official.vision.losses import focal_loss

from object_detection.losses.targets import Targets
from object_detection.modeling.definitions import LossWeights
from object_detection.modeling.outputs import flatten

__all__ = ["DetectionLoss", "detection_loss"]


class DetectionLoss(NamedTuple):
    """Float32 scalars.

    Attributes:
      total: their sum, the box loss times its weight.
      class_loss, box_loss: per object of the batch.
    """

    total: tf.Tensor
    class_loss: tf.Tensor
    box_loss: tf.Tensor


def detection_loss(
    outputs: Mapping[str, Any], targets: Targets, num_classes: int, weights: LossWeights
) -> DetectionLoss:
    """The mean loss of a batch, over its matched anchors.

        (sum over anchors of focal loss + box_weight * sum over matched anchors of Huber loss)
            / max(1, matched anchors of the batch)

    Both terms are sums over the classes and over the four coordinates. Background is no class:
    its anchors are negative examples of every class. So a batch without objects has a loss.

    Args:
      outputs: raw outputs of a detector.
      targets: of its anchors.
      num_classes: as the detector was built for.
      weights: the constants.
    """
    logits = flatten(outputs["class_logits"], num_classes)  # [batch, anchors, num_classes]
    boxes = flatten(outputs["boxes"], 4)  # [batch, anchors, 4]
    num_matches = tf.maximum(tf.reduce_sum(targets.box_weights), 1.0)
    # A class of -1 is one that no position of the vector stands for.
    is_class = tf.one_hot(tf.where(targets.classes > 0, targets.classes, -1), num_classes)
    reduction = tf_keras.losses.Reduction.SUM
    focal = focal_loss.FocalLoss(weights.focal_alpha, weights.focal_gamma, reduction=reduction)
    huber = tf_keras.losses.Huber(weights.huber_delta, reduction=reduction)
    class_loss = focal(is_class, logits, targets.class_weights) / num_matches
    # Keras takes the mean of the coordinates.
    box_loss = 4.0 * huber(targets.boxes, boxes, targets.box_weights) / num_matches
    return DetectionLoss(class_loss + weights.box_weight * box_loss, class_loss, box_loss)
