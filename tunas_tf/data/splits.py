"""What datasets have in common: four splits of a source, and the part that is the reward."""

import abc
import dataclasses
import os
from typing import Protocol

import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.data import order

__all__ = [
    "ALL",
    "Share",
    "SplitDataset",
    "SplitSource",
    "default_dataset_dir",
    "num_reward_examples",
]


@dataclasses.dataclass(frozen=True)
class Share:
    """Every `count`-th example, from the one at `index` on: what one of several workers reads."""

    index: int
    count: int


# What a single worker reads.
ALL = Share(0, 1)


class SplitSource(Protocol):
    """Examples in the splits "train" and "test"."""

    def origin(self, split: str) -> str:
        """The name that the source itself has for "train" or "test"."""

    def num_examples(self, split: str) -> int:
        """Size of "train" or "test"; InputError if it is not there or not complete."""

    def examples(
        self, split: str, start: int, stop: int, shuffle_seed: int | None = None
    ) -> tf.data.Dataset:
        """Examples `start` to `stop` of "train" or "test".

        With a seed their order is random, another one in each repetition.
        """

    def ordered_examples(
        self, split: str, start: int, stop: int, seed: int, first: int
    ) -> tf.data.Dataset:
        """Examples `start` to `stop` in a random order that is a function of the seed, endlessly.

        The sequence begins with its example `first`, and nothing depends on what came before.
        """


@dataclasses.dataclass(frozen=True)
class SplitDataset(abc.ABC):
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

    @abc.abstractmethod
    def training_batches(
        self,
        split: str,
        batch_size: int,
        seed: int,
        augment: bool = True,
        first_batch: int | None = None,
        share: Share = ALL,
    ) -> tf.data.Dataset:
        """Endless batches (images, labels) in random order."""

    @abc.abstractmethod
    def evaluation_batches(self, split: str, batch_size: int) -> tf.data.Dataset:
        """Each example once: (images, labels, weights), the last batch filled up with weight 0."""

    @abc.abstractmethod
    def _decoded(self, split: str) -> tf.data.Dataset | None:
        """The examples, images decoded, in order; None if memory would not hold them."""

    def _random_examples(
        self, split: str, seed: int, first: int | None, share: Share
    ) -> tf.data.Dataset:
        """(place in the sequence, example), in random order, endlessly.

        Args:
          split: any but "test".
          seed: of the order.
          first: which example of all workers to begin with, from 0; the sequence is then another
            one than without it, and a little slower.
          share: of this worker. Its examples are chosen before they are decoded, if not all are.
        """
        if split == "test":
            raise ValueError("the test split is never trained on; use evaluation_batches.")
        decoded = self._decoded(split)
        if decoded is None:
            part = self.source_range(split)
            if first is None:
                examples = self.source.examples(*part, shuffle_seed=seed).repeat()
            else:
                examples = self.source.ordered_examples(*part, seed, first)
        elif first is None:
            examples = decoded.cache().shuffle(self.num_examples(split), seed=seed).repeat()
        else:
            examples = order.in_memory(decoded, self.num_examples(split), seed, first)
        return examples.enumerate(first or 0).shard(share.count, share.index)

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
