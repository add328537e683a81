"""The use of `coco/2017`, on a small one in its real format."""

import json
import pathlib
import shutil

import miniature_coco
import numpy as np
import pytest
import tensorflow_datasets as tfds

from object_detection import data
from tunas_tf.common.errors import InputError


@pytest.fixture(scope="module")
def dataset(coco_dir):
    return data.load("coco/2017", coco_dir, image_size=320, max_num_boxes=6)


@pytest.fixture(scope="module")
def evaluated(dataset):
    """{image id: (image, labels)} of the test split."""
    found = {}
    for images, labels, weights in tfds.as_numpy(dataset.evaluation_batches("test", 8)):
        for i in np.flatnonzero(weights):
            image_id = int(labels["image_ids"][i])
            assert image_id not in found
            found[image_id] = images[i], {key: value[i] for key, value in labels.items()}
    return found


def _annotations(coco_dir, folder):
    """The content of COCO's own file: (images by id, annotations by image id)."""
    path = pathlib.Path(coco_dir).parent / f"instances_{folder}.json"
    content = json.loads(path.read_text())
    images = {image["id"]: image for image in content["images"]}
    return images, {
        image_id: [one for one in content["annotations"] if one["image_id"] == image_id]
        for image_id in images
    }


def test_category_ids_are_those_of_coco():
    """By COCO's list of 91 categories, of which eleven are not annotated."""
    unused = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
    assert data.CATEGORY_IDS == tuple(sorted(set(range(1, 92)) - unused))
    names = dict(zip(data.CATEGORY_IDS, data.CATEGORY_NAMES))
    assert len(set(names.values())) == 80
    some = {1: "person", 10: "traffic light", 13: "stop sign", 27: "backpack", 44: "bottle"}
    some |= {62: "chair", 67: "dining table", 70: "toilet", 72: "tv", 84: "book"}
    some |= {88: "teddy bear", 89: "hair drier", 90: "toothbrush"}
    assert some.items() <= names.items()


def test_classes_are_the_labels_of_tfds(dataset, coco_dir):
    features = tfds.builder("coco/2017", data_dir=coco_dir).info.features
    assert dataset.class_names == ("background", *features["objects"].feature["label"].names)
    assert dataset.num_classes == len(dataset.category_ids) == 81
    assert dataset.category_ids[0] == 0 and dataset.category_ids[1:] == data.CATEGORY_IDS
    assert (dataset.category_ids[11], dataset.category_ids[12]) == (11, 13)


def test_splits(dataset):
    assert dataset.flip and dataset.source.image_shape is None
    splits = ("train", "search_train", "search_validation", "test")
    assert [(dataset.origin(split), dataset.num_examples(split)) for split in splits] == [
        ("train", 60),
        ("train[6:]", 54),
        ("train[:6]", 6),
        ("validation", 20),
    ]


def test_each_validation_image_is_evaluated_exactly_once(evaluated, coco_dir):
    images, _ = _annotations(coco_dir, "val2017")
    assert len(images) == 20 and evaluated.keys() == images.keys()


def test_evaluation_maps_back_to_the_annotation_file(dataset, evaluated, coco_dir):
    """Category ids, boxes, crowds and areas are those of COCO's JSON."""
    images, annotations = _annotations(coco_dir, "val2017")
    number = 0
    for image_id, (_, labels) in evaluated.items():
        y_scale, x_scale = labels["scale"]
        assert y_scale == pytest.approx(320 / images[image_id]["height"])
        assert x_scale == pytest.approx(320 / images[image_id]["width"])
        real = labels["classes"] > 0
        expected = annotations[image_id]
        assert real.sum() == len(expected)
        found = [dataset.category_ids[label] for label in labels["classes"][real]]
        assert found == [one["category_id"] for one in expected]
        boxes = labels["boxes"][real] / [y_scale, x_scale, y_scale, x_scale]
        for (ymin, xmin, ymax, xmax), one in zip(boxes, expected):
            left, top, width, height = one["bbox"]
            np.testing.assert_allclose(
                [xmin, ymin, xmax - xmin, ymax - ymin], [left, top, width, height], atol=1e-3
            )
        assert labels["is_crowd"][real].tolist() == [one["iscrowd"] for one in expected]
        areas = labels["areas"][real] / (y_scale * x_scale)
        # tensorflow-datasets keeps the integer part.
        np.testing.assert_allclose(areas, [int(one["area"]) for one in expected], rtol=1e-4)
        number += len(expected)
    assert number > 25


def test_there_are_empty_images_and_crowds(evaluated):
    assert any(not labels["classes"].any() for _, labels in evaluated.values())
    assert any(labels["is_crowd"].any() for _, labels in evaluated.values())


