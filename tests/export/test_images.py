"""The images for calibration and verification."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.data import preprocessing
from tunas_tf.export.images import ExportImages, random_images


@pytest.fixture(name="images", scope="module")
def _images(colours_dir):
    dataset = data.load("image_folder", colours_dir, 16, reward_fraction=0.25)
    return ExportImages(dataset, "search_train", "test", 16)


def _all_images(images, split):
    """Every image of a split as evaluation prepares it: {its bytes: its label}."""
    batches = images.dataset.evaluation_batches(split, 1).as_numpy_iterator()
    return {image[0].tobytes(): int(label[0]) for image, label, _ in batches}


def test_random_images_look_like_normalised_pixels():
    found = random_images(5, 30, seed=3)
    assert (found.shape, found.dtype) == ((5, 30, 30, 3), np.float32)
    np.testing.assert_array_equal(found, random_images(5, 30, seed=3))
    assert np.abs(found - random_images(5, 30, seed=4)).mean() > 0.1
    black, white = (preprocessing.normalise(np.full(3, p)).numpy() for p in (0, 255))
    assert (found >= black).all() and (found <= white).all()
    assert 0.5 < found.std() < 1.5
    # Unlike noise, neighbours are alike.
    neighbours = np.corrcoef(found[:, :, 1:, 0].ravel(), found[:, :, :-1, 0].ravel())[0, 1]
    assert neighbours > 0.8


def test_representative_images_are_training_images_as_evaluated(colours_dir):
    dataset = data.load("image_folder", colours_dir, 16, reward_fraction=0.1)
    images = ExportImages(dataset, "search_train", "test", 16)
    sample = images.representative(108)  # All that there are.
    assert sample.source == "images of image_folder, search_train"
    found = [image for batch, _ in sample.batches for image in batch]
    assert len(found) == sample.num_images == 108
    assert {image.tobytes() for image in found} == set(_all_images(images, "search_train"))


def test_more_representative_images_than_there_are(images):
    with pytest.raises(InputError, match=r"91 representative images .* image_folder has 90 in sea"):
        images.representative(91)


@pytest.mark.parametrize("available, number", [(500, 200), (200, 200), (150, 150), (7, 7)])
def test_by_default_200_images_are_representative_or_all(available, number):
    dataset = types.SimpleNamespace(
        name="many",
        num_examples={"train": available}.get,
        training_batches=lambda *arguments, **options: tf.data.Dataset.range(1000),
    )
    sample = ExportImages(dataset, "train", "test", 16).representative(None)
    assert sample.num_images == len(list(sample.batches)) == number


@pytest.mark.parametrize("asked, number", [(7, 7), (30, 30), (100, 30), (0, 30)])
def test_test_images_come_with_their_labels_and_without_padding(images, asked, number):
    sample = images.test(asked)
    assert sample.num_images == number
    assert sample.source == "images of image_folder, test"
    known = _all_images(images, "test")
    found = [
        (image.tobytes(), int(label))
        for batch, labels in sample.batches
        for image, label in zip(batch, labels)
    ]
    assert len(set(found)) == len(found) == number
    assert all(known[image] == label for image, label in found)


def test_without_a_dataset_the_images_are_random():
    images = ExportImages(None, "train", "test", 12)
    samples = [images.test(40), images.test(0), images.representative(40)]
    assert [sample.num_images for sample in samples] == [40, 64, 40]
    assert {sample.source for sample in samples} == {"random images"}
    first, _, third = (np.concatenate([i for i, _ in sample.batches]) for sample in samples)
    assert first.shape == (40, 12, 12, 3)
    assert images.representative(None).num_images == 200
    assert not np.array_equal(first, third)  # Verification is not on calibration's images.
    assert all(labels is None for _, labels in samples[0].batches)
