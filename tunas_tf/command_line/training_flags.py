"""The flags of commands that train, and what every such command does with them."""

import dataclasses
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from absl import flags

from tunas_tf.command_line import app, strategy_flags
from tunas_tf.command_line.app import own_flags
from tunas_tf.common import run_config
from tunas_tf.common.errors import InputError
from tunas_tf.training import recipe

__all__ = [
    "data_arguments",
    "define",
    "define_data",
    "define_label_smoothing",
    "fill",
    "information",
    "print_settings",
    "require_checkpoint_dir",
    "settings",
    "stop_cleanly",
]

FLAGS = flags.FLAGS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")

# What may change between two processes of one run: where things lie (what is found there is
# compared instead), the cadence, how the same numbers are computed, and what to do about numbers
# that are none.
_FREE_TO_CHANGE = {
    *strategy_flags.NAMES,
    "checkpoint_dir",
    "checkpoint_interval",
    "cost_model",
    "dataset_dir",
    "execution",
    "iterations_per_loop",
    "on_nan",
    "rematerialize",
    "space_module",
    "strict",
}


def define_data(
    dataset: str = "digits",
    datasets: str = "digits, image_folder, or any image classification dataset of "
    "tensorflow-datasets.",
) -> None:
    """Defines the flags that say which data a command reads, for `data.load`.

    Args:
      dataset: the default, one that is embedded.
      datasets: which there are, for the help.
    """
    flags.DEFINE_string("dataset", dataset, datasets)
    flags.DEFINE_string("dataset_dir", None, "Where the dataset is; default: the usual place.")
    flags.DEFINE_float(
        "reward_fraction",
        None,
        "Part of the training set that a search holds out for the reward; default: the dataset's "
        "own (imagenet2012: the published 50,046 images; else 0.1).",
        lower_bound=0,
        upper_bound=1,
    )


def define(epochs: float, train_batch_size: int, **data: str) -> None:
    """Defines the flags that all training commands have, with the given defaults.

    Args:
      epochs, train_batch_size: defaults.
      **data: arguments of `define_data`.
    """
    flags.DEFINE_string("checkpoint_dir", None, "Directory of the run; resumes if it holds one.")
    define_data(**data)
    flags.DEFINE_float("epochs", epochs, "Passes over the training examples.", lower_bound=0)
    flags.DEFINE_integer(
        "train_batch_size", train_batch_size, "Examples per step, all replicas.", lower_bound=1
    )
    flags.DEFINE_bool(
        "strict",
        False,
        "Whether images that cannot be decoded end the command: those of a folder before it does "
        "anything. Otherwise they are left out or replaced, with a warning.",
    )
    flags.DEFINE_bool(
        "augment", True, "Whether training crops images at random, and mirrors them if it may."
    )
    flags.DEFINE_enum(
        "optimizer",
        "rmsprop",
        recipe.OPTIMIZERS,
        "Of the weights: rmsprop (published for classifiers), gradient descent with momentum "
        "(published for detectors), or adam (for few steps; its rates are much lower).",
    )
    flags.DEFINE_enum(
        "use_bfloat16",
        "auto",
        recipe.PRECISIONS,
        "Whether networks compute in bfloat16; ontpu: on TPUs only; auto: as ontpu for "
        "mobilenet_v3_like_search, which needs it to fit on TPU v2, else false.",
    )
    flags.DEFINE_integer(
        "iterations_per_loop", 50, "Steps between two looks at the progress.", lower_bound=1
    )
    flags.DEFINE_integer(
        "checkpoint_interval", 500, "Steps between two checkpoints.", lower_bound=1
    )
    flags.DEFINE_bool(
        "deterministic",
        False,
        "Whether the seed decides every bit, even if the run is killed and resumed, on the same "
        "machine: operations take sums in a fixed order, which may be slower, and the data have "
        "an order in which a resumed run finds its place. Without it a resumed run goes on with "
        "data in another order.",
    )
    flags.DEFINE_enum(
        "on_nan",
        "stop",
        recipe.NAN_POLICIES,
        "What to do when a loss or a reward is not a finite number: stop the run, or skip the "
        "step, which leaves weights and controller as they were and is counted; that takes "
        "memory for a copy of the weights. May change when a run is resumed.",
    )


def define_label_smoothing() -> None:
    flags.DEFINE_float("label_smoothing", 0.1, "Of the training loss.", 0, 1)


def data_arguments() -> dict[str, Any]:
    """What the flags of every dataset say to `data.load`; InputError if one has no effect."""
    app.require_effect(
        not FLAGS.strict or FLAGS.dataset != FLAGS["dataset"].default,
        ["strict"],
        f"the images of {FLAGS.dataset} are embedded, and can be decoded",
    )
    return {
        "name": FLAGS.dataset,
        "dataset_dir": FLAGS.dataset_dir,
        "image_size": FLAGS.image_size,
        "reward_fraction": FLAGS.reward_fraction,
        "on_broken": "stop" if FLAGS.strict else "skip",
    }


def require_checkpoint_dir() -> str:
    if not FLAGS.checkpoint_dir:
        raise InputError("--checkpoint_dir is missing; give the directory of the run.")
    return FLAGS.checkpoint_dir


def fill(settings_type: type[_Settings], derived: dict[str, Any]) -> _Settings:
    """A dataclass of settings; what is not `derived` is the value of the flag of that name."""
    names = [field.name for field in dataclasses.fields(settings_type)]
    return settings_type(
        **{name: derived[name] if name in derived else FLAGS[name].value for name in names}
    )


def settings() -> dict[str, Any]:
    """The values of all flags that decide the result of a run."""
    return {f.name: f.value for f in own_flags() if f.name not in _FREE_TO_CHANGE}


def information(derived: dict[str, Any]) -> dict[str, Any]:
    """For config.json: all flags, what was derived from them and the data, the versions."""
    return {
        "flags": {f.name: f.value for f in own_flags()},
        "defaults": {f.name: f.default for f in own_flags()},
        "derived": derived,
        "versions": run_config.versions(),
    }


def print_settings(title: str, lines: dict[str, Any]) -> None:
    """What a run is and what it will cost, before it starts."""
    print(title)
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"  {name:{width}}  {value}")
    sys.stdout.flush()


def stop_cleanly(train: Callable[[], None]) -> None:
    """Runs `train`; a signal that it was stopped by ends the process as shells expect.

    SIGTERM, with which schedulers preempt, is a success: the checkpoint is written. SIGINT
    is not, so that `make` and scripts stop too. Data that cannot be read are bad input. A lost
    worker has an exit code of its own, at which a scheduler can start all of them again.
    """
    import signal

    import tensorflow as tf

    from tunas_tf.data import tolerance
    from tunas_tf.training import devices
    from tunas_tf.training.loop import StoppedBySignal

    try:
        with devices.lost_workers_as_such():
            train()
    except StoppedBySignal as stopped:
        sys.stdout.flush()
        # Past the threads of the input pipeline, which have nothing left to save.
        os._exit(0 if stopped.signal_number == signal.SIGTERM else 130)
    except devices.WorkerLost as lost:
        print(
            f"error: another worker has gone ({lost}); start the same command on all workers "
            "again, to resume from the newest checkpoint.",
            file=sys.stderr,
            flush=True,
        )
        # Past the end of the strategy, which would wait for the others.
        os._exit(app.EXIT_WORKER_LOST)
    except tf.errors.OpError as error:
        if (reason := tolerance.unreadable(error)) is None:
            raise
        raise InputError(
            f"the data cannot be read any more ({reason}); `check_data --num_examples=0` names "
            "images that are broken. When they are mended, the same command goes on."
        ) from None
