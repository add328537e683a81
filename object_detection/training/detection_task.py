"""Object detection as a task: the loss of a detector, and average precision as its quality."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from object_detection import losses, modeling
from object_detection.metrics import coco_average_precision
from object_detection.modeling import Definition
from tunas_tf.common.errors import InputError
from tunas_tf.training.task import Task, TaskLoss

__all__ = ["QUALITIES", "DetectionTask"]

QUALITIES = ("ap", "ap50", "neg_loss")


class DetectionTask(Task):
    """Predictions are the raw outputs of a detector, labels those of a `DetectionDataset`.

    Attributes:
      definition, image_size, num_classes: of the detector.
      quality_name: what a search is rewarded with: "ap", COCO's average precision of the reward
        batch; "ap50", at the IoU threshold 0.5 only; "neg_loss", the negative loss, which says
        something of networks that detect nothing yet.
    """

    scalar_names = ("class_loss", "box_loss")

    def __init__(
        self, definition: Definition, image_size: int, num_classes: int, quality: str = "ap"
    ):
        if quality not in QUALITIES:
            raise InputError(f"there is no quality {quality!r}; use one of {', '.join(QUALITIES)}.")
        self.definition = definition
        self.image_size = image_size
        self.num_classes = num_classes
        self.quality_name = quality
        self._anchors = modeling.flat_anchors(definition, image_size)

    def loss(self, predictions: Mapping[str, Any], labels: Mapping[str, tf.Tensor]) -> TaskLoss:
        targets = losses.label_anchors(labels, self._anchors, self.definition.box_coder_weights)
        loss = losses.detection_loss(predictions, targets, self.num_classes, self.definition.loss)
        return TaskLoss(loss.total, {"class_loss": loss.class_loss, "box_loss": loss.box_loss})

    def quality(self, predictions: Mapping[str, Any], labels: Mapping[str, tf.Tensor]) -> tf.Tensor:
        if self.quality_name == "neg_loss":
            return -self.loss(predictions, labels).value
        detections = modeling.detect_among_best(
            predictions, self.definition, self.image_size, self.num_classes
        )
        ap, ap50 = coco_average_precision(detections, labels, self.num_classes)
        return ap if self.quality_name == "ap" else ap50
