"""Reads the files of a run directory, finished or not."""

import base64
import collections
import os
from typing import Any, NamedTuple

import numpy as np

from tunas_tf.common import checks, json_files, run_config
from tunas_tf.common.errors import InputError, brief

__all__ = ["Curve", "load_config", "picture_uri", "read_json", "read_metrics"]

_REMEDY = "restore it or delete it"

# Each becomes a picture; a detector has some twenty.
_MAX_METRICS = 200

_CHECK_METRICS = checks.mapping_of(checks.number())


def read_json(
    directory: str, name: str, check: checks.Check = checks.anything
) -> dict[str, Any] | None:
    """The content of a JSON file of the run, None if it is not there (yet).

    Args:
      directory: of the run.
      name: of the file; without .json it is its kind, see `json_files.VERSIONS`.
      check: what its content must be, as of `checks`.

    Raises:
      InputError: the file is damaged.
    """
    path = os.path.join(directory, name)
    if not os.path.lexists(path):
        return None
    value = json_files.read_json(path, _REMEDY, kind=name.removesuffix(".json"))
    try:
        check(value)
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}; {_REMEDY}.") from None
    return value


def load_config(directory: str) -> dict[str, Any] | None:
    """config.json with the documents that it names; None if the directory holds no run."""
    if not os.path.lexists(os.path.join(directory, run_config.FILE_NAME)):
        return None
    return run_config.read(directory, _REMEDY)


class Curve(NamedTuple):
    """A metric over the steps of a run.

    Attributes:
      steps, values: [points], in order.
    """

    steps: np.ndarray
    values: np.ndarray


def read_metrics(directory: str) -> dict[str, Curve]:
    """metrics.jsonl by the name of the metric; empty before the first loop of steps."""
    path = os.path.join(directory, "metrics.jsonl")
    points: dict[str, dict[int, float]] = collections.defaultdict(dict)
    try:
        lines = json_files.read_lines(path)
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {_REMEDY}.") from None
    for line in lines:
        try:
            metrics = json_files.parse_json(line)
            _CHECK_METRICS(metrics)
            checks.integer(0)(metrics.get("step"))
        except ValueError:
            continue  # The run was killed there, and has gone on behind it.
        step = metrics.pop("step")
        for name, value in metrics.items():
            points[name][step] = float(value)
    if len(points) > _MAX_METRICS:
        raise InputError(
            f"{path} holds {len(points):,} different metrics, {brief(min(points))} for example, "
            f"where a run has {_MAX_METRICS} at most; {_REMEDY}."
        )
    return {
        name: Curve(np.array(sorted(by_step)), np.array([by_step[s] for s in sorted(by_step)]))
        for name, by_step in points.items()
    }


def picture_uri(path: str) -> str:
    """A PNG file as a data URI."""
    try:
        content = json_files.read_bytes(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {_REMEDY}.") from None
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
