"""The loss against its formulas in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from object_detection import losses
from object_detection.modeling.definitions import LossWeights, RetinaNet, SSDLite

_NUM_CLASSES = 3


def _case(num_matches: int):
    """(outputs on two levels, targets) of two images with ten anchors."""
    generator = np.random.default_rng(num_matches)
    logits = generator.normal(size=(2, 10, _NUM_CLASSES)).astype(np.float32)
    boxes = generator.normal(scale=2.0, size=(2, 10, 4)).astype(np.float32)
    matched = np.zeros(20, bool)
    matched[generator.permutation(20)[:num_matches]] = True
    matched = matched.reshape(2, 10)
    is_ignored = ~matched & (generator.random((2, 10)) < 0.2)
    targets = losses.Targets(
        classes=np.where(matched, generator.integers(1, _NUM_CLASSES, (2, 10)), 0),
        boxes=np.where(matched[..., None], generator.normal(size=(2, 10, 4)), 0),
        class_weights=1.0 - is_ignored,
        box_weights=matched,
    )

    def levels(values):
        # 2 x 2 places with two anchors, then one place with two.
        return {"10": values[:, 8:].reshape(2, 1, 1, -1), "9": values[:, :8].reshape(2, 2, 2, -1)}

    types = (tf.int32, tf.float32, tf.float32, tf.float32)
    targets = losses.Targets(*(tf.cast(x, t) for x, t in zip(targets, types)))
    outputs = {"class_logits": levels(logits), "boxes": levels(boxes)}
    return tf.nest.map_structure(tf.constant, outputs), targets, logits, boxes


def _expected(targets, logits, boxes, weights: LossWeights):
    classes, encoded, class_weights, box_weights = (x.numpy() for x in targets)
    class_loss = box_loss = 0.0
    for place in np.ndindex(classes.shape):
        for label in range(_NUM_CLASSES):
            p = 1 / (1 + np.exp(-logits[place][label]))
            if label and label == classes[place]:
                loss = -weights.focal_alpha * (1 - p) ** weights.focal_gamma * np.log(p)
            else:
                loss = -(1 - weights.focal_alpha) * p**weights.focal_gamma * np.log(1 - p)
            class_loss += class_weights[place] * loss
        for error in np.abs(boxes[place] - encoded[place]):
            delta = weights.huber_delta
            huber = error**2 / 2 if error < delta else delta * error - delta**2 / 2
            box_loss += box_weights[place] * huber
    num_matches = max(1, box_weights.sum())
    return class_loss / num_matches, box_loss / num_matches


@pytest.mark.parametrize("num_matches", [0, 1, 7])
@pytest.mark.parametrize("definition", [SSDLite(), RetinaNet()])
def test_formulas(definition, num_matches):
    outputs, targets, logits, boxes = _case(num_matches)
    found = losses.detection_loss(outputs, targets, _NUM_CLASSES, definition.loss)
    class_loss, box_loss = _expected(targets, logits, boxes, definition.loss)
    assert float(found.class_loss) == pytest.approx(class_loss, rel=1e-5)
    assert float(found.box_loss) == pytest.approx(box_loss, rel=1e-5)
    total = class_loss + definition.loss.box_weight * box_loss
    assert float(found.total) == pytest.approx(total, rel=1e-5)
    assert (num_matches == 0) == (box_loss == 0)


def test_published_constants():
    assert SSDLite().loss == LossWeights(0.75, 2.0, huber_delta=1.0, box_weight=1.0)
    assert RetinaNet().loss == LossWeights(0.25, 1.5, huber_delta=0.1, box_weight=12.5)


@pytest.mark.parametrize("definition", [SSDLite(), RetinaNet()])
def test_gradients_are_finite_at_any_logit(definition):
    _, targets, _, _ = _case(5)
    logits = tf.constant(np.tile([-1e4, -60.0, 0.0, 60.0, 1e4], 12).reshape(2, 10, 3), tf.float32)
    outputs = {
        "class_logits": {"0": tf.reshape(logits, [2, 2, 5, 3])},
        "boxes": {"0": tf.zeros([2, 2, 5, 4])},
    }
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        found = losses.detection_loss(outputs, targets, 3, definition.loss)
    assert np.isfinite(float(found.total))
    for gradient in tf.nest.flatten(tape.gradient(found.total, outputs)):
        assert np.all(np.isfinite(gradient))
