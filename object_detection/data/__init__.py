"""Datasets for object detection: tensorflow-datasets, the embedded `digit_scenes` among them."""

from object_detection.data.coco import CATEGORY_IDS, CATEGORY_NAMES
from object_detection.data.detection import DetectionDataset, load
from object_detection.data.digit_scenes import DigitScenes

__all__ = ["CATEGORY_IDS", "CATEGORY_NAMES", "DetectionDataset", "DigitScenes", "load"]
