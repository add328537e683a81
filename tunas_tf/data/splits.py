"""What datasets have in common: four splits of a source, and the part that is the reward."""

import dataclasses
import os
from typing import Protocol

from tunas_tf.common.errors import InputError

__all__ = ["SplitDataset", "SplitSource", "default_dataset_dir", "num_reward_examples"]


class SplitSource(Protocol):
    """Examples in the splits "train" and "test"."""

    def origin(self, split: str) -> str:
        """The name that the source itself has for "train" or "test"."""

    def num_examples(self, split: str) -> int:
        """Size of "train" or "test"; InputError if it is not there or not complete."""


@dataclasses.dataclass(frozen=True)
class SplitDataset:
    """A dataset in four splits.

    "train" is all of the training set. A search divides it: "search_validation" is its
    first part, whose quality is the controller's reward, and "search_train", the rest,
    trains the shared weights. "test" is for a finished network alone.

    Attributes:
      name: of the dataset, as given to `load`.
      dataset_dir: the directory that it was read from.
      num_classes: labels are 0 to num_classes - 1.
      class_names: of all classes, in the order of the labels.
      image_size: side of the network's input in pixels.
      reward_fraction: share of the training set that is "search_validation".
      num_reward_examples: size of "search_validation".
      flip: whether training mirrors images; false for datasets of writing.
      on_broken: what becomes of images that cannot be decoded, one of `tolerance.ON_BROKEN`.
      source: the encoded images.
    """

    name: str
    dataset_dir: str
    num_classes: int
    class_names: tuple[str, ...]
    image_size: int
    reward_fraction: float
    num_reward_examples: int
    flip: bool
    on_broken: str
    source: SplitSource

    def source_range(self, split: str) -> tuple[str, int, int]:
        """(split, start, stop): the examples of the source that `split` consists of."""
        if split == "test":
            return "test", 0, self.source.num_examples("test")
        total = self.source.num_examples("train")
        ranges = {
            "train": (0, total),
            "search_validation": (0, self.num_reward_examples),
            "search_train": (self.num_reward_examples, total),
        }
        if split not in ranges:
            raise ValueError(f"there is no split {split!r}; use {', '.join(ranges)} or test.")
        return ("train", *ranges[split])

    def num_examples(self, split: str) -> int:
        _, start, stop = self.source_range(split)
        return stop - start

    def origin(self, split: str) -> str:
        """What the split is of the source, in TFDS's notation: "train[:50046]", "validation"."""
        source_split, start, stop = self.source_range(split)
        name = self.source.origin(source_split)
        if stop - start == self.source.num_examples(source_split):
            return name
        return f"{name}[:{stop}]" if start == 0 else f"{name}[{start}:]"


def default_dataset_dir(embedded: bool) -> str:
    """$TFDS_DATA_DIR, else a cache for embedded datasets and TFDS's own default for others."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "tunas_tf")
    return os.environ.get("TFDS_DATA_DIR") or (cache if embedded else "~/tensorflow_datasets")


def num_reward_examples(source: SplitSource, fraction: float) -> int:
    """Size of the part of the training set that is the reward; InputError if that is none."""
    num_train = source.num_examples("train")
    number = round(fraction * num_train)
    if not 0 < number < num_train:
        raise InputError(
            f"reward_fraction {fraction} of {num_train} training images leaves "
            "no images for the reward or none for training; give a number between 0 and 1."
        )
    return number
