"""config.json, by which a directory is that of a run: what every reader may rely on.

    version                       of the format of the directory
    command                       what runs in the directory
    settings, derived             what decides the result, by name
    documents                     of DOCUMENTS those that lie beside it as NAME.json
    class_names                   of the data, in the order of the labels; runs from before this
                                  was noted have none
    flags, versions               for people

What a reader needs beyond that depends on the command. Names that are known here have the type
that is noted here, if they are there at all.
"""

import importlib.metadata
import itertools
import os
import platform
from collections.abc import Sequence
from typing import Any

from tunas_tf import __version__
from tunas_tf.common import checks
from tunas_tf.common.errors import InputError, brief
from tunas_tf.common.json_files import read_json

__all__ = ["DOCUMENTS", "FILE_NAME", "read", "require_same_classes", "versions"]

FILE_NAME = "config.json"
# No other name is ever made a path.
DOCUMENTS = ("cost_model", "search_space")

_PACKAGES = ("numpy", "tensorflow", "tensorflow-datasets", "tf-models-official", "tf_keras")

_COUNT = checks.integer(1, 2**31 - 1)
_COUNT_OR_NONE = checks.integer(0, 2**31 - 1)
_SHARE = checks.number(0, 1)

_SETTINGS = {
    "cost_tolerance": _SHARE,
    "dataset": checks.text,
    "detector": checks.text,
    "ema_decay": _SHARE,
    "enable_cost_model": checks.boolean,
    "expanded_features": checks.nullable(checks.boolean),
    "filters_multiplier": checks.number(0),
    "image_size": checks.integer(1, 2**16),
    "keep_aspect_ratio": checks.boolean,
    "network": checks.record({}),
    "num_filters": checks.nullable(_COUNT),
    "path_dropout_rate": _SHARE,
    "reward_fraction": checks.nullable(_SHARE),
    "rl_reward_function": checks.text,
    "seed": checks.integer(0, 2**31 - 1),
    "separable": checks.nullable(checks.boolean),
    "ssd": checks.nullable(checks.text),
}
_DERIVED = {
    "dropout_rate": _SHARE,
    "madds": checks.integer(0),
    "num_classes": checks.nullable(_COUNT_OR_NONE),
    "params": checks.integer(0),
    "reward_fraction": checks.nullable(_SHARE),
    # Costs are compared with it by division.
    "rl_cost_model_target": checks.nullable(checks.number(1e-30, 1e30)),
    "test_split": checks.text,
    "total_steps": checks.integer(1),
    "train_split": checks.text,
}


def _class_name(value: Any, where: str = "") -> None:
    """A text; it may be the name of a folder, which holds any character."""
    if not isinstance(value, str):
        raise ValueError(f"its {where} is {brief(value)} rather than a text")


_CHECK = checks.record(
    {"command": checks.text},
    optional={
        "class_names": checks.list_of(_class_name),
        "derived": checks.record({}, _DERIVED),
        "documents": checks.list_of(checks.choice(*DOCUMENTS)),
        "flags": checks.record({}, {"dataset_dir": checks.nullable(checks.text)}),
        "settings": checks.record({}, _SETTINGS),
        "versions": checks.mapping_of(checks.text),
    },
)


def read(directory: str, remedy: str) -> dict[str, Any]:
    """The config.json in `directory`, with its documents under their names, without their version.

    Args:
      directory: of the run.
      remedy: what to do if it cannot be used, as an imperative.

    Raises:
      InputError: a file is missing, or is not that of a run.
    """
    path = os.path.join(directory, FILE_NAME)
    config = read_json(path, remedy, "config")
    try:
        _CHECK(config)
    except ValueError as error:
        raise InputError(f"{path} is not that of a run, as {error}; {remedy}.") from None
    for name in config.get("documents", ()):
        config[name] = read_json(os.path.join(directory, f"{name}.json"), remedy, name)
        config[name].pop("version", None)
    return config


def require_same_classes(directory: str, then: Sequence[str], now: Sequence[str]) -> None:
    """Raises InputError if the labels of data stand for other classes than those of a run.

    Args:
      directory: of the run.
      then, now: class names in the order of the labels, of the run and of the data.
    """
    for label, names in enumerate(itertools.zip_longest(then, now)):
        if names[0] != names[1]:
            before, after = ("none" if name is None else brief(name) for name in names)
            raise InputError(
                f"the data have other classes than those of the run in {directory}: class {label} "
                f"was {before}, now it is {after}; give the --dataset and --dataset_dir of the "
                "run, or another --checkpoint_dir."
            )


def versions() -> dict[str, str]:
    """Of this program, of Python and of the libraries that decide the result of a run."""
    return {
        "tunas_tf": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
