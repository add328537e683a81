"""The files of a tensorflow-datasets dataset: opened, checked, and how they are made."""

import contextlib
import io
import os
import shlex
import struct
import textwrap
from collections.abc import Iterator
from concurrent import futures

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from etils import epath
from tensorflow_datasets.core import naming, read_only_builder

from tunas_tf.common.errors import InputError, one_line
from tunas_tf.common.json_files import parse_json, read_bytes
from tunas_tf.data import tfds_descriptions
from tunas_tf.data.conventions import base_name

__all__ = [
    "MAX_NUM_CLASSES",
    "check_split",
    "holds_classes",
    "holds_images",
    "open_builder",
    "preparation",
    "quiet_tfds",
]

# Public datasets of images have up to some 200,000. TFDS lists a name for each class, which takes
# all memory if a damaged description has a few digits more.
MAX_NUM_CLASSES = 1_000_000

# TFRecord: length (8 bytes) and its checksum (4) before each record, a checksum (4) behind it.
_RECORD_HEADER = 12
_RECORD_FRAME = 16


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Silences TFDS, which reports each step by absl, by `print` and by progress bars."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(verbosity)


def _manual_instructions(name: str) -> str | None:
    """TFDS's words on the archives that it cannot download itself; None if it needs none."""
    try:
        text = tfds.builder_cls(base_name(name)).MANUAL_DOWNLOAD_INSTRUCTIONS
    except tfds.core.DatasetNotFoundError:
        return None  # A dataset of the user's own.
    if not text:
        return None
    # Some go on for pages; what is needed comes first.
    return textwrap.shorten(textwrap.dedent(text).strip().partition("\n\n")[0], 300)


def preparation(name: str, dataset_dir: str) -> str:
    """How to make the dataset in `dataset_dir`: an imperative with the command."""
    # TFDS's default, so that both commands find the archives there.
    manual_dir = os.path.join(dataset_dir, "downloads", "manual")
    instructions = _manual_instructions(name)
    manual_flag = f" --manual_dir={shlex.quote(manual_dir)}" if instructions else ""
    text = (
        f"prepare it with `tfds build {name} --data_dir={shlex.quote(dataset_dir)}{manual_flag}` "
        '(needs apache-beam; without it: `python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{name}', data_dir='{dataset_dir}').download_and_prepare()\"`)"
    )
    if instructions:
        text += (
            f" after putting into {manual_dir} what tensorflow-datasets asks for: "
            f'"{instructions.rstrip(".")}"'
        )
    return text


def _description_problem(directory: str) -> str | None:
    """What is wrong with the descriptions of a version of a dataset below `directory`."""
    for parent, _, files in os.walk(directory):
        if not any(file in tfds_descriptions.FILE_NAMES or ".tfrecord" in file for file in files):
            continue
        for description in tfds_descriptions.FILE_NAMES:
            path = os.path.join(parent, description)
            try:
                parse_json(read_bytes(path))
            except FileNotFoundError:
                return f"{parent} has no {description}; delete that directory"
            except (OSError, ValueError):
                return f"{path} cannot be read; delete its directory"
    return None


def open_builder(name: str, dataset_dir: str) -> tfds.core.DatasetBuilder:
    """The builder of the files in `dataset_dir`, made without the code that wrote them."""
    try:
        naming.parse_builder_name_kwargs(name)
    except ValueError:
        raise InputError(
            f"{name!r} is not a name of a dataset; give digits, image_folder, or a name of "
            'tensorflow-datasets like "cifar10", "emnist/letters" or "my_dataset:1.0.0".'
        ) from None
    directory = os.path.join(dataset_dir, base_name(name))
    if danger := tfds_descriptions.problem(directory):
        raise InputError(
            f"the dataset {name!r} is not opened: {danger}; delete that directory and "
            f"{preparation(name, dataset_dir)}."
        )
    try:
        with quiet_tfds():
            return read_only_builder.builder_from_files(name, data_dir=dataset_dir)
    # TFDS has no exception of its own for descriptions that make no sense.
    except Exception as error:  # pylint: disable=broad-except
        problem = _description_problem(directory)
        command = preparation(name, dataset_dir)
        if problem:
            message = f"the dataset {name!r} is incomplete: {problem} and {command}."
        elif isinstance(error, tfds.core.DatasetNotFoundError):
            message = (
                f"the dataset {name!r} is not prepared in {dataset_dir}; {command}, or give the "
                "directory that has it as --dataset_dir."
            )
        else:
            message = (
                f"the dataset {name!r} in {dataset_dir} cannot be opened ({one_line(error)}); "
                f"delete it and {command}."
            )
        raise InputError(message) from None


