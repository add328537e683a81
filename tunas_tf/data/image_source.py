"""What the pipelines need to know of a place where encoded images come from."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import tensorflow as tf

from tunas_tf.data.folder_files import Ignored
from tunas_tf.data.splits import SplitSource

__all__ = ["ImageSource", "Part"]


class Part(NamedTuple):
    """Examples `start` to `stop` of a split, and the files that hold exactly these."""

    start: int
    stop: int
    num_files: int
    num_bytes: int


class ImageSource(SplitSource, Protocol):
    """Encoded images with labels.

    Attributes:
      num_classes: labels are 0 to num_classes - 1.
      class_names: of all classes, in the order of the labels.
      image_shape: (height, width) if all images have the same, else None.
      splits: "train", and "test" if the source has, or should have, images for testing.
      remedy: what to do if a file turns out to be damaged, as an imperative.
    """

    num_classes: int
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None

    @property
    def splits(self) -> tuple[str, ...]: ...

    @property
    def remedy(self) -> str: ...

    def labels(self, split: str) -> Sequence[int] | None:
        """Of all examples, in order; None if they have to be read to know it."""

    def ignored(self) -> Ignored | None:
        """Files of the user that are not used; None if the files are the dataset's own."""

    def parts(self, split: str) -> list[Part]:
        """The whole split in parts, none empty. Within one, `examples` come in order of index."""

    def file_of(self, split: str, index: int) -> str:
        """Path of the file that holds example `index`."""

    def examples(
        self, split: str, start: int, stop: int, shuffle_seed: int | None = None
    ) -> tf.data.Dataset:
        """As of `SplitSource`: (encoded image, label int32)."""
