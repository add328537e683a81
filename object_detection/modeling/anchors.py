"""The anchors of a detector: boxes that its raw outputs are relative to."""

import numpy as np
import tensorflow as tf
from official.vision.ops import anchor

from object_detection.modeling import definitions
from object_detection.modeling.definitions import Definition, RetinaNet, SSDLite

__all__ = ["flat_anchors", "multilevel_anchors"]


def _ssdlite(definition: SSDLite, image_size: int) -> dict[str, np.ndarray]:
    anchors = {}
    for level, side in definitions.sides(definition, image_size).items():
        centers = (np.arange(side) + 0.5) / side
        y, x = np.meshgrid(centers, centers, indexing="ij")
        boxes = []
        for scale, ratio in definition.anchor_shapes(level):
            height, width = scale / ratio**0.5, scale * ratio**0.5
            boxes += [y - height / 2, x - width / 2, y + height / 2, x + width / 2]
        anchors[str(level)] = (image_size * np.stack(boxes, axis=-1)).astype(np.float32)
    return anchors


def _retinanet(definition: RetinaNet, image_size: int) -> dict[str, np.ndarray]:
    with tf.init_scope():
        anchors = anchor.Anchor(
            min_level=definition.levels[0],
            max_level=definition.levels[-1],
            num_scales=definition.num_scales,
            aspect_ratios=definition.aspect_ratios,
            anchor_size=definition.anchor_size,
            image_size=(image_size, image_size),
        ).multilevel_boxes
        return {level: boxes.numpy() for level, boxes in anchors.items()}


def multilevel_anchors(definition: Definition, image_size: int) -> dict[str, np.ndarray]:
    """Level -> [height, width, anchors * 4] boxes (ymin, xmin, ymax, xmax) in pixels, float32.

    They may reach beyond the image.
    """
    if isinstance(definition, RetinaNet):
        return _retinanet(definition, image_size)
    return _ssdlite(definition, image_size)


def flat_anchors(definition: Definition, image_size: int) -> np.ndarray:
    """The same boxes, level by level, as [anchors, 4]."""
    levels = multilevel_anchors(definition, image_size).values()
    return np.concatenate([boxes.reshape(-1, 4) for boxes in levels])
