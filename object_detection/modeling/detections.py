"""From raw outputs to detections: decoding and non-maximum suppression per class.

Detections are a dict, the best first; what is beyond num_detections is zeros:
  "boxes" [batch, max_detections, 4] float32, (ymin, xmin, ymax, xmax) in pixels,
  "scores" [batch, max_detections] float32,
  "classes" [batch, max_detections] int32,
  "num_detections" [batch] int32.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from official.vision.modeling.layers import detection_generator
from official.vision.ops import box_ops

from object_detection.modeling.anchors import flat_anchors, multilevel_anchors
from object_detection.modeling.definitions import Definition
from object_detection.modeling.outputs import flatten

__all__ = ["NMS_IOU", "SCORE_THRESHOLD", "detect", "detect_among_best"]

# A detection suppresses those of the same class and lower score from this IoU on.
NMS_IOU = 0.6
# Average precision asks for all detections, however unlikely.
SCORE_THRESHOLD = 1e-8


def detect(
    outputs: Mapping[str, Any],
    definition: Definition,
    image_size: int,
    max_detections: int = 100,
) -> dict[str, tf.Tensor]:
    """The detections of a batch, for evaluation.

    The kernel that does it runs on CPU and GPU, but XLA does not know it.

    Args:
      outputs: raw outputs of a detector.
      definition, image_size: as the detector was built for.
      max_detections: per image, and per class of an image.
    """
    weights = definition.box_coder_weights
    generator = detection_generator.MultilevelDetectionGenerator(
        pre_nms_score_threshold=SCORE_THRESHOLD,
        nms_iou_threshold=NMS_IOU,
        max_num_detections=max_detections,
        # Fifteen to sixty times faster on CPU than "v2", with the same detections.
        nms_version="batched",
        box_coder_weights=weights and list(weights),
    )
    first_level = outputs["boxes"][str(definition.levels[0])]
    batch = first_level.shape[0] or tf.shape(first_level)[0]
    anchors = {
        level: tf.tile(boxes[tf.newaxis], [batch, 1, 1, 1])
        for level, boxes in multilevel_anchors(definition, image_size).items()
    }
    image_shape = tf.fill([batch, 2], float(image_size))
    found = generator(outputs["boxes"], outputs["class_logits"], anchors, image_shape)
    return _detections(
        found["detection_boxes"],
        found["detection_scores"],
        found["detection_classes"],
        found["num_detections"],
    )


def detect_among_best(
    outputs: Mapping[str, Any],
    definition: Definition,
    image_size: int,
    num_classes: int,
    max_detections: int = 100,
    max_candidates: int = 500,
) -> dict[str, tf.Tensor]:
    """The detections of a batch, for a step that XLA compiles.

    It looks at the candidates (an anchor and a class) of the highest scores only. Where
    max_detections of them survive, the detections are those of `detect`; where fewer do, the
    last ones, of lower scores than all candidates, are missing.

    Args:
      outputs, definition, image_size, max_detections: as for `detect`.
      num_classes: as the detector was built for.
      max_candidates: how many candidates of an image are looked at.
    """
    anchors = tf.constant(flat_anchors(definition, image_size))
    logits = flatten(outputs["class_logits"], num_classes)[..., 1:]
    num_candidates = min(max_candidates, anchors.shape[0] * (num_classes - 1))
    batch = logits.shape[0] or tf.shape(logits)[0]
    logits, order = tf.nn.top_k(tf.reshape(logits, [batch, -1]), num_candidates)
    scores = tf.sigmoid(logits)  # [batch, candidates], like all below
    classes = order % (num_classes - 1) + 1
    anchor = order // (num_classes - 1)

    weights = definition.box_coder_weights
    encoded = tf.gather(flatten(outputs["boxes"], 4), anchor, batch_dims=1)
    boxes = box_ops.decode_boxes(encoded, tf.gather(anchors, anchor), weights and list(weights))
    boxes = tf.clip_by_value(boxes, 0.0, float(image_size))

    survives = _survives(boxes, classes) & (scores > SCORE_THRESHOLD)
    number = min(max_detections, num_candidates)
    kept_scores, kept = tf.nn.top_k(tf.where(survives, scores, -1.0), number)
    num_detections = tf.reduce_sum(tf.cast(kept_scores > 0, tf.int32), axis=1)
    found = [tf.gather(values, kept, batch_dims=1) for values in (boxes, scores, classes)]
    padding = max_detections - number
    boxes, scores, classes = (
        tf.pad(x, [[0, 0], [0, padding]] + [[0, 0]] * (x.shape.rank - 2)) for x in found
    )
    return _detections(boxes, scores, classes, num_detections)


def _survives(boxes: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """Greedy non-maximum suppression of candidates in descending order of score.

    A candidate survives if none of those before it, of its class, that survive overlaps
    with it. Applying this rule to all candidates at once, again and again, settles them from
    the first to the last: in as many rounds as the longest chain of candidates in which one
    decides on the next.

    Args:
      boxes: [batch, candidates, 4].
      classes: [batch, candidates].

    Returns:
      [batch, candidates] bool.
    """
    overlaps = box_ops.bbox_overlap(boxes, boxes) > NMS_IOU
    overlaps &= classes[:, :, tf.newaxis] == classes[:, tf.newaxis]
    # [batch, suppressed, suppressing]: only those before it suppress a candidate.
    suppresses = tf.linalg.band_part(tf.cast(overlaps, tf.float32), -1, 0)
    suppresses = tf.linalg.set_diag(suppresses, tf.zeros_like(suppresses[:, 0]))

    def is_unsettled(_, has_changed):
        return has_changed

    def apply_rule(survives, _):
        suppressed = tf.linalg.matvec(suppresses, tf.cast(survives, tf.float32)) > 0
        return ~suppressed, tf.reduce_any(survives == suppressed)

    everyone = tf.ones_like(classes, dtype=tf.bool)
    survives, _ = tf.while_loop(is_unsettled, apply_rule, [everyone, True])
    return tf.stop_gradient(survives)


def _detections(boxes, scores, classes, num_detections) -> dict[str, tf.Tensor]:
    """The dict of detections, zeros beyond num_detections."""
    is_valid = tf.range(tf.shape(scores)[1]) < num_detections[:, tf.newaxis]
    return {
        "boxes": tf.where(is_valid[..., tf.newaxis], boxes, 0.0),
        "scores": tf.where(is_valid, scores, 0.0),
        "classes": tf.where(is_valid, tf.cast(classes, tf.int32), 0),
        "num_detections": tf.cast(num_detections, tf.int32),
    }
