"""The batches of a detection dataset, on a small edition of `digit_scenes`."""

import dataclasses

import numpy as np
import pytest
import tensorflow_datasets as tfds

from object_detection import data
from object_detection.data import digit_scenes
from tunas_tf.common.errors import InputError


@pytest.fixture(scope="module")
def dataset(digit_scenes_dir):
    return data.load("digit_scenes", digit_scenes_dir, image_size=160, max_num_boxes=12)


def _examples(batches, number=None):
    """Bytes of images and boxes of weight 1 from the first `number` batches."""
    found = []
    for images, labels, *weights in tfds.as_numpy(batches.take(-1 if number is None else number)):
        keep = np.flatnonzero(weights[0]) if weights else range(len(images))
        found += [(images[i].tobytes(), labels["boxes"][i].tobytes()) for i in keep]
    return found


def test_attributes_and_sizes(dataset):
    assert (dataset.name, dataset.num_classes, dataset.image_size) == ("digit_scenes", 11, 160)
    assert dataset.class_names == ("background", *"0123456789")
    assert dataset.category_ids == tuple(range(11))
    assert dataset.reward_fraction == 0.1 and not dataset.keep_aspect_ratio
    sizes = {
        split: (dataset.num_examples(split), dataset.origin(split))
        for split in ("train", "search_train", "search_validation", "test")
    }
    assert sizes == {
        "train": (200, "train"),
        "search_train": (180, "train[20:]"),
        "search_validation": (20, "train[:20]"),
        "test": (60, "test"),
    }


def test_evaluation_covers_each_image_once(dataset):
    batches = list(tfds.as_numpy(dataset.evaluation_batches("test", 25)))
    weights = np.concatenate([weights for _, _, weights in batches])
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, [1.0] * 60 + [0.0] * 15)
    labels = {key: np.concatenate([one[key] for _, one, _ in batches]) for key in batches[0][1]}
    assert sorted(labels["image_ids"][:60]) == list(range(60))
    np.testing.assert_array_equal(labels["image_ids"][60:], [-1] * 15)
    np.testing.assert_array_equal(labels["scale"], np.ones((75, 2)))
    assert not labels["classes"][60:].any() and not labels["boxes"][60:].any()
    images = np.concatenate([images for images, _, _ in batches])
    for index, image, boxes, classes, is_crowd, areas in zip(
        labels["image_ids"][:60],
        images,
        labels["boxes"],
        labels["classes"],
        labels["is_crowd"],
        labels["areas"],
    ):
        pixels, objects = digit_scenes.example("test", int(index))
        assert np.abs(127.5 * (image + 1) - pixels).mean() < 6
        missing = 12 - len(objects)
        expected = [one.box for one in objects] + [(0, 0, 0, 0)] * missing
        np.testing.assert_allclose(boxes, expected, atol=1e-4)
        np.testing.assert_array_equal(classes, [o.label + 1 for o in objects] + [0] * missing)
        np.testing.assert_array_equal(is_crowd, [o.is_crowd for o in objects] + [0] * missing)
        np.testing.assert_allclose(areas, [o.area for o in objects] + [0] * missing, rtol=1e-4)


def test_evaluation_without_a_rest_has_no_padding(dataset):
    weights = [weights for _, _, weights in dataset.evaluation_batches("test", 20)]
    np.testing.assert_array_equal(weights, np.ones((3, 20)))


def test_reward_and_weight_training_divide_the_training_set(dataset):
    train, reward, rest, test = (
        _examples(dataset.evaluation_batches(split, 50))
        for split in ("train", "search_validation", "search_train", "test")
    )
    assert len(set(train)) == 200
    assert reward + rest == train
    assert not set(train) & set(test)


def test_training_gives_each_example_once_before_any_again(dataset):
    batches = dataset.training_batches("search_validation", 10, seed=1, augment=False)
    expected = sorted(_examples(dataset.evaluation_batches("search_validation", 10)))
    drawn = _examples(batches, 4)
    assert sorted(drawn[:20]) == sorted(drawn[20:]) == expected
    assert drawn[:20] != drawn[20:]


def test_training_batches_are_a_function_of_the_seed(dataset):
    def drawn(seed):
        return _examples(dataset.training_batches("search_train", 32, seed), 3)

    first = drawn(1)
    assert drawn(1) == first
    # 0.15 are not cropped, whatever the seed.
    assert len(set(drawn(2)) & set(first)) < 20


def test_augmentation_changes_most_images(dataset):
    plain = _examples(dataset.training_batches("train", 50, seed=4, augment=False), 1)
    augmented = _examples(dataset.training_batches("train", 50, seed=4), 1)
    unchanged = sum(one == other for one, other in zip(plain, augmented))
    assert 0 < unchanged < 25  # 0.15 are not cropped, some crops are of everything.


def test_training_labels_are_in_the_image(dataset):
    for images, labels in tfds.as_numpy(dataset.training_batches("train", 50, seed=2).take(4)):
        assert np.isfinite(images).all() and np.abs(images).max() <= 1.0
        real = labels["classes"] > 0
        boxes = labels["boxes"][real]
        assert boxes.min() >= 0.0 and boxes.max() <= 160.0
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert not labels["boxes"][~real].any() and not labels["areas"][~real].any()
        assert labels["classes"].max() <= 10
        assert (labels["areas"][real] > 0).all()
        assert not real.all(axis=1).any() and (~real).all(axis=1).any()  # Some are empty.


