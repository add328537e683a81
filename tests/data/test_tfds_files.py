"""What is said of datasets that are not there, or not whole; on a copy of a small imagenet2012."""

import json
import pathlib
import re
import shutil
import struct

import miniature_imagenet
import pytest

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.data.tfds_files import quiet_tfds

_SHARD = "imagenet2012-train.tfrecord-00002-of-00004"


@pytest.fixture
def version(imagenet_dir, tmp_path) -> pathlib.Path:
    """The directory of a version of a dataset, to be damaged."""
    shutil.copytree(imagenet_dir, tmp_path / "datasets")
    return tmp_path / "datasets" / "imagenet2012" / "5.1.0"


def _load(directory, name="imagenet2012"):
    return data.load(name, str(directory), image_size=32)


def _message(directory, name="imagenet2012"):
    with pytest.raises(InputError) as caught:
        _load(directory, name)
    return str(caught.value)


def _cut_between_examples(path: pathlib.Path, number: int) -> None:
    """Keeps the first TFRecords of a file: length, checksum of 4 bytes, bytes, checksum."""
    content, position = path.read_bytes(), 0
    for _ in range(number):
        (length,) = struct.unpack_from("<Q", content, position)
        position += 8 + 4 + length + 4
    path.write_bytes(content[:position])


def test_absent_imagenet(tmp_path):
    message = _message(tmp_path)
    assert f"'imagenet2012' is not prepared in {tmp_path}" in message
    assert (
        f"`tfds build imagenet2012 --data_dir={tmp_path} --manual_dir={tmp_path}/downloads/manual`"
    ) in message
    assert "ILSVRC2012_img_train.tar" in message and "ILSVRC2012_img_val.tar" in message
    assert "\n" not in message


def test_absent_dataset_that_needs_no_archives(tmp_path):
    message = _message(tmp_path / "my data", "cifar10")
    assert f"`tfds build cifar10 --data_dir='{tmp_path}/my data'`" in message
    assert "manual" not in message


def test_long_instructions_are_shortened(tmp_path):
    message = _message(tmp_path, "cifar10_n")
    assert "CIFAR-10_human_ordered.npy" in message and len(message) < 1000


def test_the_named_command_prepares_the_dataset(tmp_path):
    """As it stands, after the archives were put where the message says."""
    (code,) = re.findall('`python -c "(.*?)"`', _message(tmp_path))
    miniature_imagenet.write_archives(tmp_path / "downloads" / "manual")
    with quiet_tfds():
        exec(code, {})  # pylint: disable=exec-used
    dataset = _load(tmp_path)
    assert (dataset.num_examples("train"), dataset.num_examples("test")) == (240, 60)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda v: (v / _SHARD).unlink(), f"lacks 1 of the files of its 'train' split, {_SHARD}"),
        (lambda v: (v / _SHARD).write_bytes(b""), f"1 empty files in its 'train' split, {_SHARD}"),
        (
            lambda v: (v / _SHARD).write_bytes((v / _SHARD).read_bytes()[:-1]),
            f"a damaged file in its 'train' split: {_SHARD} holds 59 whole examples of 60",
        ),
        (lambda v: _cut_between_examples(v / _SHARD, 17), f"{_SHARD} holds 17 whole examples"),
        (lambda v: (v / "features.json").unlink(), "has no features.json"),
        (lambda v: (v / "dataset_info.json").unlink(), "has no dataset_info.json"),
        (lambda v: (v / "features.json").write_text(""), "features.json cannot be read"),
        (lambda v: (v / "dataset_info.json").write_text("{"), "dataset_info.json cannot be read"),
        # What is left of a preparation that was interrupted.
        (lambda v: v.rename(v.parent / "incomplete.X_5.1.0"), "is not prepared"),
    ],
)
def test_incomplete_training_set(version, damage, problem):
    damage(version)
    message = _message(version.parents[1])
    assert problem in message
    assert str(version.parents[1]) in message
    assert f"tfds build imagenet2012 --data_dir={version.parents[1]} --manual_dir=" in message


def test_incomplete_validation_set_is_noticed_before_it_is_read(version):
    name = "imagenet2012-validation.tfrecord-00003-of-00004"
    (version / name).unlink()
    dataset = _load(version.parents[1])  # A search reads none of it.
    with pytest.raises(InputError, match=f"lacks 1 of the files .*'validation' split, {name}"):
        dataset.num_examples("test")


def test_imagenet_without_its_validation_archive(version):
    """TFDS leaves the split out, with a warning, if the archive was not there."""
    path = version / "dataset_info.json"
    info = json.loads(path.read_text())
    info["splits"] = [split for split in info["splits"] if split["name"] == "train"]
    path.write_text(json.dumps(info))
    with pytest.raises(InputError, match=f"in {version} has no 'validation' split, only train"):
        _load(version.parents[1]).evaluation_batches("test", 8)


def test_whole_files_of_another_size_than_noted_are_accepted(version):
    """Not every writer of TFDS notes the same bytes; what counts are the examples."""
    path = version / "dataset_info.json"
    info = json.loads(path.read_text())
    for split in info["splits"]:
        split["numBytes"] = str(int(split["numBytes"]) + 10_000)
    path.write_text(json.dumps(info))
    assert _load(version.parents[1]).num_examples("test") == 60
