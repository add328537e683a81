"""Which detections find an object: COCO's greedy matching, in TensorFlow, for a whole batch."""

import tensorflow as tf

__all__ = ["areas", "match_detections", "overlaps"]


def areas(boxes: tf.Tensor) -> tf.Tensor:
    """Of boxes: [..., 4] -> [...]; below 0 if one of the sides is negative."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    return (ymax - ymin) * (xmax - xmin)


def overlaps(detected: tf.Tensor, boxes: tf.Tensor, is_crowd: tf.Tensor) -> tf.Tensor:
    """How much of each detection lies on each ground truth box.

    For a single object this is intersection over union. A crowd box stands for many objects of
    which a detection may show one: there it is intersection over the detection's own area.
    A box without area overlaps with nothing, and so does one with a coordinate that is not finite.

    Args:
      detected: [B, D, 4], [ymin, xmin, ymax, xmax].
      boxes: [B, N, 4], of the ground truth.
      is_crowd: bool [B, N].

    Returns:
      [B, D, N], from 0 to 1.
    """
    detected = detected[:, :, tf.newaxis]  # [B, D, 1, 4]
    boxes = boxes[:, tf.newaxis]  # [B, 1, N, 4]
    top_left = tf.maximum(detected[..., :2], boxes[..., :2])
    bottom_right = tf.minimum(detected[..., 2:], boxes[..., 2:])
    sides = tf.maximum(bottom_right - top_left, 0.0)
    intersections = sides[..., 0] * sides[..., 1]  # [B, D, N]
    own = areas(detected)  # [B, D, 1]
    unions = own + areas(boxes) - intersections
    ratios = intersections / tf.where(is_crowd[:, tf.newaxis], own, unions)
    # Not true of 0 / 0, nor of anything else that is not a number.
    return tf.where(ratios > 0.0, ratios, 0.0)


def match_detections(overlap: tf.Tensor, thresholds: tf.Tensor) -> tf.Tensor:
    """Gives objects to detections, the best detection first.

    A detection takes the object, among those that are left, on which it lies best, if it lies on
    it by at least the threshold; of several such objects the last one. One step of the loop
    decides about one detection of every image, at all thresholds.

    Args:
      overlap: [B, D, N], detections in order of descending score; 0 where a detection can not
        be meant for an object. The shape is static.
      thresholds: [T], above 0.

    Returns:
      bool [B, D, T], whether a detection got an object.
    """
    batch_size, num_detections, num_boxes = overlap.shape
    overlap = tf.transpose(overlap, [1, 0, 2])[:, :, tf.newaxis]  # [D, B, 1, N]
    thresholds = thresholds[tf.newaxis, :, tf.newaxis]  # [1, T, 1]
    positions = tf.range(1, num_boxes + 1)

    def step(rank, is_left, found):
        candidates = tf.where(is_left, overlap[rank], 0.0)  # [B, T, N]
        best = tf.reduce_max(candidates, axis=-1, keepdims=True)
        is_best = (candidates == best) & (best >= thresholds)
        position = tf.reduce_max(tf.where(is_best, positions, 0), axis=-1, keepdims=True)
        found = found.write(rank, position[..., 0] > 0)
        return rank + 1, is_left & (positions != position), found

    shape = [batch_size, thresholds.shape[1], num_boxes]
    found = tf.TensorArray(tf.bool, num_detections, element_shape=shape[:2])
    _, _, found = tf.while_loop(
        lambda rank, *_: rank < num_detections,
        step,
        (0, tf.ones(shape, tf.bool), found),
        maximum_iterations=num_detections,
    )
    return tf.transpose(found.stack(), [1, 0, 2])
