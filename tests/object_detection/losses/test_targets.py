"""Which anchor should predict what, on boxes made by hand."""

import numpy as np
import pytest
import tensorflow as tf

from object_detection import losses, modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite

# Four anchors in a row, 20 x 20, and a large one over them all.
_ANCHORS = np.array(
    [[0, 0, 20, 20], [0, 20, 20, 40], [0, 40, 20, 60], [0, 60, 20, 80], [-20, 0, 40, 80]],
    np.float32,
)


def _labels(*images, crowds=(), num_rows=4):
    """Of every image, a list of (class, box); `crowds` are (image, row)."""
    shape = (len(images), num_rows)
    boxes, classes = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.int32)
    for image, objects in enumerate(images):
        for row, (label, box) in enumerate(objects):
            boxes[image, row], classes[image, row] = box, label
    is_crowd = np.zeros(shape, bool)
    for place in crowds:
        is_crowd[place] = True
    return {"boxes": boxes, "classes": classes, "is_crowd": is_crowd}


def _targets(labels, anchors=_ANCHORS, weights=None) -> losses.Targets:
    found = losses.label_anchors(tf.nest.map_structure(tf.constant, labels), anchors, weights)
    return losses.Targets(*(values.numpy() for values in found))


def test_anchors_take_what_they_overlap_with_and_objects_what_they_get():
    targets = _targets(
        _labels(
            # IoU with the second anchor: 18 * 20 / 440; with the first 2 * 20 / 760.
            [(3, [0, 18, 20, 38])],
            # IoU at most 16 / 400: below 0.5, but the fourth anchor is the best one.
            [(2, [8, 70, 12, 74])],
            [],
        )
    )
    np.testing.assert_array_equal(
        targets.classes, [[0, 3, 0, 0, 0], [0, 0, 0, 2, 0], [0, 0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(targets.box_weights, targets.classes > 0)
    np.testing.assert_array_equal(targets.class_weights, np.ones((3, 5)))
    # Shifts by the side of the anchor; logarithms of the ratios of the sides.
    np.testing.assert_allclose(targets.boxes[0, 1], [0, -0.1, 0, 0], atol=1e-6)
    expected = [0, 0.1, np.log(1 / 5), np.log(1 / 5)]
    np.testing.assert_allclose(targets.boxes[1, 3], expected, atol=1e-6)
    assert not np.any(targets.boxes[targets.classes == 0])


def test_one_object_may_have_many_anchors():
    anchors = np.array([[0, 0, 20, 20], [0, 4, 20, 24], [0, 8, 20, 28]], np.float32)
    targets = _targets(_labels([(1, [0, 2, 20, 22])]), anchors)
    # IoU 18 / 22 twice, then 14 / 26.
    np.testing.assert_array_equal(targets.classes, [[1, 1, 1]])


def test_padding_matches_nothing():
    # Without care, every row of padding would claim the first anchor.
    objects = [(1, [0, 60, 20, 80])]
    few, many = (_targets(_labels(objects, num_rows=n)) for n in (1, 50))
    for a, b in zip(few, many):
        np.testing.assert_array_equal(a, b)
    assert few.classes.tolist() == [[0, 0, 0, 1, 0]]


def test_the_first_of_the_objects_that_share_an_anchor_gets_it():
    targets = _targets(_labels([(1, [5, 45, 10, 50]), (2, [5, 46, 10, 51])]))
    assert targets.classes.tolist() == [[0, 0, 1, 0, 0]]


def test_boxes_without_area_are_no_objects():
    flat = [(1, [0, 0, 0, 20]), (2, [10, 10, 10, 10]), (3, [5, 5, 9, 4])]
    targets = _targets(_labels(flat))
    assert not np.any(targets.classes) and not np.any(targets.boxes)
    assert np.all(np.isfinite(targets.boxes))


def test_anchors_on_a_crowd_are_neither_object_nor_background():
    # The crowd covers the first anchor, just half of the second one, and 1/8 of the large one.
    crowd = (1, [0, 0, 20, 30])
    targets = _targets(_labels([crowd], [crowd, (2, [0, 0, 20, 20])], crowds=[(0, 0), (1, 0)]))
    np.testing.assert_array_equal(targets.class_weights, [[0, 0, 1, 1, 1], [1, 0, 1, 1, 1]])
    # An object on a crowd counts; the crowd itself never does.
    np.testing.assert_array_equal(targets.classes, [[0, 0, 0, 0, 0], [2, 0, 0, 0, 0]])
    np.testing.assert_array_equal(targets.box_weights, targets.classes > 0)


@pytest.mark.parametrize("definition", [SSDLite(), RetinaNet()])
def test_every_object_has_an_anchor_that_decodes_to_it(definition):
    generator = np.random.default_rng(0)
    sizes = np.exp(generator.uniform(np.log(6), np.log(100), size=(200, 1, 2)))
    corners = generator.uniform(0, 128 - sizes)
    boxes = np.concatenate([corners, corners + sizes], -1).astype(np.float32)
    labels = {
        "boxes": boxes,
        "classes": np.full((200, 1), 4, np.int32),
        "is_crowd": np.zeros((200, 1), bool),
    }
    anchors = modeling.flat_anchors(definition, 128)
    weights = definition.box_coder_weights
    targets = _targets(labels, anchors, weights)
    is_object = targets.classes == 4
    assert np.all(is_object.sum(axis=1) >= 1)
    image, anchor = np.nonzero(is_object)
    encoded = targets.boxes[image, anchor] / np.array(weights or (1, 1, 1, 1))
    sides = anchors[anchor, 2:] - anchors[anchor, :2]
    centers = anchors[anchor, :2] + sides / 2 + encoded[:, :2] * sides
    decoded_sides = sides * np.exp(encoded[:, 2:])
    decoded = np.concatenate([centers - decoded_sides / 2, centers + decoded_sides / 2], 1)
    np.testing.assert_allclose(decoded, boxes[image, 0], atol=1e-2)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph(jit_compile):
    labels = _labels([(3, [0, 18, 20, 38])], [])
    label = tf.function(
        lambda labels: losses.label_anchors(labels, _ANCHORS), jit_compile=jit_compile,
        autograph=False,
    )  # fmt: skip
    found = label(tf.nest.map_structure(tf.constant, labels))
    for a, b in zip(found, _targets(labels)):
        np.testing.assert_allclose(a, b, atol=1e-6)
