"""COCO's figures of a dataset: by hand, against official.vision, against the batch's figure."""

import json

import numpy as np
import pytest
import random_scenes
import tensorflow as tf
from official.vision.evaluation.coco_evaluator import COCOEvaluator

from object_detection.metrics import FIGURES, CocoEvaluation, coco_average_precision
from tunas_tf.common.errors import InputError

# Of a small, a medium and a large object.
_SMALL, _MEDIUM, _LARGE = (0, 0, 20, 20), (0, 50, 50, 100), (100, 100, 300, 300)


def _batch(objects, found, scale=(1.0, 1.0), image_ids=None, areas=None):
    """Rows of images: objects (box, class, is_crowd), found (box, class, score); no padding."""
    boxes = np.array([[row[0] for row in image] for image in objects], np.float32)
    boxes = boxes.reshape(len(objects), -1, 4)
    labels = {
        "boxes": boxes,
        "classes": np.array([[row[1] for row in image] for image in objects], np.int32),
        "is_crowd": np.array([[row[2] for row in image] for image in objects], bool),
        "areas": np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) if areas is None else areas,
        "image_ids": np.arange(len(objects)) if image_ids is None else np.array(image_ids),
        "scale": np.tile(np.float32(scale), (len(objects), 1)),
    }
    detections = {
        "boxes": np.array([[row[0] for row in image] for image in found], np.float32),
        "classes": np.array([[row[1] for row in image] for image in found], np.int32),
        "scores": np.array([[row[2] for row in image] for image in found], np.float32),
        "num_detections": np.array([len(image) for image in found], np.int32),
    }
    detections["boxes"] = detections["boxes"].reshape(len(found), -1, 4)
    return detections, labels


def _result(*batch, names=("one", "two", "three")):
    evaluation = CocoEvaluation(names)
    evaluation.update(*batch)
    return evaluation.result()


def _with_ids(scene, first_id: int):
    """A random scene as an evaluation batch, in which sizes vary."""
    detections, labels = scene
    num_images = len(labels["boxes"])
    boxes = labels["boxes"]
    areas = np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    scale = np.ones([num_images, 2], np.float32)
    ids = np.arange(first_id, first_id + num_images)
    return detections, {**labels, "areas": areas, "scale": scale, "image_ids": ids}


def test_objects_found_exactly():
    boxes = (_SMALL, _MEDIUM, _LARGE)
    objects = [[(box, 1, False) for box in boxes]]
    found = [[(box, 1, 0.9 - 0.1 * i) for i, box in enumerate(boxes)]]
    result = _result(*_batch(objects, found))
    assert result.pop("ap_per_class") == {"one": pytest.approx(1.0)}
    # One detection of the image finds one object in three.
    expected = dict.fromkeys(FIGURES, 1.0) | {"ar1": 1 / 3}
    assert result == pytest.approx(expected)


def test_figures_by_size_and_threshold():
    # The small one is found with IoU 0.6, the large one not, and of the medium one is nothing.
    objects = [[(_SMALL, 1, False), (_LARGE, 2, False)]]
    found = [[((0, 0, 12, 20), 1, 0.9)]]
    result = _result(*_batch(objects, found))
    assert result["ap"] == pytest.approx(0.3 / 2)
    assert result["ap50"] == pytest.approx(0.5)
    assert result["ap75"] == 0.0
    assert [result["ap_small"], result["ar_small"]] == pytest.approx([0.3, 0.3])
    assert (result["ap_medium"], result["ar_medium"]) == (-1.0, -1.0)
    assert (result["ap_large"], result["ar_large"]) == (0.0, 0.0)
    assert result["ap_per_class"] == {"one": pytest.approx(0.3), "two": 0.0}


def test_sizes_are_those_in_the_image():
    # 20 x 20 in the input, 40 x 80 in the image: medium.
    objects, found = [[(_SMALL, 1, False)]], [[(_SMALL, 1, 0.9)]]
    result = _result(*_batch(objects, found, scale=(0.5, 0.25)))
    assert (result["ap_small"], result["ap_large"]) == (-1.0, -1.0)
    assert result["ap_medium"] == pytest.approx(1.0)


def test_size_of_a_detection_is_that_in_the_image():
    # A false positive counts for its size: 12 x 12 in the input, 48 x 48 in the image.
    objects = [[((0, 0, 20, 20), 1, False)]]
    found = [[((100, 100, 112, 112), 1, 0.9), ((0, 0, 20, 20), 1, 0.8)]]
    assert _result(*_batch(objects, found))["ap_small"] == pytest.approx(0.5)
    assert _result(*_batch(objects, found, scale=(0.25, 0.25)))["ap_medium"] == pytest.approx(0.5)


def test_area_of_an_object_is_the_given_one():
    # COCO's area is that of the segment, here smaller than the box of 50 x 50.
    objects, found = [[(_MEDIUM, 1, False)]], [[(_MEDIUM, 1, 0.9)]]
    result = _result(*_batch(objects, found, areas=np.float32([[900.0]])))
    assert (result["ap_small"], result["ap_medium"]) == (pytest.approx(1.0), -1.0)


