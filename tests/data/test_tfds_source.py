"""Datasets of tensorflow-datasets' own format, written by tensorflow-datasets."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.data.tfds_files import quiet_tfds


def _write(directory, name, splits, features=None, shape=(28, 28, 1)):
    """Stores `splits`, a list of examples for each, as version 1.0.0 of the dataset `name`."""
    features = features or {
        "image": tfds.features.Image(shape=shape),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    with quiet_tfds():
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=tfds.features.FeaturesDict(features),
            split_datasets={name: list(enumerate(examples)) for name, examples in splits.items()},
            data_dir=directory,
        )


def _images(number, size=(28, 28), channels=1, label=None):
    random = np.random.default_rng(number)
    return [
        {
            "image": random.integers(0, 256, (*size, channels), np.uint8),
            "label": index % 3 if label is None else label,
        }
        for index in range(number)
    ]


def _labels(dataset, split):
    batches = tfds.as_numpy(dataset.evaluation_batches(split, 4))
    return np.concatenate([labels[weights > 0] for _, labels, weights in batches])


def test_grey_images_get_three_channels(tmp_path):
    _write(tmp_path, "mnist", {"train": _images(20), "test": _images(6)})
    dataset = data.load("mnist", str(tmp_path), image_size=28)
    assert (dataset.num_classes, dataset.flip) == (3, False)
    pixels = np.concatenate([images for images, _, _ in dataset.evaluation_batches("test", 3)])
    assert pixels.shape == (6, 28, 28, 3)
    pixels = pixels * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406]
    np.testing.assert_allclose(pixels[..., 0], pixels[..., 2], atol=1e-5)
    expected = sorted(example["image"].mean() / 255 for example in _images(6))
    np.testing.assert_allclose(sorted(pixels.mean(axis=(1, 2, 3))), expected, atol=1e-5)


def test_photos_of_different_sizes(tmp_path):
    photos = [photo for size in ((50, 90), (120, 70)) for photo in _images(12, size, 3)]
    _write(tmp_path, "photos", {"train": photos, "test": photos[:5]}, shape=(None, None, 3))
    dataset = data.load("photos:1.0.0", str(tmp_path), image_size=16, reward_fraction=0.25)
    assert dataset.flip
    images, labels = next(iter(dataset.training_batches("search_train", 8, seed=3)))
    assert images.shape == (8, 16, 16, 3)
    again, labels_again = next(iter(dataset.training_batches("search_train", 8, seed=3)))
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert len(_labels(dataset, "train")) == 24


def test_versions_and_absent_datasets(tmp_path):
    _write(tmp_path, "my_images", {"train": _images(20), "test": _images(3)})
    assert data.load("my_images:1.0.0", str(tmp_path), image_size=28).num_examples("train") == 20
    for name in ("my_images:2.0.0", "cifar10", "nobody_knows_this"):
        with pytest.raises(InputError, match=f"not prepared in {tmp_path}.*tfds build {name} "):
            data.load(name, str(tmp_path), image_size=28)


def test_name_that_cannot_be_a_dataset(tmp_path):
    with pytest.raises(InputError, match="'my images' is not a name"):
        data.load("my images", str(tmp_path), image_size=28)


def test_validation_stands_in_for_an_absent_test_split(tmp_path):
    _write(tmp_path, "held_out", {"train": _images(20), "validation": _images(7)})
    assert data.load("held_out", str(tmp_path), image_size=28).num_examples("test") == 7


def test_validation_stands_in_for_a_test_split_without_labels(tmp_path):
    splits = {"train": _images(20), "validation": _images(7), "test": _images(5, label=-1)}
    _write(tmp_path, "unlabelled", splits)
    dataset = data.load("unlabelled", str(tmp_path), image_size=28)
    assert sorted(_labels(dataset, "test")) == [0, 0, 0, 1, 1, 2, 2]


def test_labelled_test_split_comes_before_validation(tmp_path):
    splits = {"train": _images(20), "validation": _images(7), "test": _images(5)}
    _write(tmp_path, "complete", splits)
    assert data.load("complete", str(tmp_path), image_size=28).num_examples("test") == 5


def test_dataset_without_a_test_split_can_be_searched_but_not_tested(tmp_path):
    _write(tmp_path, "train_only", {"train": _images(20)})
    dataset = data.load("train_only", str(tmp_path), image_size=28)
    assert dataset.num_examples("search_train") == 18
    with pytest.raises(InputError, match="no 'test' split, only train"):
        dataset.evaluation_batches("test", 4)


@pytest.mark.parametrize(
    ("features", "example", "problem"),
    [
        (
            {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)},
            {"text": "a", "label": 0},
            "no image",
        ),
        (
            {"image": tfds.features.Image(shape=(8, 8, 3)), "label": tfds.features.Text()},
            {"image": np.zeros((8, 8, 3), np.uint8), "label": "a"},
            "no class label",
        ),
    ],
)
def test_dataset_that_is_not_for_classification(tmp_path, features, example, problem):
    _write(tmp_path, "something_else", {"train": [example]}, features=features)
    with pytest.raises(InputError, match=f"something_else has {problem}"):
        data.load("something_else", str(tmp_path), image_size=28)


def test_an_image_of_four_dimensions_is_none(tmp_path):
    _write(tmp_path, "of_videos", {"train": _images(20)})
    path = tmp_path / "of_videos" / "1.0.0" / "features.json"
    features = json.loads(path.read_text())
    shape = features["featuresDict"]["features"]["image"]["image"]["shape"]
    shape["dimensions"].append("3")
    path.write_text(json.dumps(features))
    with pytest.raises(InputError, match="of_videos has no image of bytes among its features"):
        data.load("of_videos", str(tmp_path), image_size=28)


def test_missing_file_is_noticed_at_the_start(tmp_path):
    _write(tmp_path, "damaged", {"train": _images(20), "test": _images(3)})
    (file,) = (tmp_path / "damaged" / "1.0.0").glob("*train.tfrecord*")
    file.unlink()
    with pytest.raises(InputError, match=f"lacks 1 of the files of its 'train' split, {file.name}"):
        data.load("damaged", str(tmp_path), image_size=28)


def test_tfds_does_not_reach_for_its_bucket():
    """The default of the pinned version: it looks at no Google Cloud Storage."""
    assert tfds.core.utils.gcs_utils._is_gcs_disabled


@pytest.mark.parametrize("number", [-1, 0, 1_000_001, 10**12])
def test_a_number_of_classes_that_cannot_be_listed(tmp_path, number):
    """10**12 names would take all memory."""
    _write(tmp_path, "of_many", {"train": _images(20)})
    path = tmp_path / "of_many" / "1.0.0" / "features.json"
    features = json.loads(path.read_text())
    label = features["featuresDict"]["features"]["label"]["classLabel"]
    assert label["numClasses"] == "3"
    label["numClasses"] = str(number)
    path.write_text(json.dumps(features))
    with pytest.raises(InputError, match=r"of_many has no class label \(of 1 to 1,000,000 classes"):
        data.load("of_many", str(tmp_path), image_size=28)
