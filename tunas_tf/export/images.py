"""The images that a file is calibrated and verified with: of a dataset, else random ones."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.data import preprocessing
from tunas_tf.data.splits import SplitDataset
from tunas_tf.export.quantization import NUM_REPRESENTATIVE_IMAGES

__all__ = ["DatasetType", "ExportImages", "Sample", "random_images"]

DatasetType = TypeVar("DatasetType", bound=SplitDataset)

_BATCH_SIZE = 32

# Of random images there is no "all".
_NUM_RANDOM_IMAGES = 64

# The same images each time; those that calibrate are not those that verify.
_CALIBRATION_SEED, _TEST_SEED = 1, 2

# Random images show patches of this many pixels, about the scale of parts of objects.
_PATCH = 8


def random_images(
    num_images: int,
    image_size: int,
    seed: int,
    normalise: Callable[[np.ndarray], tf.Tensor] = preprocessing.normalise,
) -> np.ndarray:
    """Soft patches of random colours with noise.

    Args:
      num_images: how many.
      image_size: side of the images in pixels.
      seed: of the random numbers.
      normalise: from pixels, 0 to 255, to the network's input.

    Returns:
      float32 [num_images, image_size, image_size, 3].
    """
    generator = np.random.default_rng(seed)
    patches = -(-image_size // _PATCH) + 1
    colours = generator.uniform(0, 255, (num_images, patches, patches, 3))
    pixels = tf.image.resize(colours, (image_size, image_size), method="bilinear").numpy()
    pixels += generator.normal(0, 8, pixels.shape)
    return normalise(pixels.clip(0, 255).astype(np.uint8)).numpy()


class Sample(NamedTuple):
    """Some images.

    Attributes:
      source: what they are, for people.
      num_images: how many, at most: those that cannot be decoded are left out.
      batches: of (images float32 [batch, size, size, 3], labels or None). Labels are those of
        the dataset: an array [batch], or a dictionary of arrays [batch, ...].
    """

    source: str
    num_images: int
    batches: Iterable[tuple[np.ndarray, Any]]

    def images(self) -> Iterator[np.ndarray]:
        """The images alone, one by one."""
        return (image for batch, _ in self.batches for image in batch)


@dataclasses.dataclass(frozen=True)
class ExportImages(Generic[DatasetType]):
    """Where the images come from.

    Attributes:
      dataset: of the network; None for random images.
      train_split, test_split: of the dataset, for calibration and for verification.
      image_size: side of the images in pixels.
      normalise: what prepares random images, from pixels.
    """

    dataset: DatasetType | None
    train_split: str
    test_split: str
    image_size: int
    normalise: Callable[[np.ndarray], tf.Tensor] = preprocessing.normalise

    def representative(self, num_images: int | None) -> Sample:
        """Random training images, prepared as for evaluation.

        Args:
          num_images: how many; None stands for 200, or for all if the dataset has fewer.

        Raises:
          InputError: the dataset has not as many as are asked for.
        """
        if self.dataset is None:
            return self._random(num_images or NUM_REPRESENTATIVE_IMAGES, _CALIBRATION_SEED)
        available = self.dataset.num_examples(self.train_split)
        if num_images is None:
            num_images = min(NUM_REPRESENTATIVE_IMAGES, available)
        if num_images > available:
            raise InputError(
                f"{num_images} representative images were asked for, and {self.dataset.name} has "
                f"{available} in {self.train_split}; give a smaller --num_representative_images, "
                "or a larger --dataset."
            )
        batches = self.dataset.training_batches(
            self.train_split, 1, _CALIBRATION_SEED, augment=False
        )
        return Sample(
            f"images of {self.dataset.name}, {self.train_split}",
            num_images,
            batches.take(num_images).as_numpy_iterator(),
        )

    def test(self, num_images: int) -> Sample:
        """The first test images, or random ones without labels.

        Args:
          num_images: how many; 0 stands for all, or for 64 random ones.
        """
        if self.dataset is None:
            return self._random(num_images or _NUM_RANDOM_IMAGES, _TEST_SEED)
        available = self.dataset.num_examples(self.test_split)
        num_images = min(num_images or available, available)
        return Sample(
            f"images of {self.dataset.name}, {self.test_split}",
            num_images,
            self._first_test_images(self.dataset, num_images),
        )

    def _random(self, num_images: int, seed: int) -> Sample:
        images = random_images(num_images, self.image_size, seed, self.normalise)
        starts = range(0, num_images, _BATCH_SIZE)
        batches = [(images[start : start + _BATCH_SIZE], None) for start in starts]
        return Sample("random images", num_images, batches)

    def _first_test_images(self, dataset: SplitDataset, num_images: int):
        left = num_images
        batches = dataset.evaluation_batches(self.test_split, _BATCH_SIZE)
        for images, labels, weights in batches.as_numpy_iterator():
            number = min(left, int(weights.sum()))  # The padding of the last batch comes last.
            yield tf.nest.map_structure(operator.itemgetter(slice(number)), (images, labels))
            left -= number
            if not left:
                return
