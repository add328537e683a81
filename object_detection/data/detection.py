"""Object detection datasets as batches for search, training and evaluation."""

import dataclasses
import functools
import math
import os

import tensorflow as tf

from object_detection.data import digit_scenes, preprocessing
from object_detection.data.tfds_objects import TfdsObjects
from tunas_tf.common.errors import InputError
from tunas_tf.data.batches import filled_batches
from tunas_tf.data.conventions import conventions_of
from tunas_tf.data.preprocessing import decode
from tunas_tf.data.splits import ALL, Share, SplitDataset, default_dataset_dir, num_reward_examples
from tunas_tf.data.tolerance import ON_BROKEN, map_images

__all__ = ["DetectionDataset", "load"]

# Decoded images are kept in memory if they are not more bytes than this.
_CACHE_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class DetectionDataset(SplitDataset):
    """A dataset in four splits; a search is rewarded by AP on "search_validation".

    A batch is (images, labels). Images are float32 [batch, image_size, image_size, 3] from -1
    to 1. Labels are a dictionary with a row for each object, in all `max_num_boxes`:

    - "boxes" float32 [batch, max_num_boxes, 4]: ymin, xmin, ymax, xmax in pixels of the
      network's input, from 0 to image_size; zeros in rows without an object.
    - "classes" int32 [batch, max_num_boxes]: 1 to num_classes - 1, 0 in rows without an object.
    - "is_crowd" bool [batch, max_num_boxes]: groups, and difficult objects, that training
      ignores, and that an evaluation counts neither as found nor as missed.
    - "areas" float32 [batch, max_num_boxes]: of the object itself, or else of its box, in
      pixels of the network's input.

    Images without objects are kept. Objects that are of no use are not: see `TfdsObjects`.

    Attributes:
      category_ids: of all classes, what the dataset's annotations call them (COCO: 1 to 90);
        of class 0, which is nothing, 0.
      max_num_boxes: rows of the labels.
      keep_aspect_ratio: whether images are fitted into the input rather than stretched.
    """

    category_ids: tuple[int, ...]
    max_num_boxes: int
    keep_aspect_ratio: bool
    source: TfdsObjects

    def _decoded(self, split: str) -> tf.data.Dataset | None:
        """With decoded images, in the order of the source; None if memory would not hold them."""
        shape = self.source.image_shape
        if shape is None or self.num_examples(split) * math.prod(shape) * 3 > _CACHE_BYTES:
            return None

        return map_images(
            self.source.examples(*self.source_range(split)),
            lambda example: tf.ensure_shape(decode(example["image"]), [*shape, 3]),
            self.on_broken,
            keep=lambda image, example: {**example, "image": image},
        )

    @property
    def _evaluation_example(self):
        return functools.partial(
            preprocessing.evaluation_example,
            image_size=self.image_size,
            max_num_boxes=self.max_num_boxes,
            keep_aspect_ratio=self.keep_aspect_ratio,
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
        """Endless batches (images, labels) in random order.

        Equal seeds give equal batches. Every example comes once before any comes again. Of an
        image with more than `max_num_boxes` objects the largest are kept, crowds the last.

        Args:
          split: "train", "search_train", or "search_validation" for the reward.
          batch_size: examples in each batch.
          seed: of the order and of the augmentation.
          augment: whether to crop (as SSD does) and mirror images at random, or to prepare them
            as for evaluation.
          first_batch: which batch of the endless sequence to begin with, from 0. The sequence is
            another one than without it, and a little slower.
          share: of this worker, if there are several.
        """
        first = None if first_batch is None else first_batch * batch_size * share.count
        examples = self._random_examples(split, seed, first, share)

        def prepare(index, example):
            if augment:
                return preprocessing.training_example(
                    example["image"],
                    example["objects"],
                    tf.stack([seed, index]),
                    flip=self.flip,
                    image_size=self.image_size,
                    max_num_boxes=self.max_num_boxes,
                    keep_aspect_ratio=self.keep_aspect_ratio,
                )
            image, labels = self._evaluation_example(example["image"], example["objects"])
            del labels["scale"]
            return image, labels

        is_encoded = examples.element_spec[1]["image"].dtype == tf.string
        prepared = map_images(examples, prepare, self.on_broken if is_encoded else "keep")
        return prepared.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    def most_objects(self, split: str) -> int:
        """Number of objects in the image of a split that has most; reads all annotations."""
        return self.source.most_objects(*self.source_range(split))

    def require_rows(self, split: str) -> None:
        """Raises InputError if an image of a split has more than `max_num_boxes` objects."""
        most = self.most_objects(split)
        if most > self.max_num_boxes:
            raise InputError(
                f"an image of the {split} split of {self.name} has {most} objects, more than "
                f"max_num_boxes {self.max_num_boxes}; give {most} or more, so that an "
                "evaluation counts them all."
            )

    def evaluation_batches(self, split: str, batch_size: int) -> tf.data.Dataset:
        """Each example once: (images, labels, weights float32 [batch_size]).

        Labels are those of the class and two more, with which detections are mapped back:

        - "image_ids" int64 [batch_size]: the dataset's own, or else the position in the split.
        - "scale" float32 [batch_size, 2]: pixels of the network's input for each pixel of the
          stored image, y and x.

        The last batch is filled up with grey images of weight 0, with id -1, scale 1 and no
        objects; all others weigh 1. Images that cannot be decoded are left out.

        Raises:
          InputError: if an image has more than `max_num_boxes` objects.
        """
        self.require_rows(split)

        def prepare(example):
            image, labels = self._evaluation_example(example["image"], example["objects"])
            return image, {**labels, "image_ids": example["image_id"]}

        examples = map_images(
            self.source.examples(*self.source_range(split)),
            prepare,
            self.on_broken,
            leave_out=True,
        )
        labels = {**dict.fromkeys(examples.element_spec[1], 0), "image_ids": -1, "scale": 1}
        return filled_batches(examples, batch_size, padding=(0, labels))


def load(
    name: str,
    dataset_dir: str | None,
    image_size: int,
    reward_fraction: float | None = None,
    max_num_boxes: int = 100,
    keep_aspect_ratio: bool = False,
    on_broken: str = "skip",
) -> DetectionDataset:
    """Opens a dataset. `digit_scenes` is made if it is not there; nothing is ever downloaded.

    Args:
      name: "digit_scenes", or a name of tensorflow-datasets ("coco/2017", "voc/2007",
        "my_dataset:1.0.0") whose data are prepared in `dataset_dir`.
      dataset_dir: TFDS's data directory. Empty or None: the default one ($TFDS_DATA_DIR,
        ~/.cache/tunas_tf for digit_scenes, ~/tensorflow_datasets for others).
      image_size: side of the network's input in pixels.
      reward_fraction: share of the training set, its first examples, whose average precision
        is the search's reward. None: a tenth.
      max_num_boxes: rows of the labels. No image of COCO has more than 100 objects.
      keep_aspect_ratio: fit images into the network's input rather than stretch them.
      on_broken: what becomes of images that cannot be decoded, one of `tolerance.ON_BROKEN`.
    """
    if on_broken not in ON_BROKEN:
        raise InputError(f"on_broken is {on_broken!r}; use {', '.join(ON_BROKEN)}.")
    for argument, value in {"image_size": image_size, "max_num_boxes": max_num_boxes}.items():
        if value < 1:
            raise InputError(f"{argument} is {value}; it must be 1 or more.")
    embedded = name == "digit_scenes"
    dataset_dir = os.path.expanduser(dataset_dir or default_dataset_dir(embedded))
    if embedded:
        digit_scenes.prepare(dataset_dir)
    source = TfdsObjects(name, dataset_dir)
    conventions = conventions_of(name)
    if reward_fraction is None:
        reward_fraction = conventions.reward_fraction
    return DetectionDataset(
        name=name,
        dataset_dir=dataset_dir,
        num_classes=source.num_classes,
        class_names=source.class_names,
        category_ids=source.category_ids,
        image_size=image_size,
        max_num_boxes=max_num_boxes,
        keep_aspect_ratio=keep_aspect_ratio,
        reward_fraction=reward_fraction,
        num_reward_examples=num_reward_examples(source, reward_fraction),
        flip=conventions.flip,
        on_broken="keep" if embedded else on_broken,  # What is embedded is our own.
        source=source,
    )
