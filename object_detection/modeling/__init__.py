"""Detectors on the networks of any search space: stand-alone, or a whole space at once.

definition = define("ssdlite")
detector = build_detector(definition, architecture, image_size, num_classes)
outputs = detector(images, training=True)
detections = detect(outputs, definition, image_size)
"""

# This registers the backbone with tf-models-official.
from object_detection.modeling import official_backbone
from object_detection.modeling.anchors import flat_anchors, multilevel_anchors
from object_detection.modeling.backbones import build_backbone, copy_backbone_weights
from object_detection.modeling.counting import cost_model, count, head_count
from object_detection.modeling.definitions import NAMES, Definition, define
from object_detection.modeling.detections import detect, detect_among_best
from object_detection.modeling.detectors import (
    SupernetDetector,
    SupernetDetectorOutput,
    build_detector,
)
from object_detection.modeling.feature_maps import endpoint_levels, trim

__all__ = [
    "NAMES",
    "Definition",
    "SupernetDetector",
    "SupernetDetectorOutput",
    "build_backbone",
    "build_detector",
    "copy_backbone_weights",
    "cost_model",
    "count",
    "define",
    "detect",
    "detect_among_best",
    "endpoint_levels",
    "flat_anchors",
    "head_count",
    "multilevel_anchors",
    "official_backbone",
    "trim",
]
