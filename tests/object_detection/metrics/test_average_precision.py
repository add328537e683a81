"""Average precision in TensorFlow, against pycocotools and by hand."""

import numpy as np
import pytest
import random_scenes
import tensorflow as tf
from pycocotools import mask

from object_detection.metrics import IOU_THRESHOLDS, coco_average_precision, matching

# (images, detections, boxes, classes): the second has more than 100 detections of a class in
# an image, the third more classes than objects, the last a single class and object.
_SHAPES = ((6, 20, 8, 5), (3, 230, 12, 3), (8, 12, 6, 81), (2, 5, 1, 2))
_SCENES = 60


def _compiled(num_classes: int, jit_compile: bool = False):
    def run(detections, labels):
        return coco_average_precision(detections, labels, num_classes)

    return tf.function(run, jit_compile=jit_compile)


def _scene(found, objects, crowds=(), num_classes: int = 4):
    """A batch from rows: per image found [(box, class, score)], objects and crowds [(box, class)].

    Detections and labels get a row of padding.
    """
    crowds = crowds or [[]] * len(objects)
    length = max(map(len, found)) + 1
    rows = [image + [((0, 0, 0, 0), 0, 0.0)] * (length - len(image)) for image in found]
    detections = {
        "boxes": tf.constant([[row[0] for row in image] for image in rows], tf.float32),
        "classes": tf.constant([[row[1] for row in image] for image in rows]),
        "scores": tf.constant([[row[2] for row in image] for image in rows]),
        "num_detections": tf.constant([len(image) for image in found]),
    }
    rows = [[(*row, False) for row in image] for image in objects]
    rows = [a + [(*row, True) for row in b] for a, b in zip(rows, crowds)]
    length = max(map(len, rows)) + 1
    rows = [image + [((0, 0, 0, 0), 0, False)] * (length - len(image)) for image in rows]
    labels = {
        "boxes": tf.constant([[row[0] for row in image] for image in rows], tf.float32),
        "classes": tf.constant([[row[1] for row in image] for image in rows]),
        "is_crowd": tf.constant([[row[2] for row in image] for image in rows]),
    }
    return [float(x) for x in coco_average_precision(detections, labels, num_classes)]


_A, _B, _C = (0, 0, 10, 10), (20, 20, 40, 60), (50, 0, 90, 20)


@pytest.mark.parametrize("shape", _SHAPES, ids=str)
def test_agrees_with_pycocotools(shape):
    num_classes = shape[-1]
    function = _compiled(num_classes)
    expected = []
    for seed in range(_SCENES):
        detections, labels = random_scenes.random_scene(seed, *shape)
        expected.append(random_scenes.pycocotools_ap(detections, labels, num_classes))
        actual = [float(value) for value in function(detections, labels)]
        assert actual == pytest.approx(expected[-1], abs=1e-6), f"scene {seed}"
    # These are no trivial scenes.
    assert 0.15 < np.mean(expected) < 0.85
    assert len({round(ap, 6) for ap, _ in expected}) > _SCENES / 4


@pytest.mark.parametrize("shape", _SHAPES[:2], ids=str)
def test_the_same_with_xla(shape):
    plain, xla = (_compiled(shape[-1], jit_compile) for jit_compile in (False, True))
    for seed in range(20):
        scene = random_scenes.random_scene(seed, *shape)
        np.testing.assert_allclose(xla(*scene), plain(*scene), atol=1e-6)


def test_order_of_images_does_not_matter():
    shape = _SHAPES[0]
    function = _compiled(shape[-1])
    for seed in (0, 2, 4):  # Even ones have no ties.
        scene = random_scenes.random_scene(seed, *shape)
        permutation = np.random.default_rng(seed).permutation(shape[0])
        shuffled = [{k: values[permutation] for k, values in part.items()} for part in scene]
        np.testing.assert_allclose(function(*shuffled), function(*scene), atol=1e-6)


def test_objects_found_exactly_give_one():
    objects = [[(_A, 1), (_B, 1), (_C, 3)], [], [(_B, 2)]]
    found = [[(_A, 1, 0.2), (_B, 1, 0.9), (_C, 3, 0.1)], [], [(_B, 2, 0.5)]]
    assert _scene(found, objects) == pytest.approx([1.0, 1.0])


def test_nothing_found_gives_zero():
    assert _scene([[], []], [[(_A, 1)], []]) == [0.0, 0.0]


def test_without_objects_it_is_zero():
    assert _scene([[(_A, 1, 0.5)]], [[]]) == [0.0, 0.0]
    assert _scene([[(_A, 1, 0.5)]], [[]], crowds=[[(_A, 1)]]) == [0.0, 0.0]


