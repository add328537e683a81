"""Raw outputs made by hand: random ones, and those of a detector that is never wrong."""

import numpy as np

from object_detection import modeling

__all__ = ["encode", "perfect_outputs", "random_outputs", "split_levels"]


def split_levels(definition, image_size: int, values: np.ndarray) -> dict[str, np.ndarray]:
    """[batch, anchors, n] -> {level: [batch, height, width, anchors of a place * n]}."""
    levels, start = {}, 0
    for level, boxes in modeling.multilevel_anchors(definition, image_size).items():
        side, _, numbers = boxes.shape
        end = start + side * side * numbers // 4
        levels[level] = values[:, start:end].reshape(len(values), side, side, -1)
        start = end
    assert start == values.shape[1]
    return levels


def encode(boxes: np.ndarray, anchors: np.ndarray, weights) -> np.ndarray:
    """[..., 4] boxes relative to [..., 4] anchors (Faster R-CNN, section 3.1.2)."""
    sizes, anchor_sizes = boxes[..., 2:] - boxes[..., :2], anchors[..., 2:] - anchors[..., :2]
    centers, anchor_centers = boxes[..., :2] + sizes / 2, anchors[..., :2] + anchor_sizes / 2
    shifts = (centers - anchor_centers) / anchor_sizes
    encoded = np.concatenate([shifts, np.log(sizes / anchor_sizes)], axis=-1)
    return (encoded * np.array(weights or (1, 1, 1, 1))).astype(np.float32)


def random_outputs(definition, image_size: int, num_classes: int, batch: int, seed: int = 0):
    """Outputs of which most suppress some others."""
    generator = np.random.default_rng(seed)
    num_anchors = len(modeling.flat_anchors(definition, image_size))
    logits = generator.normal(-3.0, 1.5, (batch, num_anchors, num_classes)).astype(np.float32)
    scale = np.array(definition.box_coder_weights or (1, 1, 1, 1)) / 5
    boxes = (scale * generator.normal(size=(batch, num_anchors, 4))).astype(np.float32)
    return {
        "class_logits": split_levels(definition, image_size, logits),
        "boxes": split_levels(definition, image_size, boxes),
    }


def perfect_outputs(definition, image_size: int, num_classes: int, boxes, classes):
    """The outputs that say: these objects are here, no others.

    For every object, the five nearest anchors say so that no object before it has taken; their
    scores, and those of the objects, descend.

    Args:
      definition, image_size, num_classes: of the detector.
      boxes, classes: of the objects of one image, [objects, 4] and [objects].
    """
    anchors = modeling.flat_anchors(definition, image_size)
    logits = np.full((1, len(anchors), num_classes), -25.0, np.float32)
    encoded = np.zeros((1, len(anchors), 4), np.float32)
    centers = (anchors[:, :2] + anchors[:, 2:]) / 2
    is_taken = np.zeros(len(anchors), bool)
    for rank, (box, label) in enumerate(zip(boxes, classes)):
        distance = np.linalg.norm(centers - (box[:2] + box[2:]) / 2, axis=1)
        nearest = np.argsort(np.where(is_taken, np.inf, distance), kind="stable")[:5]
        is_taken[nearest] = True
        logits[0, nearest, label] = 4.0 - 0.5 * rank - 0.05 * np.arange(5)
        encoded[0, nearest] = encode(box, anchors[nearest], definition.box_coder_weights)
    return {
        "class_logits": split_levels(definition, image_size, logits),
        "boxes": split_levels(definition, image_size, encoded),
    }
