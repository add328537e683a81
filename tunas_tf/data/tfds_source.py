"""Labelled images of a tensorflow-datasets dataset that is prepared on disk."""

import bisect
import functools
import itertools

import tensorflow as tf
import tensorflow_datasets as tfds

from tunas_tf.common.errors import InputError
from tunas_tf.data import tfds_files, tfds_shards
from tunas_tf.data.conventions import BACKGROUND, conventions_of
from tunas_tf.data.image_source import Part
from tunas_tf.data.tfds_files import quiet_tfds

__all__ = ["TfdsSource"]

# Encoded images held for shuffling: about 450 MB of ImageNet's JPEGs.
_SHUFFLE_BUFFER = 4096

# In an exact order there are two blocks of encoded images in memory.
_BLOCK_SIZE = _SHUFFLE_BUFFER // 2


class TfdsSource:
    """The images of a dataset found in `dataset_dir`; nothing is ever downloaded.

    An `ImageSource`. A background class, where that is the convention, comes first: the
    dataset's own labels are shifted by one, except for -1, TFDS's mark of an unknown label.
    """

    def __init__(self, name: str, dataset_dir: str):
        """Opens the dataset.

        Args:
          name: as TFDS writes it: "cifar10", "emnist/letters", "my_dataset:1.0.0".
          dataset_dir: TFDS's data directory, which holds a directory of that name.
        """
        self._name, self._dataset_dir = name, dataset_dir
        self._conventions = conventions_of(name)
        self._builder = tfds_files.open_builder(name, dataset_dir)
        self._image_key, self._label_key = _image_and_label(name, self._builder.info)
        features = self._builder.info.features
        background = (BACKGROUND,) if self._conventions.background_class else ()
        self.class_names: tuple[str, ...] = (*background, *features[self._label_key].names)
        self.num_classes = len(self.class_names)
        height, width, _ = features[self._image_key].shape
        self.image_shape = None if height is None or width is None else (height, width)
        self._check("train")

    @property
    def splits(self) -> tuple[str, ...]:
        tested = self._conventions.test_split or self._test_split in self._builder.info.splits
        return ("train", "test") if tested else ("train",)

    @property
    def remedy(self) -> str:
        return (
            f"delete {self._builder.data_path} and "
            f"{tfds_files.preparation(self._name, self._dataset_dir)}"
        )

    def _check(self, split: str) -> None:
        tfds_files.check_split(self._name, self._dataset_dir, self._builder, split)

    @functools.cached_property
    def _test_split(self) -> str:
        """ "test", or "validation" where there is no test split or one without labels."""
        if self._conventions.test_split:
            return self._conventions.test_split
        splits = self._builder.info.splits
        if "test" in splits and "validation" in splits:
            self._check("test")
            _, label = next(iter(self._read("test", 0, 1)))
            return "test" if label >= 0 else "validation"
        return "validation" if "validation" in splits else "test"

    @functools.cached_property
    def _checked_test_split(self) -> str:
        self._check(self._test_split)
        return self._test_split

    def origin(self, split: str) -> str:
        return split if split == "train" else self._checked_test_split

    def _info(self, split: str) -> tfds.core.SplitInfo:
        return self._builder.info.splits[self.origin(split)]

    def num_examples(self, split: str) -> int:
        return self._info(split).num_examples

    def labels(self, split: str) -> None:
        return None

    def ignored(self) -> None:
        return None

    def parts(self, split: str) -> list[Part]:
        info = self._info(split)
        stops = list(itertools.accumulate(info.shard_lengths))
        return [
            Part(stop - length, stop, 1, path.stat().length)
            for path, length, stop in zip(info.filepaths, info.shard_lengths, stops)
            if length
        ]

    def file_of(self, split: str, index: int) -> str:
        info = self._info(split)
        stops = list(itertools.accumulate(info.shard_lengths))
        return str(info.filepaths[bisect.bisect_right(stops, index)])

    def examples(
        self, split: str, start: int, stop: int, shuffle_seed: int | None = None
    ) -> tf.data.Dataset:
        return self._read(self.origin(split), start, stop, shuffle_seed)

    def ordered_examples(
        self, split: str, start: int, stop: int, seed: int, first: int
    ) -> tf.data.Dataset:
        with quiet_tfds():
            dataset = tfds_shards.ordered_examples(
                self._builder,
                f"{self.origin(split)}[{start}:{stop}]",
                self._decoding,
                _BLOCK_SIZE,
                seed,
                first,
            )
        return dataset.map(self._image_and_label)

    @property
    def _decoding(self) -> tfds.decode.PartialDecoding:
        return tfds.decode.PartialDecoding(
            {self._image_key: True, self._label_key: True},
            decoders={self._image_key: tfds.decode.SkipDecoding()},
        )

    def _image_and_label(self, example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        label = tf.cast(example[self._label_key], tf.int32)
        if self._conventions.background_class:
            label = tf.where(label >= 0, label + 1, label)
        return example[self._image_key], label

    def _read(self, split: str, start: int, stop: int, shuffle_seed=None) -> tf.data.Dataset:
        """The same for one of the dataset's own splits."""
        shuffle = shuffle_seed is not None
        with quiet_tfds():
            dataset = self._builder.as_dataset(
                split=f"{split}[{start}:{stop}]",
                shuffle_files=shuffle,
                read_config=tfds.ReadConfig(
                    shuffle_seed=shuffle_seed, try_autocache=False, skip_prefetch=True
                ),
                decoders=self._decoding,
            )
        dataset = dataset.map(self._image_and_label)
        return dataset.shuffle(_SHUFFLE_BUFFER, seed=shuffle_seed) if shuffle else dataset


def _image_and_label(name: str, info: tfds.core.DatasetInfo) -> tuple[str, str]:
    """The names of the features that hold the image and its class."""
    keys = info.supervised_keys
    if not (isinstance(keys, tuple) and len(keys) == 2 and set(keys) <= set(info.features)):
        keys = ("image", "label")
    image, label = (info.features[key] if key in info.features else None for key in keys)
    if not tfds_files.holds_images(image):
        problem = "no image of bytes"
    elif not tfds_files.holds_classes(label):
        problem = f"no class label (of 1 to {tfds_files.MAX_NUM_CLASSES:,} classes)"
    else:
        return keys
    raise InputError(
        f"the dataset {name} has {problem} among its features {', '.join(info.features)}; "
        "give one for image classification."
    )