def test_iou_equal_to_a_threshold_is_enough():
    # IoU 60 / 100: 3 of the 10 thresholds, 0.5, 0.55 and 0.6.
    assert _scene([[((0, 0, 10, 6), 1, 0.5)]], [[(_A, 1)]]) == pytest.approx([0.3, 1.0])


def test_false_positive_before_the_true_one():
    # Precision 1 / 2 at recalls 0 to 0.5, which are 51 of 101, of one object in two.
    found = [[(_C, 1, 0.9), (_A, 1, 0.8)]]
    expected = 51 / 101 / 2
    assert _scene(found, [[(_A, 1), (_B, 1)]]) == pytest.approx([expected] * 2)


def test_precision_is_the_best_at_any_higher_recall():
    # True, false, true, true: precisions 1, 1/2, 2/3, 3/4 at recalls 1/3, 1/3, 2/3, 1.
    found = [[(_A, 1, 0.9), (_A, 1, 0.8), (_B, 1, 0.7), (_C, 1, 0.6)]]
    expected = (34 * 1 + 67 * 3 / 4) / 101
    assert _scene(found, [[(_A, 1), (_B, 1), (_C, 1)]]) == pytest.approx([expected] * 2)


def test_a_recall_that_double_precision_puts_above_is_missed():
    # 7 of 20 reach recalls 0 to 0.34; 0.35000000000000003, as pycocotools has it, is above 7/20.
    boxes = [(0, 10 * i, 10, 10 * i + 10) for i in range(20)]
    found = [[(box, 1, 0.5) for box in boxes[:7]]]
    assert _scene(found, [[(box, 1) for box in boxes]]) == pytest.approx([35 / 101] * 2)


def test_mean_over_classes_with_objects():
    # Class 1 is found, class 2 is not; the detection of class 3, without objects, is no matter.
    found = [[(_A, 1, 0.5), (_B, 3, 0.9)]]
    assert _scene(found, [[(_A, 1), (_B, 2)]]) == pytest.approx([0.5, 0.5])


def test_classes_out_of_range_do_not_count():
    found = [[(_A, 1, 0.5), (_B, 9, 0.9), (_C, 0, 0.9), (_C, -1, 0.9)]]
    assert _scene(found, [[(_A, 1), (_B, 9)]]) == pytest.approx([1.0, 1.0])


def test_an_object_is_found_once():
    # The better detection lies on A by 0.6 and takes it; the exact one is false up to 0.6.
    found = [[((0, 0, 10, 6), 1, 0.9), (_A, 1, 0.8)]]
    ap, ap50 = _scene(found, [[(_A, 1)]])
    assert ap50 == pytest.approx(1.0)
    assert ap == pytest.approx(0.3 * 1.0 + 0.7 * 0.5)


def test_crowd_takes_any_number_of_detections():
    crowd = [[((0, 0, 100, 100), 1)]]
    found = [[(_B, 1, 0.9), (_C, 1, 0.8), (_A, 1, 0.7)]]
    # A is an object; without the crowd, B and C would come before it as false positives.
    assert _scene(found, [[(_A, 1)]], crowd) == pytest.approx([1.0, 1.0])
    assert _scene(found, [[(_A, 1)]]) == pytest.approx([1 / 3, 1 / 3])
    # A crowd of another class takes nothing.
    other = [[((0, 0, 100, 100), 2)]]
    assert _scene(found, [[(_A, 1)]], other) == pytest.approx([1 / 3, 1 / 3])


def test_equal_scores_go_by_image():
    exact, wrong = [(_A, 1, 0.5)], [(_B, 1, 0.5)]
    objects = [[(_A, 1)], [(_A, 1)]]
    assert _scene([exact, wrong], objects) == pytest.approx([51 / 101] * 2)
    assert _scene([wrong, exact], objects) == pytest.approx([51 / 101 / 2] * 2)


def test_only_the_best_detections_of_a_class_count():
    detections = {
        "boxes": tf.constant([[_B, _C, _A, _A]], tf.float32),
        "classes": tf.constant([[1, 1, 2, 1]]),
        "scores": tf.constant([[0.9, 0.8, 0.7, 0.6]]),
        "num_detections": tf.constant([4]),
    }
    labels = {
        "boxes": tf.constant([[_A, _A]], tf.float32),
        "classes": tf.constant([[1, 2]]),
        "is_crowd": tf.constant([[False, False]]),
    }
    for max_detections, of_class_1 in ((4, 1 / 3), (3, 1 / 3), (2, 0.0)):
        ap, _ = coco_average_precision(detections, labels, 3, max_detections=max_detections)
        assert float(ap) == pytest.approx((of_class_1 + 1.0) / 2)


