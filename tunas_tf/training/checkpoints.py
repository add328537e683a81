"""The checkpoints of a run: found by their files, and taken only if they can be used.

TensorFlow writes a checkpoint under another name and renames it at the end, the index last, so a
kill or a full disk leaves those before it as they are. What a crash of the machine damages
nevertheless is noticed here, by the checksum of every tensor, as are weights that have become
NaN; then the checkpoint before is taken.
"""

import contextlib
import glob
import os
import re
import shutil
import sys

import numpy as np
import tensorflow as tf

from tunas_tf.common.errors import InputError

__all__ = [
    "CHECKPOINTS_TO_KEEP",
    "make_manager",
    "newest",
    "prepare",
    "remove_unfinished",
    "step_of",
]

CHECKPOINTS_TO_KEEP = 3

_PREFIX = "ckpt"
_FILES = re.compile(rf"{_PREFIX}-(\d+)\.(index|data-\d+-of-\d+)")


def step_of(path: str) -> int:
    """The step of the checkpoint at `path`, which ends in it."""
    return int(path.rpartition("-")[2])


def _paths(directory: str) -> list[str]:
    """Of all checkpoints of which anything is there, newest first."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    steps = {int(match[1]) for match in map(_FILES.fullmatch, names) if match}
    return [os.path.join(directory, f"{_PREFIX}-{step}") for step in sorted(steps, reverse=True)]


def _problem(path: str) -> str | None:
    """Why a checkpoint cannot be used, as a clause about it; None if it can."""
    if not os.path.exists(f"{path}.index"):
        return "has no index"
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            value = np.asarray(reader.get_tensor(name))  # Compares the checksum.
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                return "has weights that are not finite numbers"
    except Exception:  # pylint: disable=broad-except  # Of many kinds: IndexError is one.
        return "is damaged"
    return None


def newest(directory: str, warn: bool = True) -> str | None:
    """The path of the newest checkpoint that can be used; None if there are none at all.

    Args:
      directory: of the run.
      warn: whether to say so on stderr if it is not the newest one.

    Raises:
      InputError: there are checkpoints, none of which can be used.
    """
    unusable: dict[str, str] = {}
    for path in _paths(directory):
        problem = _problem(path)
        if problem is None:
            if unusable and warn:
                first, why = next(iter(unusable.items()))
                print(
                    f"warning: the checkpoint {first} {why}; {path}, the newest one that can be "
                    "used, is taken instead.",
                    file=sys.stderr,
                )
            return path
        unusable[path] = problem
    if not unusable:
        return None
    first, why = next(iter(unusable.items()))
    raise InputError(
        f"none of the {len(unusable)} checkpoints in {directory} can be used, the newest, {first}, "
        f"as it {why}; restore the directory from a copy, or start anew in another one."
    )


def remove_unfinished(directory: str) -> None:
    """Removes what was being written when a process was killed, or when the disk was full."""
    for path in glob.glob(os.path.join(glob.escape(directory), f"{_PREFIX}-*_temp")):
        shutil.rmtree(path, ignore_errors=True)
    for path in glob.glob(os.path.join(glob.escape(directory), "checkpoint.tmp*")):
        with contextlib.suppress(OSError):
            os.remove(path)


def prepare(directory: str, start: str | None) -> None:
    """Makes the directory of a run ready for a manager that goes on from one of its checkpoints.

    Removes what is unfinished. Only the process that trains may do so.

    Args:
      directory: of the run.
      start: path of the checkpoint to go on from, None if there is none; later ones are ignored.
    """
    remove_unfinished(directory)
    # The manager believes what this file says, which may be missing, old or damaged.
    if start is None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(directory, "checkpoint"))
        return
    kept = [path for path in reversed(_paths(directory)) if step_of(path) <= step_of(start)]
    tf.__internal__.train.update_checkpoint_state(
        directory,
        model_checkpoint_path=start,
        all_model_checkpoint_paths=kept,
        all_model_checkpoint_timestamps=[1.0] * len(kept),  # Only their number counts.
        last_preserved_timestamp=0.0,
        save_relative_paths=True,
    )


def make_manager(
    checkpoint: tf.train.Checkpoint,
    directory: str,
    step_counter: tf.Variable,
    checkpoint_interval: int,
    start: str | None,
) -> tf.train.CheckpointManager:
    """What saves the checkpoints of a run, and keeps the newest few.

    Args:
      checkpoint: what is saved.
      directory: of the run, see `prepare`.
      step_counter: the steps done, by which checkpoints are named.
      checkpoint_interval: steps between two.
      start: path of the checkpoint that the run goes on from, None if there is none. The next one
        is due an interval after it, even if it lies in another directory.
    """
    return tf.train.CheckpointManager(
        checkpoint,
        directory,
        max_to_keep=CHECKPOINTS_TO_KEEP,
        checkpoint_name=_PREFIX,
        step_counter=step_counter,
        checkpoint_interval=checkpoint_interval,
        last_checkpoint_step=None if start is None else step_of(start),
    )
