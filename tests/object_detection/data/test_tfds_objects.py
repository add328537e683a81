"""Datasets of tensorflow-datasets' own format, written by tensorflow-datasets."""

import re

import numpy as np
import pytest
import tensorflow_datasets as tfds

from object_detection import data
from tunas_tf.common.errors import InputError
from tunas_tf.data.tfds_files import quiet_tfds

_BOX = (0.1, 0.2, 0.5, 0.8)


def _features(bbox=None, label=None, **others):
    return {
        "image": tfds.features.Image(shape=(20, 40, 3)),
        "objects": tfds.features.Sequence(
            {
                # Without a format TFDS stores any four numbers.
                "bbox": bbox or tfds.features.BBoxFeature(bbox_format=None),
                "label": label or tfds.features.ClassLabel(names=["cat", "dog", "ox"]),
                **others,
            }
        ),
    }


def _write(directory, name, splits, features=None, **arguments):
    """Stores `splits`, a list of examples for each, as a version of the dataset `name`."""
    arguments = {"version": "1.0.0", **arguments}
    with quiet_tfds():
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            features=tfds.features.FeaturesDict(features or _features()),
            split_datasets={name: list(enumerate(examples)) for name, examples in splits.items()},
            data_dir=directory,
            disable_shuffling=True,
            **arguments,
        )


def _images(objects, number=10):
    """Equal images with these objects, (bbox, label) each."""
    image = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    stored = [{"bbox": np.array(bbox, np.float32), "label": label} for bbox, label in objects]
    return [{"image": image, "objects": stored}] * number


def _labels(dataset, split="test"):
    """The labels of all images of a split, [number, rows, ...]."""
    found = list(tfds.as_numpy(dataset.evaluation_batches(split, 2)))
    return {
        key: np.concatenate([labels[key][weights > 0] for _, labels, weights in found])
        for key in found[0][1]
    }


def test_voc(tmp_path):
    """VOC's own features: no ids, areas or crowds, but difficult objects."""
    features = tfds.builder("voc/2007", data_dir=tmp_path).info.features
    image = np.zeros((100, 200, 3), np.uint8)
    common = {"bbox": tfds.features.BBox(*_BOX), "pose": "left", "is_truncated": False}
    objects = [
        {**common, "label": "aeroplane", "is_difficult": False},
        {**common, "label": "tvmonitor", "is_difficult": True},
    ]
    names = ["aeroplane", "tvmonitor"]
    examples = [
        {
            "image": image,
            "image/filename": f"{index:06}.jpg",
            "objects": objects,
            "labels": names,
            "labels_no_difficult": names[:1],
        }
        for index in range(10)
    ]
    _write(
        tmp_path,
        "voc",
        {"train": examples, "validation": examples[:4], "test": examples[:3]},
        features,
        config="2007",
        version="5.0.0",
    )
    dataset = data.load("voc/2007", str(tmp_path), image_size=50, max_num_boxes=3)
    assert dataset.num_classes == 21 and dataset.flip
    assert dataset.class_names[1] == "aeroplane" and dataset.class_names[20] == "tvmonitor"
    assert dataset.category_ids == tuple(range(21)) and dataset.origin("test") == "test"
    labels = _labels(dataset)
    np.testing.assert_array_equal(labels["image_ids"], [0, 1, 2])
    np.testing.assert_array_equal(labels["classes"], [[1, 20, 0]] * 3)
    np.testing.assert_array_equal(labels["is_crowd"], [[False, True, False]] * 3)
    np.testing.assert_allclose(labels["boxes"][0, :2], [[5, 10, 25, 40]] * 2, rtol=1e-5)
    np.testing.assert_allclose(labels["areas"], [[600, 600, 0]] * 3, rtol=1e-5)
    np.testing.assert_array_equal(labels["scale"], [[0.5, 0.25]] * 3)


def test_positions_stand_in_for_absent_ids_in_each_part(tmp_path):
    _write(tmp_path, "my_boxes", {"train": _images([(_BOX, 0)]), "test": _images([(_BOX, 0)], 3)})
    dataset = data.load("my_boxes", str(tmp_path), image_size=20, reward_fraction=0.4)
    assert _labels(dataset, "search_validation")["image_ids"].tolist() == [0, 1, 2, 3]
    assert _labels(dataset, "search_train")["image_ids"].tolist() == [4, 5, 6, 7, 8, 9]


def test_unusable_objects_are_left_out_and_boxes_clipped(tmp_path):
    nan, inf = float("nan"), float("inf")
    objects = [
        ((-0.5, 0.25, 0.5, 1.5), 0),  # Clipped.
        ((0.3, 0.2, 0.3, 0.8), 1),  # No height.
        ((0.3, 0.8, 0.6, 0.8), 1),  # No width.
        ((0.6, 0.2, 0.3, 0.8), 1),  # Upside down.
        ((1.2, 0.2, 1.5, 0.8), 1),  # Outside.
        ((nan, 0.2, 0.5, 0.8), 1),
        ((0.1, 0.2, inf, 0.8), 1),
        (_BOX, -1),  # Not labelled.
        (_BOX, 2),
    ]
    images = _images(objects)
    _write(tmp_path, "careless", {"train": images, "test": images[:3]})
    dataset = data.load("careless", str(tmp_path), image_size=40, max_num_boxes=2)
    labels = _labels(dataset)
    np.testing.assert_array_equal(labels["classes"], [[1, 3]] * 3)
    expected = [[0, 10, 20, 40], [4, 8, 20, 32]]
    np.testing.assert_allclose(labels["boxes"], [expected] * 3, atol=1e-5)
    for images, labels in tfds.as_numpy(dataset.training_batches("train", 8, seed=0).take(5)):
        assert np.isfinite(images).all()
        assert np.isfinite(labels["boxes"]).all() and np.isfinite(labels["areas"]).all()
        assert set(np.unique(labels["classes"])) <= {0, 1, 3}


