"""Detections: decoding, suppression, order and padding, on outputs made by hand."""

import numpy as np
import pytest
import raw_outputs
import tensorflow as tf

from object_detection import modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite

_DEFINITIONS = [SSDLite(), RetinaNet()]
_BOXES = np.array(
    [[20, 20, 45, 50], [60, 70, 100, 90], [18, 22, 47, 48], [0, 80, 30, 128], [3, 3, 124, 120]],
    np.float32,
)
# The third box overlaps with the first, but is of another class.
_CLASSES = np.array([3, 1, 5, 3, 2])


def _functions(definition, image_size, num_classes, **options):
    """Both ways to detect, the second compiled by XLA."""

    def detect(outputs):
        return modeling.detect(outputs, definition, image_size, **options)

    def detect_among_best(outputs):
        return modeling.detect_among_best(outputs, definition, image_size, num_classes, **options)

    compiled = tf.function(detect_among_best, jit_compile=True, autograph=False)
    return [tf.function(detect, autograph=False), compiled]


@pytest.mark.parametrize("definition", _DEFINITIONS)
@pytest.mark.parametrize("which", [0, 1])
def test_perfect_outputs_are_the_objects(definition, which):
    outputs = raw_outputs.perfect_outputs(definition, 128, 7, _BOXES, _CLASSES)
    found = _functions(definition, 128, 7)[which](outputs)
    assert found["boxes"].shape == (1, 100, 4) and found["boxes"].dtype == tf.float32
    # Duplicates are suppressed, and the order is that of the scores.
    is_sure = found["scores"][0].numpy() > 0.01
    assert np.count_nonzero(is_sure) == len(_BOXES) and np.all(is_sure[: len(_BOXES)])
    np.testing.assert_array_equal(found["classes"][0, : len(_BOXES)], _CLASSES)
    np.testing.assert_allclose(found["boxes"][0, : len(_BOXES)], _BOXES, atol=1e-3)
    scores = 1 / (1 + np.exp(-(4.0 - 0.5 * np.arange(len(_BOXES)))))
    np.testing.assert_allclose(found["scores"][0, : len(_BOXES)], scores, rtol=1e-5)


def _iou(a, b) -> float:
    height, width = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if height <= 0 or width <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return height * width / (sum(areas) - height * width)


def _greedy(outputs, definition, image_size, num_classes, max_detections):
    """Detections of one image by the book: sorted (score, class, box)."""

    def flat(name, n):
        return np.concatenate([x.reshape(-1, n) for x in outputs[name].values()])

    logits, encoded = flat("class_logits", num_classes), flat("boxes", 4)
    anchors = modeling.flat_anchors(definition, image_size)
    encoded = encoded / np.array(definition.box_coder_weights or (1, 1, 1, 1))
    sizes = anchors[:, 2:] - anchors[:, :2]
    centers = anchors[:, :2] + sizes / 2 + encoded[:, :2] * sizes
    sizes = sizes * np.exp(encoded[:, 2:])
    boxes = np.clip(np.concatenate([centers - sizes / 2, centers + sizes / 2], 1), 0, image_size)
    found = []
    for label in range(1, num_classes):
        kept = []
        for index in np.argsort(-logits[:, label]):
            if all(_iou(boxes[index], boxes[other]) <= 0.6 for other in kept):
                kept.append(index)
        found += [(1 / (1 + np.exp(-logits[i, label])), label, boxes[i]) for i in kept]
    return sorted(found, key=lambda detection: -detection[0])[:max_detections]


@pytest.mark.parametrize("definition", _DEFINITIONS)
@pytest.mark.parametrize("which", [0, 1])
def test_random_outputs_by_the_book(definition, which):
    outputs = raw_outputs.random_outputs(definition, 64, num_classes=4, batch=2)
    found = _functions(definition, 64, 4, max_detections=50)[which](outputs)
    for image in range(2):
        of_image = {
            name: {level: x[image : image + 1] for level, x in levels.items()}
            for name, levels in outputs.items()
        }
        scores, classes, boxes = zip(*_greedy(of_image, definition, 64, 4, 50))
        assert found["num_detections"][image] == 50
        np.testing.assert_allclose(found["scores"][image], scores, rtol=1e-4)
        np.testing.assert_array_equal(found["classes"][image], classes)
        np.testing.assert_allclose(found["boxes"][image], boxes, atol=1e-3)


def test_few_candidates_leave_the_rest_empty():
    definition = SSDLite()
    outputs = raw_outputs.perfect_outputs(definition, 128, 7, _BOXES, _CLASSES)
    # The 25 candidates near objects come first; of them, five survive.
    found = modeling.detect_among_best(outputs, definition, 128, 7, max_candidates=25)
    assert found["boxes"].shape == (1, 100, 4)
    assert found["num_detections"].numpy().tolist() == [5]
    for name in ("boxes", "scores", "classes"):
        assert np.all(found[name][0, :5].numpy().any(axis=-1)) and not np.any(found[name][0, 5:])


@pytest.mark.parametrize("definition", _DEFINITIONS)
def test_nothing_is_found_where_nothing_is(definition):
    outputs = raw_outputs.perfect_outputs(definition, 128, 7, _BOXES[:0], _CLASSES[:0])
    for detect in _functions(definition, 128, 7):
        found = detect(outputs)
        assert found["num_detections"].numpy().tolist() == [0]
        assert not any(np.any(values) for values in found.values())


@pytest.mark.parametrize("definition", _DEFINITIONS)
@pytest.mark.parametrize("batch", [3, None])
def test_shapes_are_static(definition, batch):
    specs = tf.nest.map_structure(
        lambda x: tf.TensorSpec((batch, *x.shape[1:])),
        raw_outputs.random_outputs(definition, 96, 5, batch=1),
    )
    for detect in (
        lambda outputs: modeling.detect(outputs, definition, 96),
        lambda outputs: modeling.detect_among_best(outputs, definition, 96, 5),
    ):
        function = tf.function(detect, autograph=False).get_concrete_function(specs)
        shapes = {name: x.shape.as_list() for name, x in function.structured_outputs.items()}
        assert shapes == {
            "boxes": [batch, 100, 4],
            "scores": [batch, 100],
            "classes": [batch, 100],
            "num_detections": [batch],
        }
