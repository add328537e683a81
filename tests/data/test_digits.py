import collections
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tunas_tf.common.errors import InputError
from tunas_tf.data import digits


def _stored(directory, split):
    builder = tfds.builder("digits", data_dir=directory)
    return list(tfds.as_numpy(builder.as_dataset(split=split, as_supervised=True)))


def _counts(examples):
    return collections.Counter((image.tobytes(), int(label)) for image, label in examples)


@pytest.fixture
def few_examples(monkeypatch):
    """Makes `prepare` write 12 + 6 examples, for tests that call it often."""
    monkeypatch.setattr(digits, "NUM_EXAMPLES", {"train": 12, "test": 6})


def test_splits_are_made_from_different_scans():
    train, test = digits.scans_of("train"), digits.scans_of("test")
    assert sorted([*train, *test]) == list(range(1797))


def test_example_can_be_made_again_in_any_order():
    image, label = digits.example("train", 5)
    for index in (7, 0, 5):
        again, label_again = digits.example("train", index)
    np.testing.assert_array_equal(again, image)
    assert label_again == label
    assert (digits.example("test", 5)[0] != image).any()


def test_dataset_on_disk_is_exactly_the_examples(digits_dir):
    expected = [digits.example("test", index) for index in range(200)]
    assert _counts(_stored(digits_dir, "test")) == _counts(expected)


def test_builder_describes_the_dataset(digits_dir):
    info = tfds.builder("digits", data_dir=digits_dir).info
    assert info.features["image"].shape == (64, 64, 3)
    assert info.features["label"].num_classes == 10
    assert info.supervised_keys == ("image", "label")
    assert {name: split.num_examples for name, split in info.splits.items()} == {
        "train": 1000,
        "test": 200,
    }
    assert info.release_notes.keys() == {str(info.version)}


def test_every_class_is_about_equally_frequent(digits_dir):
    labels = np.array([label for _, label in _stored(digits_dir, "train")])
    assert (np.bincount(labels, minlength=10) > 60).all()  # Of 100 expected.


def test_prepare_says_one_line_and_only_when_it_works(few_examples, tmp_path, capsys):
    digits.prepare(str(tmp_path))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"making the dataset digits in {tmp_path}" in lines[0]
    digits.prepare(str(tmp_path))
    assert capsys.readouterr() == ("", "")


def test_interrupted_preparation_starts_again(few_examples, tmp_path, monkeypatch):
    original = digits.example

    def interrupted(split, index):
        if index == 3:
            raise KeyboardInterrupt
        return original(split, index)

    monkeypatch.setattr(digits, "example", interrupted)
    with pytest.raises(KeyboardInterrupt):
        digits.prepare(str(tmp_path))
    monkeypatch.setattr(digits, "example", original)
    digits.prepare(str(tmp_path))
    assert len(_stored(tmp_path, "train")) == 12


def test_another_process_that_finishes_first_wins(few_examples, tmp_path, monkeypatch):
    digits.prepare(str(tmp_path / "theirs"))
    original = digits.example

    def overtaken(split, index):
        if not (tmp_path / "ours" / "digits" / "1.0.0").exists():
            shutil.copytree(
                tmp_path / "theirs" / "digits", tmp_path / "ours" / "digits", dirs_exist_ok=True
            )
        return original(split, index)

    monkeypatch.setattr(digits, "example", overtaken)
    digits.prepare(str(tmp_path / "ours"))
    assert _counts(_stored(tmp_path / "ours", "train")) == _counts(
        original("train", index) for index in range(12)
    )


def test_directory_that_cannot_be_written(few_examples, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written to .*--dataset_dir"):
        digits.prepare(str(tmp_path / "file"))
