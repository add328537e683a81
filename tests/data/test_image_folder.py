import os

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.data.folder_files import Ignored
from tunas_tf.data.image_folder import FolderSource


def _write(directory, number, brightness=0, suffix=".png", names="photo_{}"):
    """Writes `number` plain images whose red value is brightness, brightness + 1, ..."""
    directory.mkdir(parents=True, exist_ok=True)
    encode = tf.io.encode_png if suffix == ".png" else tf.io.encode_jpeg
    for index in range(number):
        pixels = np.full((10, 12, 3), brightness + index, np.uint8)
        (directory / (names.format(index) + suffix)).write_bytes(encode(pixels).numpy())


def _values(source, split):
    """(value of the pixels, label) of all examples of a split, in order."""
    examples = source.examples(split, 0, source.num_examples(split))
    return [(int(tf.io.decode_image(image)[0, 0, 0]), int(label)) for image, label in examples]


@pytest.fixture
def flat(tmp_path):
    """Class folders directly: 30 cats of values 0 to 29 and 20 dogs of values 100 to 119."""
    _write(tmp_path / "dog", 20, brightness=100)
    _write(tmp_path / "cat", 30)
    return tmp_path


@pytest.fixture
def divided(tmp_path):
    for split, number in (("train", 6), ("val", 2)):
        _write(tmp_path / split / "cat", number)
        _write(tmp_path / split / "dog" / "young", number, brightness=100, suffix=".JPG")
    return tmp_path


def test_a_tenth_of_each_class_is_for_testing(flat):
    source = FolderSource(str(flat))
    train, test = _values(source, "train"), _values(source, "test")
    assert source.num_classes == 2
    assert sorted(label for _, label in test) == [0, 0, 0, 1, 1]
    expected = [(value, 0) for value in range(30)] + [(value, 1) for value in range(100, 120)]
    assert sorted(train + test) == expected


