"""Detection quality as COCO defines it: of a batch in TensorFlow, of a dataset by pycocotools."""

from object_detection.metrics.average_precision import IOU_THRESHOLDS, coco_average_precision
from object_detection.metrics.coco_evaluation import FIGURES, CocoEvaluation

__all__ = ["FIGURES", "IOU_THRESHOLDS", "CocoEvaluation", "coco_average_precision"]
