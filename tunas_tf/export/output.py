"""The two files of an export: NAME.tflite, and NAME.json that describes it. No TensorFlow."""

import contextlib
import json
import os
from typing import Any, NamedTuple

from tunas_tf.common import checks
from tunas_tf.common.errors import InputError
from tunas_tf.common.json_files import check_version, parse_json, read_bytes
from tunas_tf.search_space.architecture import Architecture, network_from_json

__all__ = [
    "FORMAT",
    "ExportedNetwork",
    "check",
    "check_replaceable",
    "metadata_path",
    "read_network",
    "write",
]

# Marks the JSON files that are ours.
FORMAT = "tunas_tf export"

_SIDE = checks.integer(1, 2**16)
_DESCRIPTION = checks.record(
    {
        "architecture": checks.anything,
        # Batch, height, width, channels.
        "input": checks.record({"shape": checks.list_of(_SIDE, lengths=[4])}),
    }
)


class ExportedNetwork(NamedTuple):
    """What a .tflite file computes, and the side of its images in pixels."""

    architecture: Architecture
    image_size: int


def metadata_path(output: str) -> str:
    """Path of the description of the file `output`: m.tflite -> m.json."""
    return os.path.splitext(output)[0] + ".json"


def check(output: str) -> None:
    """Raises InputError if an export cannot be written to `output`, before work is spent on it."""
    if not output.endswith(".tflite") or os.path.basename(output) == ".tflite":
        raise InputError(f"--output is {output!r}; give the name of a file that ends in .tflite.")
    directory = os.path.dirname(output) or "."
    if not os.path.isdir(directory):
        raise InputError(f"the directory {directory} of --output does not exist; make it first.")
    if not os.access(directory, os.W_OK):
        raise InputError(
            f"the directory {directory} cannot be written; give an --output in one that you may "
            "write to."
        )
    for path in (output, metadata_path(output)):
        if os.path.isdir(path):
            raise InputError(f"{path} is a directory; give another --output.")
    if os.path.exists(metadata_path(output)) and not _has_format(metadata_path(output), FORMAT):
        raise InputError(
            f"{metadata_path(output)}, where the description of {output} goes, holds something "
            "else; give another --output."
        )


def check_replaceable(path: str, file_format: str) -> None:
    """Raises InputError, before work is spent on it, if a file of results cannot be written.

    Args:
      path: of the file; what lies there already is replaced only if it has the same format.
      file_format: what its entry "format" says.
    """
    directory = os.path.dirname(path) or "."
    if os.path.isdir(path) or not (os.path.isdir(directory) and os.access(directory, os.W_OK)):
        raise InputError(
            f"{path} cannot be written; --output is a file in a directory that you may write to."
        )
    if os.path.lexists(path) and not _has_format(path, file_format):
        raise InputError(
            f'{path} exists, and only a file of the format "{file_format}" would be replaced; '
            "give another --output, or remove it."
        )


def _has_format(path: str, file_format: str) -> bool:
    try:
        content = parse_json(read_bytes(path))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == file_format


def read_network(model: str) -> ExportedNetwork:
    """The network in a .tflite file, by its description.

    Raises:
      InputError: there is no description, or it is something else.
    """
    path = metadata_path(model)
    try:
        description = parse_json(read_bytes(path))
        check_version(path, description, "export")
        if isinstance(description, dict) and "detector" in description:
            raise InputError(
                f"{model} is a detector, and cost models of this command are of classifiers; "
                "leave --cost_model out."
            )
        _DESCRIPTION(description)
        image_size = description["input"]["shape"][1]
        return ExportedNetwork(network_from_json(description["architecture"]), image_size)
    except InputError:
        raise
    except (OSError, ValueError):
        raise InputError(
            f"there is no description of the network in {model}: {path} is missing or something "
            "else; give a file from export_tflite, or leave --cost_model out."
        ) from None


def write(output: str, tflite: bytes, metadata: dict[str, Any]) -> None:
    """Writes both files, each in one go, once the contents of both are on the disk.

    Raises:
      InputError: they cannot be written.
    """
    contents = {  # The description first: no .tflite file is without one.
        metadata_path(output): (json.dumps(metadata, indent=2) + "\n").encode(),
        output: tflite,
    }
    temporary = {path: f"{path}.tmp" for path in contents}
    try:
        for path, content in contents.items():
            with open(temporary[path], "wb") as file:
                file.write(content)
        for path in contents:
            os.replace(temporary[path], path)
    except OSError as error:
        raise InputError(
            f"{output} cannot be written ({error.strerror}); give an --output with space, in a "
            "directory that you may write to."
        ) from None
    finally:
        for path in temporary.values():
            with contextlib.suppress(OSError):
                os.remove(path)