def test_labels_beyond_the_classes_are_left_out(tmp_path):
    """As in a dataset whose list of names was cut by hand."""
    _write(tmp_path, "cut", {"train": _images([(_BOX, 0), (_BOX, 2)])})
    (names,) = tmp_path.glob("cut/1.0.0/*.labels.txt")
    names.write_text("cat\ndog\n")
    features = names.parent / "features.json"
    text = features.read_text()
    assert '"numClasses": "3"' in text
    features.write_text(text.replace('"numClasses": "3"', '"numClasses": "2"'))
    dataset = data.load("cut", str(tmp_path), image_size=20, max_num_boxes=2)
    assert dataset.num_classes == 3
    np.testing.assert_array_equal(_labels(dataset, "train")["classes"], [[1, 0]] * 10)


def test_boxes_in_pixels_are_no_boxes(tmp_path):
    _write(tmp_path, "pixels", {"train": _images([((10, 20, 15, 30), 0)])})
    with pytest.raises(InputError, match="pixels has no boxes in its 'train' split.*shares"):
        data.load("pixels", str(tmp_path), image_size=20)


def test_dataset_without_any_box(tmp_path):
    _write(tmp_path, "empty", {"train": _images([])})
    with pytest.raises(InputError, match="empty has no boxes in its 'train' split"):
        data.load("empty", str(tmp_path), image_size=20)


def test_one_box_is_enough(tmp_path):
    _write(tmp_path, "rare", {"train": _images([], 9) + _images([(_BOX, 0)], 1)})
    assert data.load("rare", str(tmp_path), image_size=20).num_examples("train") == 10


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"validation": 1}, "validation"),
        ({"validation": 1, "test": 0}, "validation"),
        ({"validation": 1, "test": 1}, "test"),
        ({"test": 1}, "test"),
    ],
)
def test_validation_stands_in_for_a_test_split_without_boxes(tmp_path, splits, expected):
    """The split that is the test, of those that have or have not boxes."""
    stored = {split: _images([(_BOX, 0)] * boxes, 4) for split, boxes in splits.items()}
    _write(tmp_path, "held_out", {"train": _images([(_BOX, 0)]), **stored})
    assert data.load("held_out", str(tmp_path), image_size=20).origin("test") == expected


def test_dataset_without_a_test_split_can_be_searched_but_not_tested(tmp_path):
    _write(tmp_path, "train_only", {"train": _images([(_BOX, 0)])})
    dataset = data.load("train_only", str(tmp_path), image_size=20)
    assert dataset.num_examples("search_train") == 9
    with pytest.raises(InputError, match="no 'test' split, only train"):
        dataset.evaluation_batches("test", 4)


_LABEL = tfds.features.ClassLabel(num_classes=2)
_IMAGE = tfds.features.Image(shape=(20, 40, 3))


@pytest.mark.parametrize(
    ("features", "example", "problem"),
    [
        ({"image": _IMAGE, "label": _LABEL}, {"label": 0}, "no objects with boxes"),
        (
            {"image": _IMAGE, "objects": tfds.features.Sequence({"label": _LABEL})},
            {"objects": [{"label": 0}]},
            "no objects with boxes",
        ),
        (
            _features(bbox=tfds.features.Tensor(shape=(4,), dtype=np.float32)),
            _images([(_BOX, 0)])[0],
            "objects with a bbox that is not a BBoxFeature",
        ),
        (
            _features(bbox=tfds.features.BBoxFeature(bbox_format="XYWH")),
            _images([(_BOX, 0)])[0],
            "boxes in the format XYWH, not REL_YXYX,",
        ),
        (
            _features(label=tfds.features.Text()),
            _images([(_BOX, "cat")])[0],
            "objects without a class label (of 1 to 1,000,000 classes)",
        ),
        (
            _features(label=tfds.features.ClassLabel(num_classes=1_000_001)),
            _images([(_BOX, 0)])[0],
            "objects without a class label (of 1 to 1,000,000 classes)",
        ),
        (
            {**_features(), "image": tfds.features.Text()},
            {**_images([(_BOX, 0)])[0], "image": "a"},
            "no image of bytes",
        ),
    ],
)
def test_dataset_that_is_not_for_detection(tmp_path, features, example, problem):
    example = {"image": np.zeros((20, 40, 3), np.uint8), **example}
    _write(tmp_path, "something_else", {"train": [example] * 4}, features)
    message = f"something_else has {problem} among its features image, "
    with pytest.raises(InputError, match=re.escape(message)) as error:
        data.load("something_else", str(tmp_path), image_size=20)
    assert "\n" not in str(error.value)


def test_missing_file_is_noticed_at_the_start(tmp_path):
    _write(tmp_path, "damaged", {"train": _images([(_BOX, 0)])})
    (file,) = (tmp_path / "damaged" / "1.0.0").glob("*train.tfrecord*")
    file.unlink()
    with pytest.raises(InputError, match=f"lacks 1 of the files of its 'train' split, {file.name}"):
        data.load("damaged", str(tmp_path), image_size=20)
