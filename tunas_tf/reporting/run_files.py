"""Reads the files of a run directory, finished or not."""

import collections
import json
import os
from typing import Any, NamedTuple, Optional

import numpy as np

from tunas_tf.common.errors import InputError

__all__ = ["Curve", "load_config", "read_json", "read_metrics"]


def read_json(directory: str, name: str) -> Optional[Any]:
    """The content of a JSON file of the run, None if it is not there (yet).

    Raises:
      InputError: the file is damaged.
    """
    path = os.path.join(directory, name)
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise InputError(f"{path} is damaged: it is not JSON; restore it or delete it.") from None


def load_config(directory: str) -> Optional[dict[str, Any]]:
    """config.json with the documents that it names; None if the directory holds no run."""
    config = read_json(directory, "config.json")
    if config is None:
        return None
    if not isinstance(config, dict) or "command" not in config:
        raise InputError(f"the config.json in {directory} is not that of a run.")
    for name in config.get("documents", ()):
        config[name] = read_json(directory, f"{name}.json")
    return config


class Curve(NamedTuple):
    """A metric over the steps of a run.

    Attributes:
      steps, values: [points], in order.
    """

    steps: np.ndarray
    values: np.ndarray


def read_metrics(directory: str) -> dict[str, Curve]:
    """metrics.jsonl by the name of the metric; empty before the first loop of steps."""
    points: dict[str, dict[int, float]] = collections.defaultdict(dict)
    try:
        with open(os.path.join(directory, "metrics.jsonl"), encoding="utf-8") as file:
            lines = file.readlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        try:
            metrics = json.loads(line)
            step = int(metrics.pop("step"))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue  # The run is writing this line, or was killed there.
        for name, value in metrics.items():
            points[name][step] = float(value)
    return {
        name: Curve(np.array(sorted(by_step)), np.array([by_step[s] for s in sorted(by_step)]))
        for name, by_step in points.items()
    }
