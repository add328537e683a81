"""Labelled images of a tensorflow-datasets dataset that is prepared on disk."""

import contextlib
import functools
import io
from typing import Iterator, Optional

from absl import logging
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from tunas_tf.common.errors import InputError

__all__ = ["TfdsSource", "quiet_tfds"]

# Encoded images held for shuffling: about 450 MB of ImageNet's JPEGs.
_SHUFFLE_BUFFER = 4096


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


class TfdsSource:
    """The images of a dataset found in `dataset_dir`; nothing is ever downloaded.

    Attributes:
      num_classes: number of labels.
      image_shape: (height, width) if all images have the same, else None.
    """

    def __init__(self, name: str, dataset_dir: str):
        """Opens the dataset.

        Args:
          name: as TFDS writes it: "cifar10", "emnist/letters", "my_dataset:1.0.0".
          dataset_dir: TFDS's data directory, which holds a directory of that name.
        """
        self._name = name
        self._builder = _open(name, dataset_dir)
        self._image_key, self._label_key = _image_and_label(name, self._builder.info)
        features = self._builder.info.features
        self.num_classes: int = features[self._label_key].num_classes
        height, width, _ = features[self._image_key].shape
        self.image_shape = None if height is None or width is None else (height, width)
        self._check_split("train")

    def _check_split(self, split: str) -> None:
        """Raises InputError if the split or one of its files is missing."""
        directory, splits = self._builder.data_path, self._builder.info.splits
        if split not in splits or not splits[split].num_examples:
            raise InputError(
                f"the dataset {self._name} in {directory} has no {split!r} split, only "
                f"{', '.join(splits) or 'none'}; prepare it again or choose another dataset."
            )
        missing = set(splits[split].filenames) - {path.name for path in directory.iterdir()}
        if missing:
            raise InputError(
                f"the dataset {self._name} in {directory} lacks {len(missing)} of the files of "
                f"its {split!r} split, {min(missing)} first; delete the directory and prepare "
                "it again."
            )

    @functools.cached_property
    def _test_split(self) -> str:
        """"test", or "validation" where there is no test split or one without labels."""
        splits = self._builder.info.splits
        if "test" in splits and "validation" in splits:
            # ImageNet's test images, for example, all have label -1.
            _, label = next(iter(self._read("test", 0, 1)))
            return "test" if label >= 0 else "validation"
        return "validation" if "validation" in splits else "test"

    def _resolve(self, split: str) -> str:
        """The dataset's own name of "train" or "test"."""
        if split == "train":
            return split
        self._check_split(self._test_split)
        return self._test_split

    def num_examples(self, split: str) -> int:
        return self._builder.info.splits[self._resolve(split)].num_examples

    def examples(
        self, split: str, start: int, stop: int, shuffle_seed: Optional[int] = None
    ) -> tf.data.Dataset:
        """Examples `start` to `stop` of "train" or "test": (encoded image, label int32).

        With a seed their order is random, another one in each repetition.
        """
        return self._read(self._resolve(split), start, stop, shuffle_seed)

    def _read(self, split: str, start: int, stop: int, shuffle_seed=None) -> tf.data.Dataset:
        shuffle = shuffle_seed is not None
        with quiet_tfds():
            dataset = self._builder.as_dataset(
                split=f"{split}[{start}:{stop}]",
                shuffle_files=shuffle,
                read_config=tfds.ReadConfig(
                    shuffle_seed=shuffle_seed, try_autocache=False, skip_prefetch=True
                ),
                decoders=tfds.decode.PartialDecoding(
                    {self._image_key: True, self._label_key: True},
                    decoders={self._image_key: tfds.decode.SkipDecoding()},
                ),
            )
        dataset = dataset.map(
            lambda example: (
                example[self._image_key],
                tf.cast(example[self._label_key], tf.int32),
            )
        )
        return dataset.shuffle(_SHUFFLE_BUFFER, seed=shuffle_seed) if shuffle else dataset


def _open(name: str, dataset_dir: str) -> tfds.core.DatasetBuilder:
    """The builder of the files in `dataset_dir`, made without the code that wrote them."""
    try:
        with quiet_tfds():
            return read_only_builder.builder_from_files(name, data_dir=dataset_dir)
    except tfds.core.DatasetNotFoundError:
        raise InputError(
            f"the dataset {name!r} is not prepared in {dataset_dir}; prepare it there with "
            f"`tfds build {name} --data_dir={dataset_dir}`, or give the directory that has it "
            "as --dataset_dir."
        ) from None
    except ValueError:
        raise InputError(
            f"{name!r} is not a name of a dataset; give digits, image_folder, or a name of "
            'tensorflow-datasets like "cifar10", "emnist/letters" or "my_dataset:1.0.0".'
        ) from None


def _image_and_label(name: str, info: tfds.core.DatasetInfo) -> tuple[str, str]:
    """The names of the features that hold the image and its class."""
    keys = info.supervised_keys
    if not (isinstance(keys, tuple) and len(keys) == 2 and set(keys) <= set(info.features)):
        keys = ("image", "label")
    image, label = (info.features[key] if key in info.features else None for key in keys)
    if not isinstance(image, tfds.features.Image) or image.tf_dtype != tf.uint8:
        problem = "no image of bytes"
    elif not isinstance(label, tfds.features.ClassLabel) or not label.num_classes:
        problem = "no class label"
    else:
        return keys
    raise InputError(
        f"the dataset {name} has {problem} among its features {', '.join(info.features)}; "
        "give one for image classification."
    )
