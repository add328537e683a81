"""From labels and raw outputs to the loss of a detector."""

from object_detection.losses.detection_loss import DetectionLoss, detection_loss
from object_detection.losses.targets import Targets, label_anchors

__all__ = ["DetectionLoss", "Targets", "detection_loss", "label_anchors"]