def holds_images(feature: tfds.features.FeatureConnector | None) -> bool:
    """Whether a feature is an image of bytes, uint8 [height, width, channels]."""
    return (
        isinstance(feature, tfds.features.Image)
        and feature.np_dtype == np.uint8
        and len(feature.shape) == 3
    )


def holds_classes(feature: tfds.features.FeatureConnector | None) -> bool:
    """Whether a feature is the label of a class, of a number of classes that can be listed."""
    return (
        isinstance(feature, tfds.features.ClassLabel)
        and 1 <= (feature.num_classes or 0) <= MAX_NUM_CLASSES
    )


def _size(path: epath.Path) -> int | None:
    """Bytes of a file, None if there is none."""
    try:
        return path.stat().length
    except OSError:
        return None


def _count_records(path: epath.Path) -> int:
    """Number of TFRecords before the end of the file, or before the one that it cuts off."""
    size, position, number = path.stat().length, 0, 0
    with path.open("rb") as file:
        while position + _RECORD_HEADER <= size:
            file.seek(position)
            (length,) = struct.unpack("<Q", file.read(8))
            position += length + _RECORD_FRAME
            number += position <= size
    return number


def _file_problem(builder: tfds.core.DatasetBuilder, split: str) -> str | None:
    """What is wrong with the files of a split, as far as their names and sizes tell."""
    info = builder.info.splits[split]
    # Asking for a size takes long where files are far away.
    with futures.ThreadPoolExecutor() as pool:
        sizes = dict(zip(info.filepaths, pool.map(_size, info.filepaths)))
    lengths = dict(zip(info.filepaths, info.shard_lengths))
    missing = [path.name for path, size in sizes.items() if size is None]
    if missing:
        return f"lacks {len(missing)} of the files of its {split!r} split, {missing[0]} first"
    empty = [path.name for path, size in sizes.items() if size == 0 and lengths[path]]
    if empty:
        return f"has {len(empty)} empty files in its {split!r} split, {empty[0]} first"
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD or not info.num_bytes:
        return None
    # TFDS notes the bytes of all examples, some of its writers those of the files instead.
    total, noted = sum(sizes.values()), int(info.num_bytes)
    if total >= noted + _RECORD_FRAME * info.num_examples or total == noted:
        return None
    for path, length in lengths.items():
        number = _count_records(path)
        if number != length:
            return (
                f"has a damaged file in its {split!r} split: {path.name} holds {number} whole "
                f"examples of {length}"
            )
    return None


def check_split(name: str, dataset_dir: str, builder: tfds.core.DatasetBuilder, split: str) -> None:
    """Raises InputError if a split, or a part of its files, is missing."""
    splits = builder.info.splits
    if split not in splits or not splits[split].num_examples:
        problem: str | None = f"has no {split!r} split, only {', '.join(splits) or 'none'}"
    else:
        try:
            problem = _file_problem(builder, split)
        # TFDS has no exception of its own for names that no file can have.
        except Exception as error:  # pylint: disable=broad-except
            problem = f"has a description that makes no sense ({one_line(error)})"
    if problem:
        raise InputError(
            f"the dataset {name} in {builder.data_path} {problem}; to have it, delete that "
            f"directory and {preparation(name, dataset_dir)}."
        )
