"""Images with marked objects, of a tensorflow-datasets dataset that is prepared on disk."""

import functools
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from object_detection.data import coco
from tunas_tf.common.errors import InputError
from tunas_tf.data import tfds_files, tfds_shards
from tunas_tf.data.conventions import BACKGROUND, base_name, conventions_of
from tunas_tf.data.tfds_files import quiet_tfds

__all__ = ["TfdsObjects"]

# Encoded images held for shuffling: about 330 MB of COCO's JPEGs.
_SHUFFLE_BUFFER = 2048

# A test split without a box in so many images has none at all: its annotations are secret.
_NUM_PROBED = 200

# Objects marked so are left out of training and neither right nor wrong when found.
_CROWD_KEYS = ("is_crowd", "is_difficult")

# TFDS's own; files of older versions do not name it.
_BBOX_FORMAT = "REL_YXYX"


class TfdsObjects:
    """The images of a dataset found in `dataset_dir`; nothing is ever downloaded.

    A dataset has the features "image" and "objects", a sequence with "bbox" and "label" and,
    where it has them, "area" and "is_crowd" (COCO) or "is_difficult" (VOC); of the rest only
    "image/id" is used. Its label n is class n + 1. Objects that are of no use are left out:
    boxes with no area inside of the image or with NaN, and labels that are not among its
    classes (-1 is TFDS's mark of an unknown one). Boxes are clipped to the image.

    Attributes:
      class_names: of class 0, which is "background", and of the dataset's own.
      num_classes: including class 0.
      category_ids: of each class, what annotations call it: COCO's id, else the class.
      image_shape: (height, width) if all images have the same, else None.
    """

    def __init__(self, name: str, dataset_dir: str):
        """Opens the dataset.

        Args:
          name: as TFDS writes it: "coco/2017", "voc", "my_dataset:1.0.0".
          dataset_dir: TFDS's data directory, which holds a directory of that name.
        """
        self._name, self._dataset_dir = name, dataset_dir
        self._builder = tfds_files.open_builder(name, dataset_dir)
        features = self._builder.info.features
        names = tuple(_object_features(name, features)["label"].names)
        self.class_names = (BACKGROUND, *names)
        self.num_classes = len(self.class_names)
        self.category_ids = _category_ids(name, names)
        height, width, _ = features["image"].shape
        self.image_shape = None if height is None or width is None else (height, width)
        self._check("train")
        if not self._has_objects("train", self.num_examples("train")):
            raise InputError(
                f"the dataset {name} has no boxes in its 'train' split; give one with boxes, in "
                "shares of the image's height and width."
            )

    def _check(self, split: str) -> None:
        tfds_files.check_split(self._name, self._dataset_dir, self._builder, split)

    @functools.cached_property
    def _test_split(self) -> str:
        """ "test", or "validation" where there is no test split or one without boxes."""
        splits = self._builder.info.splits
        if agreed := conventions_of(self._name).test_split:
            name = agreed
        elif "test" not in splits or "validation" not in splits:
            name = "validation" if "validation" in splits else "test"
        else:
            self._check("test")
            number = min(_NUM_PROBED, splits["test"].num_examples)
            name = "test" if self._has_objects("test", number) else "validation"
        self._check(name)
        return name

    def _has_objects(self, own_split: str, number: int) -> bool:
        """Whether there are any among the first `number` images of the dataset's own split."""
        counts = self._read(own_split, 0, number, with_images=False).map(_num_objects)
        return any(True for _ in counts.filter(lambda count: count > 0).take(1))

    def origin(self, split: str) -> str:
        """The name that the dataset itself has for "train" or "test"."""
        return split if split == "train" else self._test_split

    def num_examples(self, split: str) -> int:
        """Size of "train" or "test"; InputError if it is not there or not complete."""
        return self._builder.info.splits[self.origin(split)].num_examples

    @functools.cache  # noqa: B019  # A source lives as long as the command.
    def most_objects(self, split: str, start: int, stop: int) -> int:
        """Number of objects in the image that has most, found by reading all annotations."""
        counts = self._read(self.origin(split), start, stop, with_images=False).map(_num_objects)
        return int(counts.reduce(0, tf.maximum))

    def examples(
        self, split: str, start: int, stop: int, shuffle_seed: int | None = None
    ) -> tf.data.Dataset:
        """Examples `start` to `stop` of "train" or "test".

        With a seed their order is random, another one in each repetition.

        Returns:
          Dictionaries: "image" encoded; "image_id" int64, the dataset's own or else the
          position in the split; "objects", a dictionary of "boxes" float32 [n, 4] (ymin, xmin,
          ymax, xmax as shares of the image), "classes" int32 [n], "is_crowd" bool [n], and
          "areas" float32 [n] in pixels, 0 if not known.
        """
        return self._read(self.origin(split), start, stop, shuffle_seed)

    def ordered_examples(
        self, split: str, start: int, stop: int, seed: int, first: int
    ) -> tf.data.Dataset:
        """Examples `start` to `stop` in a random order that is a function of the seed, endlessly.

        The sequence begins with its example `first`, and nothing depends on what came before.

        Returns:
          Dictionaries: "image" and "objects", as of `examples`.
        """
        with quiet_tfds():
            dataset = tfds_shards.ordered_examples(
                self._builder,
                f"{self.origin(split)}[{start}:{stop}]",
                self._decoding({"image": True}),
                _SHUFFLE_BUFFER // 2,  # There are two such blocks in memory.
                seed,
                first,
            )
        return dataset.map(
            lambda example: {
                "image": example["image"],
                "objects": _usable(_objects(example["objects"]), self.num_classes),
            },
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    def _decoding(self, wanted: dict[str, bool]) -> tfds.decode.PartialDecoding:
        """Objects and what else is wanted; images stay encoded."""
        features = self._builder.info.features["objects"].feature
        return tfds.decode.PartialDecoding(
            {"objects": {"bbox", "label", "area", *_CROWD_KEYS} & set(features), **wanted},
            decoders={"image": tfds.decode.SkipDecoding()} if "image" in wanted else None,
        )

    def _read(
        self, own_split: str, start: int, stop: int, shuffle_seed=None, with_images=True
    ) -> tf.data.Dataset:
        """The same for one of the dataset's own splits, on request without "image"."""
        features = self._builder.info.features
        shuffle = shuffle_seed is not None
        has_ids = "image/id" in features and _is_integer(features["image/id"])
        wanted = {"image/id": True} if has_ids else {}
        if with_images:
            wanted["image"] = True
        with quiet_tfds():
            dataset = self._builder.as_dataset(
                split=f"{own_split}[{start}:{stop}]",
                shuffle_files=shuffle,
                read_config=tfds.ReadConfig(
                    shuffle_seed=shuffle_seed, try_autocache=False, skip_prefetch=True
                ),
                decoders=self._decoding(wanted),
            )

        def annotated(index, example):
            found = {
                "image_id": tf.cast(example["image/id"], tf.int64) if has_ids else index,
                "objects": _usable(_objects(example["objects"]), self.num_classes),
            }
            return {**found, "image": example["image"]} if with_images else found

        dataset = dataset.enumerate(start).map(annotated, num_parallel_calls=tf.data.AUTOTUNE)
        return dataset.shuffle(_SHUFFLE_BUFFER, seed=shuffle_seed) if shuffle else dataset


def _is_integer(feature) -> bool:
    return (
        isinstance(feature, tfds.features.Tensor)
        and feature.shape == ()
        and np.issubdtype(feature.np_dtype, np.integer)
    )


def _num_objects(example: dict) -> tf.Tensor:
    return tf.size(example["objects"]["classes"])


def _objects(stored: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """COCO's or VOC's features of objects under the names that are used here."""
    boxes = stored["bbox"]
    number = tf.shape(boxes)[:1]
    marks = [stored[key] for key in _CROWD_KEYS if key in stored]
    return {
        "boxes": boxes,
        "classes": tf.cast(stored["label"], tf.int32) + 1,
        "is_crowd": functools.reduce(tf.logical_or, marks, tf.zeros(number, tf.bool)),
        "areas": tf.cast(stored["area"], tf.float32) if "area" in stored else tf.zeros(number),
    }


def _usable(objects: dict[str, tf.Tensor], num_classes: int) -> dict[str, tf.Tensor]:
    """Without the objects that no network can learn or find, and clipped to the image."""
    usable = tf.reduce_all(tf.math.is_finite(objects["boxes"]), axis=1)
    boxes = tf.clip_by_value(objects["boxes"], 0.0, 1.0)
    usable &= tf.reduce_all(boxes[:, 2:] > boxes[:, :2], axis=1)
    usable &= (objects["classes"] >= 1) & (objects["classes"] < num_classes)
    clipped = {**objects, "boxes": boxes}
    return {key: tf.boolean_mask(value, usable) for key, value in clipped.items()}


def _object_features(name: str, features: tfds.features.FeaturesDict) -> Mapping:
    """The features of one object; InputError if the dataset is not for object detection."""
    image, sequence = (features[key] if key in features else None for key in ("image", "objects"))
    objects = getattr(sequence, "feature", None)
    if not tfds_files.holds_images(image):
        problem = "no image of bytes"
    elif not isinstance(objects, tfds.features.FeaturesDict) or "bbox" not in objects:
        problem = "no objects with boxes"
    elif not isinstance(objects["bbox"], tfds.features.BBoxFeature):
        problem = "objects with a bbox that is not a BBoxFeature"
    elif getattr(objects["bbox"].bbox_format, "value", _BBOX_FORMAT) != _BBOX_FORMAT:
        problem = f"boxes in the format {objects['bbox'].bbox_format.value}, not {_BBOX_FORMAT},"
    elif "label" not in objects or not tfds_files.holds_classes(objects["label"]):
        problem = f"objects without a class label (of 1 to {tfds_files.MAX_NUM_CLASSES:,} classes)"
    else:
        return objects
    raise InputError(
        f"the dataset {name} has {problem} among its features {', '.join(sorted(features))}; "
        "give one for object detection, like digit_scenes, coco/2017 or voc/2007."
    )


def _category_ids(name: str, names: tuple[str, ...]) -> tuple[int, ...]:
    if base_name(name) != "coco":
        return tuple(range(len(names) + 1))
    if names != coco.CATEGORY_NAMES:
        raise InputError(
            f"the labels of {name} are {len(names)} ({', '.join(names[:3])}, ...) rather than "
            "COCO's 80 categories in the order of their ids; prepare it from COCO's own files."
        )
    return (0, *coco.CATEGORY_IDS)
