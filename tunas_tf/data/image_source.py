"""What the pipelines need to know of a place where encoded images come from."""

from typing import NamedTuple, Optional, Protocol

import tensorflow as tf

__all__ = ["ImageSource", "Part"]


class Part(NamedTuple):
    """Examples `start` to `stop` of a split, and the files that hold exactly these."""

    start: int
    stop: int
    num_files: int
    num_bytes: int


class ImageSource(Protocol):
    """Encoded images with labels, in the splits "train" and "test".

    Attributes:
      num_classes: labels are 0 to num_classes - 1.
      class_names: of all classes, in the order of the labels.
      image_shape: (height, width) if all images have the same, else None.
      splits: "train", and "test" if the source has, or should have, images for testing.
      remedy: what to do if a file turns out to be damaged, as an imperative.
    """

    num_classes: int
    class_names: tuple[str, ...]
    image_shape: Optional[tuple[int, int]]
    splits: tuple[str, ...]
    remedy: str

    def origin(self, split: str) -> str:
        """The name that the source itself has for "train" or "test"."""

    def num_examples(self, split: str) -> int:
        """Size of "train" or "test"; InputError if it is not there or not complete."""

    def parts(self, split: str) -> list[Part]:
        """The whole split in parts, none empty. Within one, `examples` come in order of index."""

    def file_of(self, split: str, index: int) -> str:
        """Path of the file that holds example `index`."""

    def examples(
        self, split: str, start: int, stop: int, shuffle_seed: Optional[int] = None
    ) -> tf.data.Dataset:
        """Examples `start` to `stop` of "train" or "test": (encoded image, label int32).

        With a seed their order is random, another one in each repetition.
        """

    def ordered_examples(
        self, split: str, start: int, stop: int, seed: int, first: int
    ) -> tf.data.Dataset:
        """Examples `start` to `stop` in a random order that is a function of the seed, endlessly.

        The sequence begins with its example `first`, and nothing depends on what came before.
        """
