"""Looks at a dataset as training will: is it complete, can its images be decoded, how fast?"""

import collections
import dataclasses
import math
import re
import time
from collections.abc import Iterator, Sequence

import tensorflow as tf
import tqdm

from tunas_tf.common.errors import InputError
from tunas_tf.data import exif, preprocessing
from tunas_tf.data.classification import ClassificationDataset
from tunas_tf.data.conventions import conventions_of
from tunas_tf.data.folder_files import Ignored
from tunas_tf.data.image_source import Part

__all__ = ["BrokenImage", "ImagesRead", "Inspection", "SplitFiles", "inspect"]

_SPLITS = ("train", "search_train", "search_validation", "test")

# The first bytes of the formats that can be decoded.
_FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"BM": "BMP", b"GIF8": "GIF"}

# A sample is from so many files, if they have enough: opening one takes as long as some images.
_SAMPLED_PARTS = 32

# The speed of training is measured for so long, after a start in which buffers fill.
_START_SECONDS = 0.5
_MEASURED_SECONDS = 2.0
_MEASURED_BATCH = 32


@dataclasses.dataclass(frozen=True)
class SplitFiles:
    """A split and its files.

    Attributes:
      name: of the split.
      origin: what it is of the dataset, in TFDS's notation: "train[:50046]".
      num_examples: its size.
      num_files: files that hold any of it.
      num_bytes: of these; of a file that other splits share, the share of its examples.
    """

    name: str
    origin: str
    num_examples: int
    num_files: int
    num_bytes: int


@dataclasses.dataclass(frozen=True)
class BrokenImage:
    """An image that cannot be decoded: example `index` of `split`, in the file `file`."""

    split: str
    index: int
    file: str
    problem: str