def test_crowd_takes_any_number_of_detections():
    objects = [[(_SMALL, 1, False), (_LARGE, 1, True)]]
    inside = [((110, 110, 150, 150), 1, 0.9), ((200, 200, 250, 250), 1, 0.8)]
    found = [[*inside, (_SMALL, 1, 0.7)]]
    assert _result(*_batch(objects, found))["ap"] == pytest.approx(1.0)
    alone = [[(_SMALL, 1, False), (_LARGE, 1, False)]]
    assert _result(*_batch(alone, found))["ap"] == pytest.approx(51 / 101 / 3)


def test_padding_is_left_out():
    objects = [[(_SMALL, 1, False), ((0, 0, 0, 0), 0, False)]] * 3
    found = [[(_SMALL, 1, 0.9), (_LARGE, 1, 0.95)]] * 3
    detections, labels = _batch(objects, found, image_ids=[7, 0, 0])
    detections["num_detections"][:] = 1  # Only the exact one is real.
    evaluation = CocoEvaluation(["one"])
    evaluation.update(detections, labels, weights=tf.constant([1.0, 0.0, 0.0]))
    evaluation.update(*_batch([[(_SMALL, 1, False)]], [[(_LARGE, 1, 0.1)]], image_ids=[8]))
    # One object of two is found, and the false positive comes last.
    assert evaluation.result()["ap"] == pytest.approx(51 / 101)


def test_image_without_objects_counts():
    detections, labels = _batch(
        [[(_SMALL, 1, False)], [((0, 0, 0, 0), 0, False)]], [[(_SMALL, 1, 0.5)], [(_SMALL, 1, 0.9)]]
    )
    assert _result(detections, labels)["ap"] == pytest.approx(0.5)


def test_the_same_as_official_vision_and_as_the_batch():
    """The figures of a dataset in two batches, from three evaluations."""
    shape = (5, 30, 10, 4)
    first, second = (random_scenes.random_scene(seed, *shape) for seed in (1, 2))
    batches = [_with_ids(first, 10), _with_ids(second, 20)]
    evaluation = CocoEvaluation(["one", "two", "three"])
    official = COCOEvaluator(None, include_mask=False, need_rescale_bboxes=False)
    for detections, labels in batches:
        evaluation.update(detections, labels)
        size = np.full(shape[0], 200)
        truth = {
            "source_id": labels["image_ids"],
            "height": size,
            "width": size,
            "num_detections": np.count_nonzero(labels["classes"], axis=1),
            "boxes": labels["boxes"],
            "classes": labels["classes"],
            "is_crowds": labels["is_crowd"],
            "areas": labels["areas"],
        }
        found = {f"detection_{k}": detections[k] for k in ("boxes", "classes", "scores")}
        found |= {"source_id": labels["image_ids"], "num_detections": detections["num_detections"]}
        official.update_state(*tf.nest.map_structure(tf.constant, (truth, found)))
    result = evaluation.result()
    per_class = result.pop("ap_per_class")
    expected = list(official.result().values())
    assert list(result.values()) == pytest.approx(expected, abs=1e-6)
    assert list(result) == list(FIGURES)
    assert np.mean(list(per_class.values())) == pytest.approx(result["ap"])

    both = [{k: np.concatenate([a[k], b[k]]) for k in a} for a, b in zip(batches[0], batches[1])]
    ap, ap50 = coco_average_precision(*both, num_classes=4)
    assert [float(ap), float(ap50)] == pytest.approx([result["ap"], result["ap50"]], abs=1e-6)


def test_writes_as_json_and_prints_nothing(capfd):
    without_objects = _batch([[((0, 0, 0, 0), 0, False)]], [[(_SMALL, 1, 0.9)]])
    without_detections = _batch([[(_SMALL, 1, False)]], [[]])
    for batch, ap, per_class in (
        (without_objects, -1.0, {}),
        (without_detections, 0.0, {"one": 0.0}),
    ):
        result = _result(*batch)
        assert (result["ap"], result["ap_per_class"]) == (ap, per_class)
        assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert capfd.readouterr().out == ""


def test_numbers_that_are_not_finite_are_left_out():
    found = [[((0, 0, np.nan, 20), 1, 0.9), (_LARGE, 1, np.inf), (_SMALL, 1, 0.8)]]
    assert _result(*_batch([[(_SMALL, 1, False)]], found))["ap"] == pytest.approx(1.0)


def test_refuses_an_image_id_given_twice():
    batch = _batch([[(_SMALL, 1, False)]], [[(_SMALL, 1, 0.9)]], image_ids=[5])
    evaluation = CocoEvaluation(["one"])
    evaluation.update(*batch)
    with pytest.raises(InputError, match="image id 5 was given twice"):
        evaluation.update(*batch)


@pytest.mark.parametrize("classes", [(2, 1), (1, 2)])
def test_refuses_a_class_without_a_name(classes):
    batch = _batch([[(_SMALL, classes[0], False)]], [[(_SMALL, classes[1], 0.9)]])
    with pytest.raises(InputError, match="Class 2 in image 0 has no name: the classes are 1 to 1"):
        CocoEvaluation(["one"]).update(*batch)


def test_refuses_to_evaluate_nothing():
    with pytest.raises(InputError, match="at least one image"):
        CocoEvaluation(["one"]).result()
