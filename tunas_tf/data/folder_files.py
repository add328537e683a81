"""Which files of an image folder are images, and what else there is."""

import collections
import dataclasses
import os
from collections.abc import Iterator, Sequence

from tunas_tf.common.errors import one_line

__all__ = ["EXTENSIONS", "Ignored", "find_ignored", "is_hidden", "is_image", "walk"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp")


@dataclasses.dataclass(frozen=True)
class Ignored:
    """What an image folder holds beside its images. What is hidden is not counted.

    Attributes:
      files: extension in lower case, "" for none -> number of files that are no images, the most
        frequent first.
      outside: images that lie in no folder of a class.
      links: linked directories below those of classes; what they lead to is not read.
      folders: names of those beside the folders for training and test.
    """

    files: dict[str, int]
    outside: int
    links: int
    folders: list[str]


def is_hidden(name: str) -> bool:
    """Whether a file or directory is made by a program for itself.

    macOS leaves "._photo.jpg" files that hold no image; ".thumbnails", ".ipynb_checkpoints",
    ".Trash" and Synology's "@eaDir" hold images a second time, or deleted ones.
    """
    return name.startswith(".") or name == "@eaDir"


def is_image(file: str) -> bool:
    return file.lower().endswith(EXTENSIONS)


def walk(directory: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, without what is hidden."""
    for parent, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if not is_hidden(name)]
        yield parent, directories, [file for file in files if not is_hidden(file)]


def _extension(file: str) -> str:
    return one_line(os.path.splitext(file)[1].lower(), 20)


def find_ignored(directory: str, splits: Sequence[str]) -> Ignored:
    """Lists the files once more, and opens none.

    Args:
      directory: the image folder.
      splits: names of its folders for training and test; empty if it has the classes itself.
    """
    parents = [os.path.join(directory, split) for split in splits] or [directory]
    others: collections.Counter[str] = collections.Counter()
    outside = links = 0
    for top in {directory, *parents}:
        _, _, files = next(walk(top))
        outside += sum(map(is_image, files))
        others.update(_extension(file) for file in files if not is_image(file))
    for top in parents:
        _, class_names, _ = next(walk(top))
        for name in class_names:
            for parent, directories, files in walk(os.path.join(top, name)):
                links += sum(os.path.islink(os.path.join(parent, inner)) for inner in directories)
                others.update(_extension(file) for file in files if not is_image(file))
    beside = set(next(walk(directory))[1]) - set(splits) if splits else set()
    by_number = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    return Ignored(dict(by_number), outside, links, sorted(beside))
