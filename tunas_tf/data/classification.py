"""Image classification datasets as batches for search, training and evaluation."""

import dataclasses
import math
import os

import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.data import digits, preprocessing
from tunas_tf.data.batches import filled_batches
from tunas_tf.data.conventions import conventions_of
from tunas_tf.data.image_folder import FolderSource
from tunas_tf.data.image_source import ImageSource
from tunas_tf.data.splits import ALL, Share, SplitDataset, default_dataset_dir, num_reward_examples
from tunas_tf.data.tfds_source import TfdsSource
from tunas_tf.data.tolerance import ON_BROKEN, map_images

__all__ = ["ClassificationDataset", "load"]

# Images up to this side (or up to the network's input) are shifted rather than cropped.
_SMALL_SIDE = 64

# Decoded images are kept in memory if they are not more bytes than this.
_CACHE_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class ClassificationDataset(SplitDataset):
    """A dataset in four splits; a search is rewarded by accuracy on "search_validation".

    Images are float32 [batch, image_size, image_size, 3], normalised. Two ways to
    prepare them (`preprocessing`): photos are cropped at random and resized (evaluated:
    the centre); small images are shifted by up to 4 pixels and resized (evaluated: as they
    are). Small are datasets whose images share one shape, with sides up to 64 or `image_size`.

    With a background class (`conventions`) class 0 has no images.
    """

    source: ImageSource

    @property
    def takes_whole_images(self) -> bool:
        """Whether images are shifted rather than cropped, and evaluated as a whole."""
        if self.source.image_shape is None:
            return False
        return max(self.source.image_shape) <= max(_SMALL_SIDE, self.image_size)

    def _decoded(self, split: str) -> tf.data.Dataset | None:
        """(decoded image, label) in the order of the source; None if memory would not hold them.

        Decoding a small image takes longer than all that follows: do it once.
        """
        shape = self.source.image_shape
        if shape is None or self.num_examples(split) * math.prod(shape) * 3 > _CACHE_BYTES:
            return None
        return map_images(
            self.source.examples(*self.source_range(split)),
            lambda encoded, label: tf.ensure_shape(preprocessing.decode(encoded), [*shape, 3]),
            self.on_broken,
            keep=lambda image, encoded, label: (image, label),
        )

    def training_batches(
        self,
        split: str,
        batch_size: int,
        seed: int,
        augment: bool = True,
        first_batch: int | None = None,
        share: Share = ALL,
    ) -> tf.data.Dataset:
        """Endless batches (images, labels int32 [batch_size]) in random order.

        Equal seeds give equal batches. Every example comes once before any comes again.

        Args:
          split: "train", "search_train", or "search_validation" for the reward.
          batch_size: examples in each batch.
          seed: of the order and of the augmentation.
          augment: whether to change images at random, or to prepare them as for evaluation.
          first_batch: which batch of the endless sequence to begin with, from 0. The sequence is
            another one than without it, and a little slower.
          share: of this worker, if there are several.
        """
        whole = self.takes_whole_images
        first = None if first_batch is None else first_batch * batch_size * share.count
        examples = self._random_examples(split, seed, first, share)

        def prepare(index, example):
            image, _ = example
            if not augment:
                return preprocessing.evaluation_image(image, self.image_size, whole)
            seeds = tf.stack([seed, index])
            return preprocessing.training_image(image, seeds, self.image_size, whole, self.flip)

        is_encoded = examples.element_spec[1][0].dtype == tf.string
        prepared = map_images(
            examples,
            prepare,
            self.on_broken if is_encoded else "keep",
            keep=lambda image, index, example: (image, example[1]),
        )
        return prepared.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    def evaluation_batches(self, split: str, batch_size: int) -> tf.data.Dataset:
        """Each example once: (images, labels int32 [batch_size], weights float32 [batch_size]).

        The last batch is filled up with black images of weight 0; all others weigh 1. Images
        that cannot be decoded are left out.
        """

        whole = self.takes_whole_images
        examples = map_images(
            self.source.examples(*self.source_range(split)),
            lambda encoded, label: (
                preprocessing.evaluation_image(encoded, self.image_size, whole),
                label,
            ),
            self.on_broken,
            leave_out=True,
        )
        return filled_batches(examples, batch_size, padding=(0, 0))


def load(
    name: str,
    dataset_dir: str | None,
    image_size: int,
    reward_fraction: float | None = None,
    on_broken: str = "skip",
) -> ClassificationDataset:
    """Opens a dataset. `digits` is made if it is not there; nothing is ever downloaded.

    Args:
      name: "digits", "image_folder", or a name of tensorflow-datasets ("cifar10",
        "my_dataset:1.0.0") whose data are prepared in `dataset_dir`.
      dataset_dir: TFDS's data directory, or the image folder. Empty or None: the default
        one ($TFDS_DATA_DIR, ~/.cache/tunas_tf for digits, ~/tensorflow_datasets for others).
      image_size: side of the network's input in pixels.
      reward_fraction: share of the training set, its first examples, whose accuracy is the
        search's reward. None: the dataset's own (`conventions`).
      on_broken: what becomes of images that cannot be decoded, one of `tolerance.ON_BROKEN`.

    Raises:
      InputError: there is no such dataset, it is not prepared, it has nothing to classify or too
        few images, or an argument is out of its range.
    """
    if on_broken not in ON_BROKEN:
        raise InputError(f"on_broken is {on_broken!r}; use {', '.join(ON_BROKEN)}.")
    if image_size < 1:
        raise InputError(f"image_size is {image_size}; it must be 1 or more.")
    if name == "image_folder" and not dataset_dir:
        raise InputError("image_folder needs a directory; give it as --dataset_dir.")
    dataset_dir = os.path.expanduser(dataset_dir or default_dataset_dir(embedded=name == "digits"))
    if name == "image_folder":
        source: ImageSource = FolderSource(dataset_dir, on_broken)
    else:
        if name == "digits":
            digits.prepare(dataset_dir)
            on_broken = "keep"  # They are our own.
        source = TfdsSource(name, dataset_dir)
    conventions = conventions_of(name)
    if reward_fraction is None:
        reward_fraction = conventions.reward_fraction
    return ClassificationDataset(
        name=name,
        dataset_dir=dataset_dir,
        num_classes=source.num_classes,
        class_names=source.class_names,
        image_size=image_size,
        reward_fraction=reward_fraction,
        num_reward_examples=num_reward_examples(source, reward_fraction),
        flip=conventions.flip,
        on_broken=on_broken,
        source=source,
    )
