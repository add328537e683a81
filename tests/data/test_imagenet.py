"""The published use of imagenet2012, on a small one in its real format."""

import collections
import json
import pathlib

import miniature_imagenet
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tunas_tf import data
from tunas_tf.data import preprocessing, tfds_source


@pytest.fixture(scope="module")
def dataset(imagenet_dir):
    return data.load("imagenet2012", imagenet_dir, image_size=32)


def _stored(imagenet_dir, split):
    """(JPEG, file name) of all examples, as TFDS itself reads them."""
    builder = tfds.builder("imagenet2012", data_dir=imagenet_dir)
    examples = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return [(e["image"], e["file_name"].decode()) for e in tfds.as_numpy(examples)]


def _jpegs(dataset, split):
    examples = dataset.source.examples(*dataset.source_range(split))
    return [image for image, _ in tfds.as_numpy(examples)]


class _FullSize:
    """A source of the sizes of the real ImageNet, without images."""

    num_classes, class_names, image_shape, splits = 1001, ("",) * 1001, None, ("train", "test")

    def __init__(self, name, dataset_dir):
        pass

    def num_examples(self, split):
        return {"train": 1_281_167, "test": 50_000}[split]

    def origin(self, split):
        return {"train": "train", "test": "validation"}[split]


def test_published_division_of_the_full_training_set(monkeypatch):
    monkeypatch.setattr(data.classification, "TfdsSource", _FullSize)
    full = data.load("imagenet2012:5.1.0", "anywhere", image_size=224)
    assert full.num_examples("search_validation") == 50_046
    assert full.num_examples("search_train") == 1_231_121
    assert full.origin("search_validation") == "train[:50046]"
    assert full.origin("search_train") == "train[50046:]"
    assert (full.origin("train"), full.origin("test")) == ("train", "validation")


def test_sizes(dataset):
    assert dataset.reward_fraction == pytest.approx(0.0390628, abs=1e-7)
    sizes = {
        split: dataset.num_examples(split)
        for split in ("train", "search_train", "search_validation", "test")
    }
    # 240 * 0.039 = 9.4.
    assert sizes == {"train": 240, "search_train": 231, "search_validation": 9, "test": 60}


def test_given_reward_fraction_comes_first(imagenet_dir):
    dataset = data.load("imagenet2012", imagenet_dir, image_size=32, reward_fraction=0.25)
    assert (dataset.reward_fraction, dataset.num_examples("search_validation")) == (0.25, 60)


def test_class_0_is_the_background(dataset):
    assert dataset.num_classes == len(dataset.class_names) == 1001
    assert dataset.class_names[:2] == ("background", "n01440764")
    assert dataset.class_names[1000] == "n15075141"


def test_labels_are_the_positions_among_1001_classes(dataset, imagenet_dir):
    """The file names of training images begin with their class."""
    names = dict(_stored(imagenet_dir, "train"))
    seen = collections.Counter()
    for image, label in tfds.as_numpy(dataset.source.examples(*dataset.source_range("train"))):
        synset = names[image].partition("_")[0]
        assert dataset.class_names[label] == synset
        seen[synset] += 1
    assert seen == dict.fromkeys(miniature_imagenet.SYNSETS, 30)


def test_labels_of_validation_images(dataset, imagenet_dir):
    builder = tfds.builder("imagenet2012", data_dir=imagenet_dir)
    stored = tfds.as_numpy(builder.as_dataset(split="validation"))
    expected = collections.Counter(int(example["label"]) + 1 for example in stored)
    batches = tfds.as_numpy(dataset.evaluation_batches("test", 16))
    seen = np.concatenate([labels[weights > 0] for _, labels, weights in batches])
    assert collections.Counter(seen.tolist()) == expected
    assert len(expected) == 8 and 0 not in expected


def test_each_validation_image_is_evaluated_exactly_once(dataset, imagenet_dir):
    batches = list(tfds.as_numpy(dataset.evaluation_batches("test", 16)))
    seen = [image for images, _, weights in batches for image in images[weights > 0]]
    expected = [
        preprocessing.evaluation_image(tf.constant(image), 32, small=False).numpy()
        for image, _ in _stored(imagenet_dir, "validation")
    ]
    assert len({image.tobytes() for image in expected}) == 60
    assert sorted(image.tobytes() for image in seen) == sorted(i.tobytes() for i in expected)
    assert [weights.tolist() for _, _, weights in batches[:3]] == [[1.0] * 16] * 3
    assert batches[3][2].tolist() == [1.0] * 12 + [0.0] * 4


