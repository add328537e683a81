"""The batches of a dataset, on a small edition of `digits`."""

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tunas_tf import data
from tunas_tf.common.errors import InputError


@pytest.fixture(scope="module")
def dataset(digits_dir):
    return data.load("digits", digits_dir, image_size=64)


def _examples(batches, number=None):
    """A list of (image bytes, label) of weight 1 from the first `number` batches."""
    found = []
    for images, labels, *weights in tfds.as_numpy(batches.take(-1 if number is None else number)):
        keep = weights[0] > 0 if weights else np.ones(len(labels), bool)
        found += [(image.tobytes(), label) for image, label in zip(images[keep], labels[keep])]
    return found


def test_attributes_and_sizes(dataset):
    assert (dataset.name, dataset.num_classes, dataset.image_size) == ("digits", 10, 64)
    assert dataset.class_names == tuple("0123456789") and dataset.reward_fraction == 0.1
    sizes = {
        split: dataset.num_examples(split)
        for split in ("train", "search_train", "search_validation", "test")
    }
    assert sizes == {"train": 1000, "search_train": 900, "search_validation": 100, "test": 200}


def test_evaluation_covers_each_example_once(dataset, digits_dir):
    batches = list(tfds.as_numpy(dataset.evaluation_batches("test", 96)))
    images, labels, weights = (np.concatenate(parts) for parts in zip(*batches))
    assert images.shape == (288, 64, 64, 3) and images.dtype == np.float32
    assert labels.dtype == np.int32 and weights.dtype == np.float32
    np.testing.assert_array_equal(weights, [1.0] * 200 + [0.0] * 88)
    stored = tfds.builder("digits", data_dir=digits_dir).as_dataset(
        split="test", as_supervised=True
    )
    for image, label, (pixels, expected) in zip(images, labels, tfds.as_numpy(stored)):
        assert label == expected
        normalised = (pixels / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        np.testing.assert_allclose(image, normalised, atol=1e-5)


def test_evaluation_without_a_rest_has_no_padding(dataset):
    weights = [weights for _, _, weights in dataset.evaluation_batches("test", 50)]
    np.testing.assert_array_equal(weights, np.ones((4, 50)))


def test_reward_and_weight_training_divide_the_training_set(dataset):
    def evaluated(split):
        return _examples(dataset.evaluation_batches(split, 100))

    assert len(set(evaluated("train"))) == 1000
    assert evaluated("search_validation") + evaluated("search_train") == evaluated("train")
    assert not set(evaluated("train")) & set(evaluated("test"))


def test_training_gives_each_example_once_before_any_again(dataset):
    batches = dataset.training_batches("search_validation", 20, seed=1, augment=False)
    expected = sorted(_examples(dataset.evaluation_batches("search_validation", 20)))
    drawn = _examples(batches, 10)
    assert sorted(drawn[:100]) == sorted(drawn[100:]) == expected
    assert drawn[:100] != drawn[100:]


def test_training_batches_are_a_function_of_the_seed(dataset):
    def drawn(seed):
        return _examples(dataset.training_batches("search_train", 32, seed), 3)

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert [label for _, label in drawn(1)] != [label for _, label in drawn(2)]


def test_augmentation_changes_images_but_not_the_order(dataset):
    plain = _examples(dataset.training_batches("train", 50, seed=4, augment=False), 1)
    augmented = _examples(dataset.training_batches("train", 50, seed=4), 1)
    assert [label for _, label in plain] == [label for _, label in augmented]
    unchanged = sum(a[0] == b[0] for a, b in zip(plain, augmented))
    assert unchanged < 10  # Of 50, one in 81 is not shifted.


def test_batches_have_static_shapes(dataset):
    images, labels = dataset.training_batches("train", 8, seed=0).element_spec
    assert images.shape == (8, 64, 64, 3) and labels.shape == (8,)
    images, labels, weights = dataset.evaluation_batches("test", 8).element_spec
    assert images.shape == (8, 64, 64, 3) and labels.shape == weights.shape == (8,)


def test_streamed_examples_equal_cached_ones(dataset, monkeypatch):
    """What is too large to be kept in memory is read again, with the same result."""
    monkeypatch.setattr(data.classification, "_CACHE_BYTES", 0)
    drawn = _examples(dataset.training_batches("search_validation", 20, 7, augment=False), 10)
    expected = sorted(_examples(dataset.evaluation_batches("search_validation", 20)))
    assert sorted(drawn[:100]) == sorted(drawn[100:]) == expected
    assert drawn == _examples(
        dataset.training_batches("search_validation", 20, 7, augment=False), 10
    )


@pytest.mark.parametrize("cache_bytes", [2**30, 0])
def test_a_resumed_run_gets_the_batches_that_come_next(dataset, monkeypatch, cache_bytes):
    monkeypatch.setattr(data.classification, "_CACHE_BYTES", cache_bytes)

    def drawn(first_batch, number, augment=True):
        batches = dataset.training_batches("search_validation", 20, 5, augment, first_batch)
        return _examples(batches, number)

    whole = drawn(0, 15)
    for first_batch in (1, 5, 13):  # Of five batches to an epoch.
        assert drawn(first_batch, 2) == whole[20 * first_batch : 20 * (first_batch + 2)]
    expected = sorted(_examples(dataset.evaluation_batches("search_validation", 20)))
    plain = drawn(0, 10, augment=False)
    assert sorted(plain[:100]) == sorted(plain[100:]) == expected and plain[:100] != plain[100:]
    # Augmented by place, not by image: each time in another way.
    assert len({image for image, _ in whole}) > 280


def test_other_image_size(digits_dir):
    small = data.load("digits", digits_dir, image_size=32, reward_fraction=0.25)
    images, _ = next(iter(small.training_batches("search_train", 4, seed=0)))
    assert images.shape == (4, 32, 32, 3)
    assert small.num_examples("search_validation") == 250


def test_digits_are_never_flipped(dataset):
    """Training images of "6" would turn into other signs; `flip` decides, and is off."""
    assert not dataset.flip
    flipping = dataclasses.replace(dataset, flip=True)
    plain = _examples(dataset.training_batches("train", 50, seed=4), 1)
    flipped = _examples(flipping.training_batches("train", 50, seed=4), 1)
    same = collections.Counter(a[0] == b[0] for a, b in zip(plain, flipped))
    assert 10 < same[True] < 40  # With `flip` half of the images change, without it none.


def test_test_split_is_for_evaluation_only(dataset):
    with pytest.raises(ValueError, match="never trained on"):
        dataset.training_batches("test", 8, seed=0)
    with pytest.raises(ValueError, match="no split 'validation'"):
        dataset.evaluation_batches("validation", 8)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1e-6])
def test_reward_fraction_must_leave_both_parts(digits_dir, fraction):
    with pytest.raises(InputError, match="reward_fraction"):
        data.load("digits", digits_dir, image_size=64, reward_fraction=fraction)


def test_image_size_must_be_positive(digits_dir):
    with pytest.raises(InputError, match="image_size is 0"):
        data.load("digits", digits_dir, image_size=0)


def test_default_directory_of_digits(digits_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", digits_dir)
    assert data.load("digits", None, image_size=64).dataset_dir == digits_dir
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "tunas_tf").symlink_to(digits_dir)
    assert data.load("digits", "", image_size=64).dataset_dir == str(tmp_path / "tunas_tf")
