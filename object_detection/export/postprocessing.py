"""From raw outputs to detections by the operator that TFLite has for it.

`TFLite_Detection_PostProcess` is no builtin operator, but LiteRT, and the runtimes of phones,
have it registered (tensorflow/lite/kernels/detection_postprocess.cc). It takes encoded boxes
[1, n, 4], scores [1, n, classes] and anchors [n, 4] (center y, center x, height, width), decodes,
and suppresses boxes of the same class ("regular") as `modeling.detect` does. Three things it
does otherwise:

- It does not clip boxes to the image, on which it depends how much they overlap.
- It fails, and with it the whole network, if a single box has no area.
- On n > 1 threads it never looks at the column n of the scores (LiteRT 2.3).

So boxes are decoded and clipped before, and each is given as its own anchor, with zeros for the
encodings, which change no anchor; and the first columns of the scores are spare ones. What
remains of a difference: boxes outside of the image, of no area, may suppress each other.
"""

import numpy as np
import tensorflow as tf
from official.vision.ops import box_ops

from object_detection import modeling
from object_detection.modeling import definitions, detections
from tunas_tf.export.conversion import convert_function

__all__ = [
    "BOXES",
    "CLASS_LOGITS",
    "MAX_DETECTIONS",
    "MAX_THREADS",
    "OPERATOR",
    "OUTPUTS",
    "convert_detect",
]

OPERATOR = "TFLite_Detection_PostProcess"

# The raw outputs of a file: flat, with the anchors of all levels in a row.
CLASS_LOGITS, BOXES = "class_logits", "boxes"

# What the operator returns, in its order.
OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")

MAX_DETECTIONS = 100

# Share of the image's side that a box has at least: far less than a pixel, but enough not to be
# lost beside a coordinate of 1 in float32.
_MIN_SIDE = 1e-6

# More would miss a class: columns of scores that are zeros come before the classes.
MAX_THREADS = 16
_SPARE_COLUMNS = MAX_THREADS + 1


def _operator(num_columns: int, score_threshold: float):
    """The function that the converter puts the operator in the place of.

    TensorFlow has no such operation: what the function itself returns has the shapes only.

    Args:
      num_columns: of the scores.
      score_threshold: least score of a detection, above 0.
    """
    attributes = {
        "max_detections": f"i: {MAX_DETECTIONS}",
        "max_classes_per_detection": "i: 1",
        "detections_per_class": f"i: {MAX_DETECTIONS}",
        "use_regular_nms": "b: true",
        "nms_score_threshold": f"f: {score_threshold!r}",
        "nms_iou_threshold": f"f: {detections.NMS_IOU!r}",
        **dict.fromkeys(("y_scale", "x_scale", "h_scale", "w_scale"), "f: 1.0"),
        "num_classes": f"i: {num_columns}",
    }
    texts = [f'attr {{ key: "{key}" value {{ {value} }} }}' for key, value in attributes.items()]

    @tf.function(experimental_implements=" ".join([f'name: "{OPERATOR}"', *texts]), autograph=False)
    def detect(encoded_boxes, scores, anchors):
        del encoded_boxes, scores, anchors
        shapes = ([1, MAX_DETECTIONS, 4], [1, MAX_DETECTIONS], [1, MAX_DETECTIONS], [1])
        return tuple(tf.zeros(shape) for shape in shapes)

    return detect


def _as_anchors(encoded: tf.Tensor, anchors: np.ndarray, weights) -> tf.Tensor:
    """Decodes boxes [n, 4] and clips them to the image.

    Args:
      encoded: raw boxes [n, 4].
      anchors: [n, 4], (ymin, xmin, ymax, xmax) in shares of the image.
      weights: the definition's box_coder_weights.

    Returns:
      [n, 4], (center y, center x, height, width) in shares of the image.
    """
    boxes = box_ops.decode_boxes(encoded, tf.constant(anchors), weights and list(weights))
    boxes = tf.clip_by_value(boxes, 0.0, 1.0)
    begin, end = boxes[:, :2], boxes[:, 2:]
    return tf.concat([(begin + end) / 2, tf.maximum(end - begin, _MIN_SIDE)], axis=1)


def convert_detect(
    definition: definitions.Definition,
    image_size: int,
    num_classes: int,
    score_threshold: float = detections.SCORE_THRESHOLD,
) -> bytes:
    """A .tflite file that computes `modeling.detect`, for a batch of 1.

    Its inputs are CLASS_LOGITS float32 [1, anchors, num_classes] and BOXES float32
    [1, anchors, 4]. Its outputs are float32: "detection_boxes" [1, 100, 4] (ymin, xmin, ymax,
    xmax in shares of the image's height and width), "detection_classes" [1, 100] (1 to
    num_classes - 1), "detection_scores" [1, 100], and "num_detections" [1]; the best come first,
    and what is beyond num_detections is zeros.

    Args:
      definition, image_size: the detector.
      num_classes: class 0, which is no object, included.
      score_threshold: detections of lower scores are left out; above 0.
    """
    anchors = modeling.flat_anchors(definition, image_size) / np.float32(image_size)

    def detect(class_logits, boxes):
        decoded = _as_anchors(boxes[0], anchors, definition.box_coder_weights)
        scores = tf.sigmoid(class_logits[..., 1:])
        scores = tf.pad(scores, [[0, 0], [0, 0], [_SPARE_COLUMNS, 0]])
        operator = _operator(_SPARE_COLUMNS + num_classes - 1, score_threshold)
        found = dict(zip(OUTPUTS, operator(tf.zeros_like(boxes), scores, decoded)))
        # Class 1 was the first column behind the spare ones; where nothing is, there are zeros.
        classes = tf.maximum(found["detection_classes"] - (_SPARE_COLUMNS - 1), 0.0)
        return {**found, "detection_classes": classes}

    function = tf.function(detect, autograph=False).get_concrete_function(
        tf.TensorSpec((1, len(anchors), num_classes), name=CLASS_LOGITS),
        tf.TensorSpec((1, len(anchors), 4), name=BOXES),
    )
    return convert_function(function, [OPERATOR])