def test_reward_is_the_first_part_and_the_rest_trains(dataset, imagenet_dir):
    reward, train = _jpegs(dataset, "search_validation"), _jpegs(dataset, "search_train")
    assert set(reward) == {image for image, _ in _stored(imagenet_dir, "train[:9]")}
    assert not set(reward) & set(train)
    stored = collections.Counter(image for image, _ in _stored(imagenet_dir, "train"))
    assert collections.Counter(reward + train) == stored and len(stored) == 240


def test_one_epoch_of_training_has_each_image_of_its_part_once(dataset):
    """Over several files, read in random order."""
    shuffled = dataset.source.examples(*dataset.source_range("search_train"), shuffle_seed=7)
    drawn = [image for image, _ in tfds.as_numpy(shuffled)]
    assert sorted(drawn) == sorted(_jpegs(dataset, "search_train"))
    assert drawn != _jpegs(dataset, "search_train")


def test_an_exact_order_can_be_entered_anywhere(dataset, monkeypatch):
    """Over several files, in blocks that are smaller and larger than these."""
    split = dataset.source_range("search_train")

    def drawn(first, number):
        stream = dataset.source.ordered_examples(*split, seed=7, first=first)
        return [(image, int(label)) for image, label in tfds.as_numpy(stream.take(number))]

    length = dataset.num_examples("search_train")
    stored = [(i, int(label)) for i, label in tfds.as_numpy(dataset.source.examples(*split))]
    for block_size in (50, 1000):
        monkeypatch.setattr(tfds_source, "_BLOCK_SIZE", block_size)
        whole = drawn(0, 3 * length)
        epochs = [whole[start : start + length] for start in range(0, 3 * length, length)]
        assert sorted(stored) == sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
        assert epochs[0] != epochs[1] != epochs[2] != stored
        for first in (1, 49, 50, 137, length - 1, length, 2 * length + 99):
            assert drawn(first, 60) == whole[first : first + 60]


def test_training_batches_are_photos(dataset):
    images, labels = next(iter(dataset.training_batches("search_train", 64, seed=0)))
    assert images.shape == (64, 32, 32, 3) and dataset.flip
    allowed = {1 + dataset.class_names[1:].index(synset) for synset in miniature_imagenet.SYNSETS}
    assert set(labels.numpy()) <= allowed


def test_the_miniature_is_stored_like_the_real_one(imagenet_dir):
    directory = pathlib.Path(imagenet_dir) / "imagenet2012" / "5.1.0"
    info = json.loads((directory / "dataset_info.json").read_text())
    lengths = {split["name"]: split["shardLengths"] for split in info["splits"]}
    assert lengths == {"train": ["60"] * 4, "validation": ["15"] * 4}
    assert len(list(directory.glob("imagenet2012-train.tfrecord-*-of-00004"))) == 4


@pytest.mark.parametrize(
    ("name", "num_reward"), [("imagenet2012", 1), ("imagenet2012_subset:5.0.0", 2)]
)
def test_validation_is_the_test_even_where_there_is_a_labelled_test_split(
    tmp_path, name, num_reward
):
    def examples(number):
        random = np.random.default_rng(number)
        return [
            (i, {"image": random.integers(0, 256, (8, 8, 3), np.uint8), "label": i % 3})
            for i in range(number)
        ]

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name.partition(":")[0],
        version="5.0.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=["tench", "hen", "ox"]),
            }
        ),
        split_datasets={"train": examples(20), "validation": examples(7), "test": examples(5)},
        data_dir=tmp_path,
    )
    dataset = data.load(name, str(tmp_path), image_size=8)
    assert (dataset.origin("test"), dataset.num_examples("test")) == ("validation", 7)
    assert dataset.class_names == ("background", "tench", "hen", "ox")
    assert dataset.num_examples("search_validation") == num_reward
    (_, labels, _), *_ = dataset.evaluation_batches("test", 7)
    assert sorted(labels.numpy()) == [1, 1, 1, 2, 2, 3, 3]