def test_rows_from_num_detections_on_are_padding():
    detections = {
        "boxes": tf.constant([[_A, _B], [_B, _A]], tf.float32),
        "classes": tf.constant([[1, 1], [1, 1]]),
        "scores": tf.constant([[0.1, 0.9], [0.9, 0.8]]),
        "num_detections": tf.constant([1, 0]),
    }
    labels = {
        "boxes": tf.constant([[_A], [_A]], tf.float32),
        "classes": tf.constant([[1], [1]]),
        "is_crowd": tf.constant([[False], [False]]),
    }
    ap, _ = coco_average_precision(detections, labels, 2)
    assert float(ap) == pytest.approx(51 / 101)


def test_other_thresholds():
    detections, labels = random_scenes.random_scene(2, *_SHAPES[0])
    ap, ap50 = coco_average_precision(detections, labels, 5, iou_thresholds=(0.9, 0.5))
    _, expected = coco_average_precision(detections, labels, 5)
    assert float(ap50) == pytest.approx(float(expected))
    ap90 = 2 * float(ap) - float(ap50)
    assert -1e-6 < ap90 < 0.9 * float(ap50)


def test_numbers_that_are_not_finite_give_no_nan():
    detections, labels = random_scenes.random_scene(2, *_SHAPES[0])
    boxes, scores = detections["boxes"].copy(), detections["scores"].copy()
    boxes[:, ::3, 0], boxes[:, 1::3, 3], scores[:, ::2] = np.nan, np.inf, np.nan
    broken = {**detections, "boxes": boxes, "scores": scores}
    for jit_compile in (False, True):
        for value in _compiled(5, jit_compile)(broken, labels):
            assert 0.0 <= float(value) <= 1.0


def test_no_rows_at_all():
    for num_detections, num_boxes in ((0, 3), (3, 0)):
        detections = {
            "boxes": tf.zeros([2, num_detections, 4]),
            "classes": tf.ones([2, num_detections], tf.int32),
            "scores": tf.ones([2, num_detections]),
            "num_detections": tf.fill([2], num_detections),
        }
        labels = {
            "boxes": tf.zeros([2, num_boxes, 4]),
            "classes": tf.ones([2, num_boxes], tf.int32),
            "is_crowd": tf.zeros([2, num_boxes], tf.bool),
        }
        np.testing.assert_array_equal(_compiled(2)(detections, labels), [0.0, 0.0])


@pytest.mark.parametrize("thresholds", [(0.6, 0.7), (0.0, 0.5), (0.5, 1.1), ()])
def test_refuses_thresholds(thresholds):
    scene = random_scenes.random_scene(0, *_SHAPES[0])
    with pytest.raises(ValueError, match="0.5 has to be among them"):
        coco_average_precision(*scene, 5, iou_thresholds=thresholds)


def test_refuses_dynamic_shapes():
    detections, labels = random_scenes.random_scene(0, *_SHAPES[0])
    unknown = {name: tf.TensorSpec([None, *x.shape[1:]], x.dtype) for name, x in labels.items()}
    function = tf.function(lambda x: coco_average_precision(detections, x, 5))
    with pytest.raises(ValueError, match=r'labels\["boxes"\] .* needs static shapes'):
        function.get_concrete_function(unknown)


def test_default_thresholds():
    assert IOU_THRESHOLDS == pytest.approx([0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])


def test_overlaps_as_pycocotools_has_them():
    detections, labels = random_scenes.random_scene(1, 4, 60, 20, 3)
    actual = matching.overlaps(detections["boxes"], labels["boxes"], labels["is_crowd"])

    def xywh(boxes):
        return [[x, y, right - x, bottom - y] for y, x, bottom, right in boxes.astype(float)]

    expected = [
        mask.iou(xywh(detected), xywh(boxes), is_crowd.tolist())
        for detected, boxes, is_crowd in zip(
            detections["boxes"], labels["boxes"], labels["is_crowd"]
        )
    ]
    assert np.count_nonzero(expected) > 100
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_matching_takes_the_last_of_the_best():
    # The first detection may take any object: it takes the last of the two best, 2. The second
    # is left with 0 and 1.
    overlap = tf.constant([[[0.6, 0.7, 0.7], [0.0, 0.5, 0.9]]])
    is_matched = matching.match_detections(overlap, tf.constant([0.5, 0.6, 0.8]))
    np.testing.assert_array_equal(is_matched, [[[True, True, False], [True, False, True]]])
