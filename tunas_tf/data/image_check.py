"""Finding the images of a folder that cannot be decoded, without decoding all of them.

Most broken images are empty, are no images, or end early, which the first and the last bytes of
a file show: one small read each. Only what looks wrong there is decoded, so that no image that
can be used is called broken. Damage in the middle of a file is found by decoding alone.
"""

import os
import stat
import sys
from collections.abc import Sequence
from concurrent import futures
from typing import NamedTuple

import tensorflow as tf

from tunas_tf.common.errors import one_line
from tunas_tf.data import preprocessing

__all__ = ["BrokenFile", "describe", "find_broken", "warn"]

# Threads wait for the disk; each takes many files at a time, as reading one from memory takes
# less time than handing it over.
_NUM_THREADS = 16
_FILES_AT_ONCE = 256
_MAX_NAMED = 10
_TAIL_BYTES = 512

# Of a pixel of a BMP that TensorFlow may be able to decode.
_BMP_BITS = (8, 24, 32)

# First bytes of a format, and what is among the last ones of a whole file. Programs that write
# JPEGs may put a few bytes of their own behind the end.
_FORMATS = {
    b"\xff\xd8\xff": b"\xff\xd9",
    b"\x89PNG\r\n\x1a\n": b"IEND\xae\x42\x60\x82",
    b"GIF8": b"\x3b",
}


class BrokenFile(NamedTuple):
    """A file that cannot be decoded, and why, as a clause; None: it can be."""

    path: str
    problem: str | None


def _looks_whole(path: str) -> bool:
    """Whether the ends of a file are those of an image; raises OSError if it cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # It may be a FIFO.
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "it is no regular file")
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            head = file.read(30)
            if head.startswith(b"BM"):  # Its length and its bits per pixel stand in the file.
                length, bits = head[2:6], int.from_bytes(head[28:30], "little")
                return int.from_bytes(length, "little") == status.st_size and bits in _BMP_BITS
            file.seek(max(0, status.st_size - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
    finally:
        os.close(descriptor)
    return any(head.startswith(start) and end in tail for start, end in _FORMATS.items())


def _problem(path: str) -> str | None:
    """Why an image cannot be decoded; None if it looks whole or can be."""
    try:
        if _looks_whole(path):
            return None
        preprocessing.decode(tf.io.read_file(path))
        return None
    except OSError as error:
        return error.strerror or str(error)
    except tf.errors.OpError as error:
        text = error.message.partition("\n")[0].partition(" [Op:")[0]
        return one_line(text.partition("}} ")[2] or text, 100).rstrip(".")


def find_broken(paths: Sequence[str]) -> list[BrokenFile]:
    """The files among `paths` that cannot be decoded, as far as their ends show it."""
    parts = [paths[i : i + _FILES_AT_ONCE] for i in range(0, len(paths), _FILES_AT_ONCE)]
    with futures.ThreadPoolExecutor(_NUM_THREADS) as pool:
        found = pool.map(lambda part: [BrokenFile(path, _problem(path)) for path in part], parts)
        return [broken for part in found for broken in part if broken.problem is not None]


def describe(broken: Sequence[BrokenFile]) -> str:
    """The files with what is wrong with them: the first ten, and how many more."""
    named = ", ".join(f"{one_line(path)} ({problem})" for path, problem in broken[:_MAX_NAMED])
    return f"{named} and {len(broken) - _MAX_NAMED} more" if len(broken) > _MAX_NAMED else named


def warn(directory: str, broken: Sequence[BrokenFile], num_files: int) -> None:
    """One warning for all images that are left out."""
    print(
        f"warning: {len(broken)} of the {num_files} images in {directory} cannot be decoded and "
        f"are left out: {describe(broken)}.",
        file=sys.stderr,
    )