@dataclasses.dataclass(frozen=True)
class ImagesRead:
    """What was seen in the examples of "train" or "test" that were read.

    Attributes:
      split: "train" or "test".
      num_read, num_examples: so many examples were read, of so many.
      labels: label -> number of images.
      heights, widths: of the images in pixels, in ascending order.
      formats: "JPEG", "PNG", "BMP", "GIF" or "other" -> number of images.
      num_turned: images that are not stored upright, as their EXIF orientation says.
      broken: the images that cannot be decoded; they are counted as read and nowhere else.
    """

    split: str
    num_read: int
    num_examples: int
    labels: dict[int, int]
    heights: list[int]
    widths: list[int]
    formats: dict[str, int]
    num_turned: int
    broken: list[BrokenImage]


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
      dataset: that was looked at.
      splits: all that it has.
      images: what was read of "train" and, if there is one, of "test".
      class_sizes: split -> label -> number of images; only of splits where it is known, as all
        images were read or their folders say it. A background is no class here.
      ignored: files that are not used; None if the dataset's files are no image folder.
      images_per_second: that training reads, decodes, augments and resizes on this machine;
        None if there are broken images.
    """

    dataset: ClassificationDataset
    splits: list[SplitFiles]
    images: list[ImagesRead]
    class_sizes: dict[str, dict[int, int]]
    ignored: Ignored | None
    images_per_second: float | None


def _split_files(dataset: ClassificationDataset, name: str) -> SplitFiles:
    source_split, start, stop = dataset.source_range(name)
    num_files = num_bytes = 0.0
    for part in dataset.source.parts(source_split):
        shared = min(part.stop, stop) - max(part.start, start)
        if shared > 0:
            share = shared / (part.stop - part.start)
            num_files += max(1, share * part.num_files)
            num_bytes += share * part.num_bytes
    return SplitFiles(name, dataset.origin(name), stop - start, round(num_files), round(num_bytes))


def _stretches(parts: list[Part], num_examples: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the examples to read: the first ones of parts that are evenly spread.

    Args:
      parts: of the split.
      num_examples: how many; 0 for all.
    """
    if not 0 < num_examples < parts[-1].stop:
        yield from ((part.start, part.stop) for part in parts)
        return
    needed = math.ceil(num_examples * len(parts) / parts[-1].stop)
    number = min(len(parts), num_examples, max(needed, _SAMPLED_PARTS))
    for i in range(number):
        part = parts[i * len(parts) // number]
        wanted = (i + 1) * num_examples // number - i * num_examples // number
        yield part.start, min(part.stop, part.start + wanted)


def _look(encoded: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(first bytes, [height, width, label]) of an image, after decoding all of it."""
    height, width, _ = tf.unstack(tf.shape(preprocessing.decode(encoded)))
    return tf.strings.substr(encoded, 0, exif.HEAD_BYTES), tf.stack([height, width, label])


def _format(first_bytes: bytes) -> str:
    names = [name for start, name in _FORMATS.items() if first_bytes.startswith(start)]
    return names[0] if names else "other"


def _reason(error: StopIteration | tf.errors.OpError) -> str:
    """What TensorFlow says, without the place in its graph."""
    if isinstance(error, StopIteration):
        return "the file ends before it"
    text = error.message.partition("\n")[0].partition(" [Op:")[0]
    return re.sub(r"^(\{\{.*?\}\} )?(Error in .*? Iterator::\S+: )?", "", text).strip(" .")


def _read(
    dataset: ClassificationDataset, split: str, num_examples: int
) -> tuple[ImagesRead, list[int | None]]:
    """(what was seen, the label of each example that was read, None of a broken one)."""
    source = dataset.source
    stretches = list(_stretches(source.parts(split), num_examples))
    num_read = sum(stop - start for start, stop in stretches)
    formats: collections.Counter[str] = collections.Counter()
    labels: list[int | None] = []
    heights, widths, broken = [], [], []
    num_turned = 0
    # A bar only on a terminal, and only if it takes long.
    progress = tqdm.tqdm(total=num_read, desc=split, unit="img", delay=2, leave=False, disable=None)
    with progress:
        for start, stop in stretches:
            examples = source.examples(split, start, stop)
            iterator = iter(examples.map(_look, num_parallel_calls=tf.data.AUTOTUNE))
            for index in range(start, stop):
                progress.update()
                try:
                    head, numbers = next(iterator)
                except tf.errors.InvalidArgumentError as error:
                    # This image alone: the iterator goes on with the next.
                    file = source.file_of(split, index)
                    broken.append(BrokenImage(split, index, file, _reason(error)))
                    labels.append(None)
                except (tf.errors.OpError, StopIteration) as error:
                    raise InputError(
                        f"the file {source.file_of(split, index)} is damaged, example {index} of "
                        f"{split} cannot be read ({_reason(error)}); {source.remedy}."
                    ) from None
                else:
                    height, width, label = numbers.numpy().tolist()
                    heights.append(height)
                    widths.append(width)
                    labels.append(label)
                    formats[_format(head.numpy())] += 1
                    num_turned += exif.orientation(head.numpy()) != 1
    counted = collections.Counter(label for label in labels if label is not None)
    images = ImagesRead(
        split=split,
        num_read=num_read,
        num_examples=source.num_examples(split),
        labels=dict(sorted(counted.items())),
        heights=sorted(heights),
        widths=sorted(widths),
        formats=dict(formats.most_common()),
        num_turned=num_turned,
        broken=broken,
    )
    return images, labels


def _class_sizes(
    dataset: ClassificationDataset, names: list[str], labels: dict[str, Sequence[int | None]]
) -> dict[str, dict[int, int]]:
    """`Inspection.class_sizes` of the splits `names`.

    Args:
      dataset: that has the splits.
      names: of the splits.
      labels: of "train" and "test", in order; of all examples, or too few to count them.
    """
    classes = range(conventions_of(dataset.name).background_class, dataset.num_classes)
    sizes = {}
    for name in names:
        source_split, start, stop = dataset.source_range(name)
        if len(labels[source_split]) == dataset.source.num_examples(source_split):
            counted = collections.Counter(labels[source_split][start:stop])
            sizes[name] = {label: counted[label] for label in classes}
    return sizes


def _images_per_second(dataset: ClassificationDataset) -> float:
    """The speed of training's own pipeline, without a network behind it."""
    batch_size = min(_MEASURED_BATCH, dataset.num_examples("train"))
    batches = iter(dataset.training_batches("train", batch_size, seed=0))

    def count(seconds: float) -> float:
        number, start = 0, time.monotonic()
        while time.monotonic() < start + seconds:
            next(batches)
            number += batch_size
        return number / (time.monotonic() - start)

    try:
        next(batches)  # Fills the shuffle buffer, or the cache.
        count(_START_SECONDS)
        return count(_MEASURED_SECONDS)
    except tf.errors.OpError as error:
        raise InputError(
            f"an example of {dataset.name} that was not among those read is broken "
            f"({_reason(error)}); --num_examples=0 reads all and names it."
        ) from None


def inspect(dataset: ClassificationDataset, num_examples: int) -> Inspection:
    """Reads a part of a dataset, or all of it.

    Args:
      dataset: as `data.load` opens it.
      num_examples: to read of the training set, and of the test set; 0 for all.

    Raises:
      InputError: if a file is missing or damaged. Images that cannot be decoded are results.
    """
    names = [name for name in _SPLITS if name != "test" or "test" in dataset.source.splits]
    splits = [_split_files(dataset, name) for name in names]
    images, labels = [], dict[str, Sequence[int | None]]()
    for split in dataset.source.splits:
        seen, labels_read = _read(dataset, split, num_examples)
        images.append(seen)
        labels[split] = dataset.source.labels(split) or labels_read
    decoded = not any(seen.broken for seen in images)
    return Inspection(
        dataset=dataset,
        splits=splits,
        images=images,
        class_sizes=_class_sizes(dataset, names, labels),
        ignored=dataset.source.ignored(),
        images_per_second=_images_per_second(dataset) if decoded else None,
    )
