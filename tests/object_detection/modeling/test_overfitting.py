"""Both detectors learn a few images by heart, and find in evaluation what they have learnt."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
import towers

from object_detection import losses, metrics, modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite

_NUM_CLASSES = 4
_IMAGE_SIZE = 128


def _rectangles(num_images: int = 8):
    """Bright rectangles on noise, the class is the colour; one image has none."""
    generator = np.random.default_rng(0)
    images = generator.normal(scale=0.1, size=(num_images, _IMAGE_SIZE, _IMAGE_SIZE, 3))
    boxes, classes = np.zeros((num_images, 3, 4)), np.zeros((num_images, 3), np.int32)
    for image in range(1, num_images):
        for row in range(generator.integers(1, 4)):
            # In columns of their own, so that none hides another.
            height, width = generator.integers((20, 20), (80, 40))
            top, left = generator.integers(_IMAGE_SIZE - height), 42 * row
            label = generator.integers(1, _NUM_CLASSES)
            images[image, top : top + height, left : left + width, label - 1] += 2.0
            boxes[image, row] = top, left, top + height, left + width
            classes[image, row] = label
    labels = {
        "boxes": boxes.astype(np.float32),
        "classes": classes,
        "is_crowd": np.zeros_like(classes, bool),
    }
    return tf.constant(images, tf.float32), tf.nest.map_structure(tf.constant, labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    "definition, steps", [(SSDLite(), 150), (RetinaNet(32, separable=True), 150)]
)
def test_eight_images(definition, steps):
    tf_keras.utils.set_random_seed(0)
    images, labels = _rectangles()
    detector = modeling.build_detector(
        definition, towers.architecture(), _IMAGE_SIZE, _NUM_CLASSES, batch_norm_momentum=0.9
    )
    anchors = modeling.flat_anchors(definition, _IMAGE_SIZE)
    targets = losses.label_anchors(labels, anchors, definition.box_coder_weights)
    rate = tf_keras.optimizers.schedules.CosineDecay(5e-3, steps)
    optimizer = tf_keras.optimizers.Adam(rate)

    @tf.function
    def train_step():
        with tf.GradientTape() as tape:
            outputs = detector(images, training=True)
            loss = losses.detection_loss(outputs, targets, _NUM_CLASSES, definition.loss)
        variables = detector.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss.total, variables), variables))
        return loss.total

    first = float(train_step())
    for _ in range(steps - 1):
        last = float(train_step())
    assert last < 0.2 * first
    outputs = detector(images, training=False)
    detections = modeling.detect(outputs, definition, _IMAGE_SIZE)
    average_precision, _ = metrics.coco_average_precision(detections, labels, _NUM_CLASSES)
    assert float(average_precision) >= 0.9
    print(definition, first, last, float(average_precision))