def test_batches_have_static_shapes(dataset):
    shapes = {"boxes": (8, 12, 4), "classes": (8, 12), "is_crowd": (8, 12), "areas": (8, 12)}
    images, labels = dataset.training_batches("train", 8, seed=0).element_spec
    assert images.shape == (8, 160, 160, 3)
    assert {key: tuple(spec.shape) for key, spec in labels.items()} == shapes
    assert [labels[key].dtype.name for key in shapes] == ["float32", "int32", "bool", "float32"]
    plain = dataset.training_batches("train", 8, seed=0, augment=False)
    assert plain.element_spec == (images, labels)
    images, labels, weights = dataset.evaluation_batches("test", 8).element_spec
    assert images.shape == (8, 160, 160, 3) and weights.shape == (8,)
    assert {key: tuple(spec.shape) for key, spec in labels.items()} == {
        **shapes,
        "image_ids": (8,),
        "scale": (8, 2),
    }


def test_streamed_examples_equal_cached_ones(dataset, monkeypatch):
    """What is too large to be kept in memory is read again, with the same result."""
    monkeypatch.setattr(data.detection, "_CACHE_BYTES", 0)
    drawn = _examples(dataset.training_batches("search_validation", 10, 7, augment=False), 4)
    expected = sorted(_examples(dataset.evaluation_batches("search_validation", 10)))
    assert sorted(drawn[:20]) == sorted(drawn[20:]) == expected
    again = _examples(dataset.training_batches("search_validation", 10, 7, augment=False), 4)
    assert drawn == again


@pytest.mark.parametrize("cache_bytes", [2**30, 0])
def test_a_resumed_run_gets_the_batches_that_come_next(dataset, monkeypatch, cache_bytes):
    monkeypatch.setattr(data.detection, "_CACHE_BYTES", cache_bytes)

    def drawn(first_batch, number, augment=True):
        batches = dataset.training_batches("search_validation", 10, 5, augment, first_batch)
        return _examples(batches, number)

    whole = drawn(0, 7)
    for first_batch in (1, 2, 5):  # Of two batches to an epoch.
        assert drawn(first_batch, 2) == whole[10 * first_batch : 10 * (first_batch + 2)]
    expected = sorted(_examples(dataset.evaluation_batches("search_validation", 10)))
    plain = drawn(0, 4, augment=False)
    assert sorted(plain[:20]) == sorted(plain[20:]) == expected and plain[:20] != plain[20:]


def test_other_image_size(digit_scenes_dir):
    small = data.load("digit_scenes", digit_scenes_dir, 128, reward_fraction=0.25)
    images, labels = next(iter(small.training_batches("search_train", 4, seed=0)))
    assert images.shape == (4, 128, 128, 3) and labels["boxes"].shape == (4, 100, 4)
    assert small.num_examples("search_validation") == 50
    (_, labels, _), *_ = small.evaluation_batches("test", 4)
    np.testing.assert_allclose(labels["scale"], np.full((4, 2), 0.8))


def test_digits_are_never_flipped(dataset):
    """Training images of "6" would turn into other signs; `flip` decides, and is off."""
    assert not dataset.flip
    flipping = dataclasses.replace(dataset, flip=True)
    plain = _examples(dataset.training_batches("train", 50, seed=4), 1)
    flipped = _examples(flipping.training_batches("train", 50, seed=4), 1)
    same = sum(one[0] == other[0] for one, other in zip(plain, flipped))
    assert 10 < same < 40  # With `flip` half of the images change, without it none.


def test_evaluation_never_loses_objects(digit_scenes_dir):
    few = data.load("digit_scenes", digit_scenes_dir, image_size=160, max_num_boxes=3)
    most = max(len(digit_scenes.example("test", index)[1]) for index in range(60))
    with pytest.raises(InputError, match=f"test split .* has {most} objects.*max_num_boxes 3;"):
        few.evaluation_batches("test", 4)
    _, labels = next(iter(few.training_batches("train", 50, seed=0)))
    assert (labels["classes"].numpy() > 0).all(axis=1).any()


def test_test_split_is_for_evaluation_only(dataset):
    with pytest.raises(ValueError, match="never trained on"):
        dataset.training_batches("test", 8, seed=0)
    with pytest.raises(ValueError, match="no split 'validation'"):
        dataset.evaluation_batches("validation", 8)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1e-6])
def test_reward_fraction_must_leave_both_parts(digit_scenes_dir, fraction):
    with pytest.raises(InputError, match="reward_fraction"):
        data.load("digit_scenes", digit_scenes_dir, image_size=160, reward_fraction=fraction)


@pytest.mark.parametrize("argument", ["image_size", "max_num_boxes"])
def test_sizes_must_be_positive(digit_scenes_dir, argument):
    with pytest.raises(InputError, match=f"{argument} is 0"):
        data.load("digit_scenes", digit_scenes_dir, **{"image_size": 160, argument: 0})


def test_default_directory_of_digit_scenes(digit_scenes_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", digit_scenes_dir)
    assert data.load("digit_scenes", None, image_size=160).dataset_dir == digit_scenes_dir
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "tunas_tf").symlink_to(digit_scenes_dir)
    assert data.load("digit_scenes", "", image_size=160).dataset_dir == str(tmp_path / "tunas_tf")
