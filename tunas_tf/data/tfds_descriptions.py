"""What a dataset of tensorflow-datasets says about itself, before TFDS believes it.

features.json names Python classes, and TFDS imports whatever module they are said to be in.
dataset_info.json names splits and the files that hold them, and TFDS opens whatever path comes
out. A directory that was fetched from somewhere must do neither.
"""

import os
from collections.abc import Iterator
from typing import Any

from tunas_tf.common.errors import brief
from tunas_tf.common.json_files import parse_json, read_bytes

__all__ = ["FILE_NAMES", "problem"]

# Every prepared version of a dataset has both beside its images.
FILE_NAMES = ("dataset_info.json", "features.json")

_FEATURE_CLASSES = "tensorflow_datasets.core.features."
_CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
_PATH_KEYS = ("filepathTemplate", "filepath_template", "name")


def _entries(value: Any, keys: tuple[str, ...]) -> Iterator[Any]:
    """What stands under one of `keys`, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in keys:
                yield item
            yield from _entries(item, keys)
    elif isinstance(value, list):
        for item in value:
            yield from _entries(item, keys)


def _danger(name: str, content: Any) -> str | None:
    """Why the content of a description is not for TFDS, as a clause."""
    if name == "features.json":
        for found in _entries(content, _CLASS_KEYS):
            if isinstance(found, str) and "." in found and not found.startswith(_FEATURE_CLASSES):
                return f"names the class {brief(found)}, which is none of TFDS's own features"
    elif isinstance(content, dict):
        for found in _entries(content.get("splits"), _PATH_KEYS):
            if isinstance(found, str) and ("/" in found or "\\" in found or "\0" in found):
                return f"names {brief(found)} as a file of a split, which is a path elsewhere"
    return None


def problem(directory: str) -> str | None:
    """Why TFDS should not see the descriptions below `directory`, as a clause; None: it may.

    What is no JSON is left to TFDS, which refuses it if it is of the version that is asked for.
    """
    for parent, _, files in os.walk(directory):
        for name in FILE_NAMES:
            if name not in files:
                continue
            path = os.path.join(parent, name)
            try:
                danger = _danger(name, parse_json(read_bytes(path)))
            except OSError as error:
                return f"{path} cannot be read ({error.strerror})"
            except ValueError:
                continue
            if danger is not None:
                return f"{path} {danger}"
    return None