def test_division_depends_on_names_alone(flat, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("copy")
    _write(elsewhere / "cat", 30)
    _write(elsewhere / "dog", 20, brightness=100)
    here, there = FolderSource(str(flat)), FolderSource(str(elsewhere))
    assert _values(here, "train") == _values(there, "train")


def test_classes_are_mixed_in_the_stored_order(flat):
    """A slice of the training set, the reward's, holds all classes."""
    labels = [label for _, label in _values(FolderSource(str(flat)), "train")]
    assert 0 < sum(labels[:15]) < 15


def test_split_folders(divided):
    source = FolderSource(str(divided))
    assert (source.num_examples("train"), source.num_examples("test")) == (12, 4)
    assert sorted(_values(source, "test")) == [(0, 0), (1, 0), (100, 1), (101, 1)]


def test_test_folder_comes_before_validation(divided):
    _write(divided / "test" / "cat", 1)
    _write(divided / "test" / "dog", 1)
    assert FolderSource(str(divided)).num_examples("test") == 2


def test_files_that_are_not_images_are_passed_over(flat):
    (flat / "cat" / "notes.txt").write_text("no image")
    (flat / "cat" / os.fsdecode(b"caf\xe9.txt")).write_text("no image")
    (flat / "cat" / "._photo.png").write_text("no image")
    (flat / "readme.md").write_text("no class")
    _write(flat / ".cache", 3)
    source = FolderSource(str(flat))
    assert (source.num_classes, source.num_examples("train") + source.num_examples("test")) == (
        2,
        50,
    )


@pytest.mark.parametrize("name", [".thumbnails", ".ipynb_checkpoints", "@eaDir"])
def test_hidden_folders_hold_no_images(flat, name):
    before = FolderSource(str(flat))
    for place in (flat, flat / "cat", flat / "cat" / "old"):
        _write(place / name, 3, brightness=200)
    _write(flat / "dog" / name / "inner", 3, brightness=200)
    source = FolderSource(str(flat))
    for split in source.splits:
        assert _values(source, split) == _values(before, split)


def test_what_is_ignored(flat, tmp_path_factory):
    assert FolderSource(str(flat)).ignored() == Ignored({}, 0, 0, [])
    for place in ("cat/a.webp", "cat/b.WEBP", "dog/inner/c.gif", "dog/notes", "list.csv"):
        (flat / place).parent.mkdir(exist_ok=True)
        (flat / place).write_bytes(b"")
    (flat / "cat" / ".DS_Store").write_bytes(b"")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    _write(elsewhere, 3)
    (flat / "cat" / "more").symlink_to(elsewhere)
    _write(flat, 2)
    assert FolderSource(str(flat)).ignored() == Ignored(
        files={".webp": 2, ".gif": 1, "": 1, ".csv": 1}, outside=2, links=1, folders=[]
    )


def test_what_is_ignored_beside_training_and_test(divided):
    _write(divided / "test" / "cat", 1)
    _write(divided / "test" / "dog", 1)
    _write(divided / "train", 4)
    (divided / "test" / "dog" / "a.tiff").write_bytes(b"")
    # Its files are not listed: the folder is named.
    (divided / "val" / "dog" / "a.heic").write_bytes(b"")
    (divided / ".git").mkdir()
    assert FolderSource(str(divided)).ignored() == Ignored({".tiff": 1}, 4, 0, ["val"])


def test_classes_that_are_links(flat, tmp_path_factory):
    """They are read, so they are not among what is ignored."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    _write(elsewhere, 10)
    (elsewhere / "a.gif").write_bytes(b"")
    (flat / "bird").symlink_to(elsewhere)
    source = FolderSource(str(flat))
    assert source.class_names == ("bird", "cat", "dog")
    assert source.ignored() == Ignored({".gif": 1}, 0, 0, [])


def test_labels_without_reading(flat):
    source = FolderSource(str(flat))
    for split in source.splits:
        assert source.labels(split) == [label for _, label in _values(source, split)]


def test_batches(divided):
    dataset = data.load("image_folder", str(divided), image_size=8, reward_fraction=0.25)
    assert (dataset.num_classes, dataset.flip) == (2, True)
    assert dataset.class_names == ("cat", "dog")
    assert (dataset.origin("search_validation"), dataset.origin("test")) == ("train[:3]", "val")
    images, labels = next(iter(dataset.training_batches("search_train", 9, seed=0)))
    assert images.shape == (9, 8, 8, 3)
    assert set(labels.numpy()) == {0, 1}
    batches = list(dataset.evaluation_batches("test", 3))
    assert sum(float(tf.reduce_sum(weights)) for _, _, weights in batches) == 4
    whole = [image for image, _ in dataset.training_batches("train", 4, 0, first_batch=0).take(8)]
    later = dataset.training_batches("train", 4, 0, first_batch=5).take(3)
    for image, (other, _) in zip(whole[5:], later):
        np.testing.assert_array_equal(image, other)


def test_directory_is_needed():
    with pytest.raises(InputError, match="give it as --dataset_dir"):
        data.load("image_folder", None, image_size=8)


def _remove_class_images(root):
    (root / "bird").mkdir()


def _add_untrained_class(root):
    _write(root / "val" / "bird", 1)


@pytest.mark.parametrize(
    ("layout", "change", "message"),
    [
        ("flat", _remove_class_images, "the class bird .* has no images"),
        ("flat", lambda root: _write(root / "bird", 1), "the class bird has one image"),
        ("divided", _add_untrained_class, r"differ in their classes \(bird\)"),
        ("divided", lambda root: (root / "val").rename(root / "other"), "no test folder"),
    ],
)
def test_folders_that_cannot_be_used(request, layout, change, message):
    root = request.getfixturevalue(layout)
    change(root)
    with pytest.raises(InputError, match=message):
        FolderSource(str(root))


@pytest.mark.parametrize(
    ("place", "named"),
    [
        (b"cat/caf\xe9.png", r"cat/caf\xe9.png"),
        (b"cat/caf\xe9/photo.png", r"cat/caf\xe9/photo.png"),
        (b"caf\xe9/photo.png", r"caf\xe9"),
    ],
)
def test_names_that_tensorflow_cannot_take(flat, place, named):
    """Latin-1, as an archive from another system may have them."""
    path = flat / os.fsdecode(place)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((flat / "cat" / "photo_0.png").read_bytes())
    with pytest.raises(InputError) as caught:
        FolderSource(str(flat))
    assert str(caught.value) == f"the path {flat}/{named} is not UTF-8; rename it."


def test_missing_empty_and_single_class_folders(tmp_path):
    with pytest.raises(InputError, match="missing does not exist"):
        FolderSource(str(tmp_path / "missing"))
    with pytest.raises(InputError, match="has no class folders"):
        FolderSource(str(tmp_path))
    _write(tmp_path / "cat", 3)
    with pytest.raises(InputError, match="only one class, cat"):
        FolderSource(str(tmp_path))
