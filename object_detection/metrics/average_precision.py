"""COCO's average precision of a batch, in TensorFlow: the quality of a network in a search.

The protocol is that of pycocotools (COCOeval, boxes, area range "all"), with its order among
equal scores, for detections and labels that stay on the device.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from object_detection.metrics import matching

__all__ = ["IOU_THRESHOLDS", "coco_average_precision"]

IOU_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())

# Precision is averaged over 101 recalls, 0, 0.01, ... 1. In double precision, with which
# pycocotools compares, some of them lie above r / 100, so that a recall of r / 100 misses them.
_RECALLS = np.linspace(0.0, 1.0, 101)
_IS_ABOVE = (_RECALLS > np.arange(101) / 100).astype(np.int32)

# Limits of the area range "all".
_MAX_AREA = 1e10


def _check(detections, labels, iou_thresholds) -> None:
    if 0.5 not in iou_thresholds or not all(0.0 < t <= 1.0 for t in iou_thresholds):
        raise ValueError(
            f"IoU thresholds {iou_thresholds}: they have to be above 0, at most 1, and 0.5 has to "
            "be among them."
        )
    for name, value in (("detections", detections), ("labels", labels)):
        if not value["boxes"].shape.is_fully_defined():
            raise ValueError(
                f'{name}["boxes"] has the shape {value["boxes"].shape}, but average precision '
                "needs static shapes: batch with drop_remainder=True, and pad the boxes."
            )


def _sort_by_score(detections, num_classes: int, max_detections: int):
    """(boxes [B, D, 4], scores [B, D], classes [B, D]) in descending order of score.

    What does not count gets class 0: padding, classes that do not exist, and in each image the
    detections of a class beyond max_detections.
    """
    num_detections = detections["scores"].shape[1]
    is_valid = tf.range(num_detections) < detections["num_detections"][:, tf.newaxis]
    order = tf.argsort(detections["scores"], direction="DESCENDING", stable=True)
    classes = tf.cast(detections["classes"], tf.int32)
    is_valid &= (classes > 0) & (classes < num_classes)
    classes = tf.gather(tf.where(is_valid, classes, 0), order, batch_dims=1)
    if num_detections > max_detections:
        is_same = classes[:, :, tf.newaxis] == classes[:, tf.newaxis]  # [B, D, D]
        is_before = np.tri(num_detections, k=-1, dtype=bool)
        rank = tf.reduce_sum(tf.cast(is_same & is_before, tf.int32), axis=-1)  # [B, D]
        classes = tf.where(rank < max_detections, classes, 0)
    boxes = tf.gather(detections["boxes"], order, batch_dims=1)
    return boxes, tf.gather(detections["scores"], order, batch_dims=1), classes


def _outcomes(boxes, classes, labels, label_classes, thresholds) -> tuple[tf.Tensor, tf.Tensor]:
    """(is true positive, is false positive), bool [B, D, T]; what is ignored is neither.

    Of class 0 nothing is a true positive, and false positives of a class without objects are
    no matter.

    Args:
      boxes: [B, D, 4], detections in descending order of score.
      classes: [B, D], theirs; 0 for none.
      labels: of the batch.
      label_classes: [B, N], 0 for none.
      thresholds: [T].
    """
    is_crowd = labels["is_crowd"]
    overlap = matching.overlaps(boxes, labels["boxes"], is_crowd)  # [B, D, N]
    is_possible = classes[:, :, tf.newaxis] == label_classes[:, tf.newaxis]
    is_possible &= (classes > 0)[:, :, tf.newaxis]
    overlap = tf.where(is_possible, overlap, 0.0)
    is_true = matching.match_detections(tf.where(is_crowd[:, tf.newaxis], 0.0, overlap), thresholds)
    # A crowd takes any number of the detections that found no object, and they do not count;
    # nor do those with an area out of range, as below 0 if a side is negative.
    on_crowd = tf.reduce_max(tf.where(is_crowd[:, tf.newaxis], overlap, 0.0), axis=-1)  # [B, D]
    areas = matching.areas(boxes)
    is_counted = ~((areas < 0.0) | (areas > _MAX_AREA))
    is_false = ~is_true & is_counted[..., tf.newaxis] & (on_crowd[..., tf.newaxis] < thresholds)
    return is_true, is_false


def _scan(values: tf.Tensor, classes: tf.Tensor, combine: Callable) -> tf.Tensor:
    """Combines each value with all that precede it in its class: running sum or maximum.

    Doubling the distance takes log2(M) steps (Hillis and Steele, 1986).

    Args:
      values: [..., M].
      classes: [M], where those of a class stand together.
      combine: of two tensors, associative.

    Returns:
      [..., M].
    """
    distance = 1
    while distance < classes.shape[0]:
        is_same = classes[distance:] == classes[:-distance]
        later = values[..., distance:]
        later = tf.where(is_same, combine(later, values[..., :-distance]), later)
        values = tf.concat([values[..., :distance], later], axis=-1)
        distance *= 2
    return values


def _num_recalls_reached(num_true: tf.Tensor, num_objects: tf.Tensor) -> tf.Tensor:
    """How many of the 101 recalls are at most num_true / num_objects, in exact arithmetic."""
    last = 100 * num_true // num_objects
    misses_last = (100 * num_true % num_objects == 0) & (tf.gather(_IS_ABOVE, last) > 0)
    return last + 1 - tf.cast(misses_last, tf.int32)


def coco_average_precision(
    detections: Mapping[str, tf.Tensor],
    labels: Mapping[str, tf.Tensor],
    num_classes: int,
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
    max_detections: int = 100,
) -> tuple[tf.Tensor, tf.Tensor]:
    """COCO's average precision, as if the batch were the whole dataset.

    It is the mean over IoU thresholds and over classes that have an object in the batch. Objects
    are the boxes that are not crowds. In a batch without any object it is 0, where pycocotools
    says -1. Detections and boxes of classes out of range do not count. It agrees with pycocotools
    up to the rounding of single precision.

    There is no Python callback and no dynamic shape, so that it compiles with XLA. Memory is of
    the order of B * D * N and B * D * T numbers; no number depends on B * num_classes.

    Args:
      detections: "boxes" [B, D, 4], "scores" [B, D], "classes" int [B, D], "num_detections"
        int [B]; rows from num_detections on are padding. The shapes are static.
      labels: "boxes" [B, N, 4] in the same frame, "classes" int [B, N] with 0 for padding,
        "is_crowd" bool [B, N]. The shapes are static.
      num_classes: with class 0, which is "nothing".
      iou_thresholds: T of them, one is 0.5.
      max_detections: as many detections of a class count in an image, those of highest score.

    Returns:
      (average precision, average precision at the IoU threshold 0.5), float32 scalars, from 0
      to 1.

    Raises:
      ValueError: on thresholds out of range or without 0.5, and on shapes that are not static.
    """
    detections, labels = tf.nest.map_structure(tf.convert_to_tensor, (detections, labels))
    _check(detections, labels, iou_thresholds)
    thresholds = tf.constant(iou_thresholds, tf.float32)
    boxes, scores, classes = _sort_by_score(detections, num_classes, max_detections)
    label_classes = tf.cast(labels["classes"], tf.int32)
    label_classes = tf.where(label_classes < num_classes, label_classes, 0)
    is_true, is_false = _outcomes(boxes, classes, labels, label_classes, thresholds)

    # All detections of the batch in one row: by class, then by score, then by image and rank.
    classes = tf.reshape(classes, [-1])
    order = tf.argsort(tf.reshape(scores, [-1]), direction="DESCENDING", stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(classes, order), stable=True))
    classes = tf.gather(classes, order)  # [M], M = B * D
    outcomes = tf.cast(tf.stack([is_true, is_false]), tf.int32)  # [2, B, D, T]
    outcomes = tf.reshape(outcomes, [2, -1, len(iou_thresholds)])
    outcomes = tf.transpose(tf.gather(outcomes, order, axis=1), [0, 2, 1])  # [2, T, M]
    num_true, num_false = tf.unstack(_scan(outcomes, classes, tf.add))
    precision = tf.math.divide_no_nan(
        tf.cast(num_true, tf.float32), tf.cast(num_true + num_false, tf.float32)
    )
    # The precision at a recall is the best one at this or any higher recall.
    precision = _scan(precision[:, ::-1], classes[::-1], tf.maximum)[:, ::-1]

    # Only a true positive raises recall. So the mean over recalls is a sum over true positives,
    # each weighted by the recalls that it is the first to reach; recall 0 goes to the first one.
    is_object = (label_classes > 0) & ~labels["is_crowd"]
    num_objects = tf.math.unsorted_segment_sum(
        tf.cast(is_object, tf.int32), label_classes, num_classes
    )  # [classes]
    objects_of_class = tf.maximum(tf.gather(num_objects, classes), 1)  # [M]
    reached = _num_recalls_reached(num_true, objects_of_class)  # [T, M]
    before = _num_recalls_reached(tf.maximum(num_true - 1, 0), objects_of_class)
    reached_before = tf.where(num_true > 1, before, 0)
    weights = tf.where(outcomes[0] > 0, reached - reached_before, 0)
    sums = tf.reduce_sum(precision * tf.cast(weights, tf.float32), axis=1)  # [T]
    num_present = tf.math.count_nonzero(num_objects, dtype=tf.float32)
    average_precisions = tf.math.divide_no_nan(sums, len(_RECALLS) * num_present)
    index = list(iou_thresholds).index(0.5)
    return tf.reduce_mean(average_precisions), average_precisions[index]