def _colour_box(image, category, box):
    """Where the category's colour is in an image, up to 3 pixels around a box."""
    top, left, bottom, right = (
        int(np.clip(side + margin, 0, 320)) for side, margin in zip(box.round(), (-3, -3, 3, 3))
    )
    part = 127.5 * (image[top:bottom, left:right] + 1)
    distance = np.abs(part - miniature_coco.COLOURS[category]).max(axis=2)
    rows, columns = np.nonzero(distance < 110)
    if not len(rows):
        return None  # The grey image.
    return top + rows.min(), left + columns.min(), top + rows.max() + 1, left + columns.max() + 1


def _check_boxes_on_pixels(dataset, image, labels):
    number = 0
    for box, label in zip(labels["boxes"], labels["classes"]):
        if label:
            colour_box = _colour_box(image, dataset.category_ids[label], box)
            if colour_box is not None:
                np.testing.assert_allclose(colour_box, box, atol=3)
                number += 1
    return number


def test_boxes_are_around_the_pixels_of_their_class(dataset, evaluated):
    number = sum(_check_boxes_on_pixels(dataset, *example) for example in evaluated.values())
    assert number > 25


def test_augmented_boxes_are_around_the_pixels_of_their_class(dataset):
    number = 0
    for images, labels in tfds.as_numpy(dataset.training_batches("train", 20, seed=3).take(3)):
        for i, image in enumerate(images):
            one = {key: value[i] for key, value in labels.items()}
            keep = ~one["is_crowd"]  # Of a crowd that is cut, no member may reach to the sides.
            number += _check_boxes_on_pixels(
                dataset, image, {key: value[keep] for key, value in one.items()}
            )
    assert number > 40  # Which images and crops they are depends on TensorFlow's global seed.


def test_one_epoch_of_training_has_each_image_once(dataset, coco_dir):
    images, _ = _annotations(coco_dir, "train2017")
    examples = dataset.source.examples(*dataset.source_range("train"), shuffle_seed=5)
    drawn = [int(example["image_id"]) for example in tfds.as_numpy(examples)]
    assert sorted(drawn) == sorted(images)
    ordered = dataset.source.examples(*dataset.source_range("train"))
    assert drawn != [int(example["image_id"]) for example in tfds.as_numpy(ordered)]


def test_an_exact_order_has_the_objects_of_each_image(dataset):
    """Over two files, from the middle of the first of three epochs on."""

    def described(example):
        objects = example["objects"]
        return example["image"], objects["boxes"].tobytes(), objects["classes"].tobytes()

    split = dataset.source_range("train")
    stored = sorted(map(described, tfds.as_numpy(dataset.source.examples(*split))))
    stream = dataset.source.ordered_examples(*split, seed=5, first=20).take(160)
    drawn = list(map(described, tfds.as_numpy(stream)))
    assert sorted(drawn[40:100]) == sorted(drawn[100:]) == stored
    assert set(drawn[:40]) < set(stored) and drawn[40:100] != drawn[100:]


def test_streamed_training_is_a_function_of_the_seed(dataset):
    def drawn(seed):
        images, labels = next(iter(dataset.training_batches("search_train", 16, seed)))
        return images.numpy().tobytes(), labels["boxes"].numpy().tobytes()

    assert drawn(1) == drawn(1) and drawn(1) != drawn(2)


def test_labels_in_another_order_are_refused(coco_dir, tmp_path):
    """A mapping to COCO's ids by position would be silently wrong."""
    shutil.copytree(pathlib.Path(coco_dir) / "coco", tmp_path / "coco")
    names = tmp_path / "coco" / "2017" / "1.1.0" / "objects-label.labels.txt"
    names.write_text("\n".join(reversed(names.read_text().splitlines())) + "\n")
    with pytest.raises(InputError, match="toothbrush.*rather than COCO's 80 categories"):
        data.load("coco/2017", str(tmp_path), image_size=320)


def test_files_of_the_test_images_are_not_needed(coco_dir, tmp_path):
    """They are 6 GB without annotations."""
    shutil.copytree(pathlib.Path(coco_dir) / "coco", tmp_path / "coco")
    for file in (tmp_path / "coco" / "2017" / "1.1.0").glob("coco-test.tfrecord*"):
        file.unlink()
    assert data.load("coco/2017", str(tmp_path), image_size=320).origin("test") == "validation"


def test_absent_dataset(tmp_path):
    with pytest.raises(InputError, match=f"not prepared in {tmp_path}.*tfds build coco/2017 "):
        data.load("coco/2017", str(tmp_path), image_size=320)
