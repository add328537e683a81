"""The task of detection: what its loss reports, and that its quality is average precision."""

import numpy as np
import pytest
import tensorflow as tf

from object_detection import losses, modeling
from object_detection.training.detection_task import DetectionTask
from tunas_tf.common.errors import InputError

_SIZE, _NUM_CLASSES = 64, 4
_DETECTORS = {
    "ssdlite": modeling.define("ssdlite"),
    "retinanet": modeling.define("retinanet", num_filters=16),
}

# Of two images: two objects apart from each other, one; padding.
_BOXES = np.array([[[4, 4, 28, 28], [36, 30, 60, 58]], [[10, 8, 50, 52], [0] * 4]], np.float32)
_LABELS = {
    "boxes": tf.constant(_BOXES),
    "classes": tf.constant([[1, 3], [2, 0]]),
    "is_crowd": tf.zeros([2, 2], tf.bool),
}


def _split(definition, values) -> dict[str, tf.Tensor]:
    """[batch, anchors, values] -> raw outputs, a map for each level."""
    maps, start = {}, 0
    for level, boxes in modeling.multilevel_anchors(definition, _SIZE).items():
        side = boxes.shape[0]
        number = int(np.prod(boxes.shape)) // 4
        part = values[:, start : start + number]
        maps[level] = tf.constant(part.reshape(len(values), side, side, -1), tf.float32)
        start += number
    assert start == values.shape[1]
    return maps


def _predictions(definition, logit: float, found=(True, True, True)):
    """What predicts the first anchor of each `found` object with `logit`, and nothing else."""
    anchors = modeling.flat_anchors(definition, _SIZE)
    targets = losses.label_anchors(_LABELS, anchors, definition.box_coder_weights)
    logits = np.full((2, len(anchors), _NUM_CLASSES), -20.0)
    classes = targets.classes.numpy()
    for (image, number), wanted in zip([(0, 1), (0, 3), (1, 2)], found):
        if wanted:
            anchor = np.flatnonzero(classes[image] == number)[0]
            logits[image, anchor, number] = logit
    return {
        "class_logits": _split(definition, logits),
        "boxes": _split(definition, targets.boxes.numpy()),
    }


@pytest.mark.parametrize("name", _DETECTORS)
def test_quality_is_average_precision(name):
    definition = _DETECTORS[name]
    task = DetectionTask(definition, _SIZE, _NUM_CLASSES, "ap")
    assert float(task.quality(_predictions(definition, 5.0), _LABELS)) == pytest.approx(1.0)
    # One of three classes is never found.
    missing = _predictions(definition, 5.0, found=(True, False, True))
    assert float(task.quality(missing, _LABELS)) == pytest.approx(2 / 3, abs=1e-6)


def test_boxes_that_are_somewhat_off_count_for_ap50_only():
    definition = _DETECTORS["ssdlite"]
    predictions = _predictions(definition, 5.0)
    # Encoded heights are ln(h / h_anchor) times 5: boxes 1.4 times as high have an IoU of 1 / 1.4.
    stretch = tf.constant([0.0, 0.0, 5 * np.log(1.4), 0.0], tf.float32)

    def stretched(values):
        shape = tf.shape(values)
        return tf.reshape(tf.reshape(values, [-1, 4]) + stretch, shape)

    predictions["boxes"] = {k: stretched(v) for k, v in predictions["boxes"].items()}
    ap50 = DetectionTask(definition, _SIZE, _NUM_CLASSES, "ap50").quality(predictions, _LABELS)
    ap = DetectionTask(definition, _SIZE, _NUM_CLASSES, "ap").quality(predictions, _LABELS)
    assert float(ap50) == pytest.approx(1.0)
    # 1 / 1.4 = 0.714 passes the thresholds 0.5 to 0.7; clipped at the border, the box is better.
    assert 0.5 - 1e-6 <= float(ap) < 0.8


@pytest.mark.parametrize("name", _DETECTORS)
def test_the_negative_loss_rises_with_the_predictions(name):
    definition = _DETECTORS[name]
    task = DetectionTask(definition, _SIZE, _NUM_CLASSES, "neg_loss")
    good, bad = (_predictions(definition, logit) for logit in (5.0, -5.0))
    loss = task.loss(good, _LABELS)
    weight = definition.loss.box_weight
    assert float(loss.value) == pytest.approx(
        float(loss.scalars["class_loss"] + weight * loss.scalars["box_loss"]), rel=1e-6
    )
    assert set(loss.scalars) == set(task.scalar_names)
    assert float(loss.scalars["box_loss"]) == pytest.approx(0.0, abs=1e-6)
    assert float(task.quality(good, _LABELS)) == -float(loss.value)
    assert float(task.quality(bad, _LABELS)) < float(task.quality(good, _LABELS))


def test_quality_compiles():
    task = DetectionTask(_DETECTORS["ssdlite"], _SIZE, _NUM_CLASSES, "ap")
    compiled = tf.function(task.quality, jit_compile=True)
    predictions = _predictions(_DETECTORS["ssdlite"], 5.0)
    assert float(compiled(predictions, _LABELS)) == pytest.approx(1.0)


def test_an_unknown_quality_is_refused():
    with pytest.raises(InputError, match="no quality 'map'; use one of ap, ap50, neg_loss"):
        DetectionTask(_DETECTORS["ssdlite"], _SIZE, _NUM_CLASSES, "map")
