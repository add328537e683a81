"""Starts commands on a tiny space and tiny images, to be killed and started again."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
from command_outcomes import ROOT

__all__ = ["difference", "end_early", "prepare", "start"]

# A loop, and a checkpoint after it, every four steps.
_FLAGS = """
--space_module=tiny_space
--ssd=tiny_search
--dataset=image_folder
--image_size=16
--train_batch_size=8
--iterations_per_loop=4
--checkpoint_interval=4
"""


def prepare(directory: pathlib.Path, image_folder: str, flags: str = _FLAGS) -> None:
    """Writes tiny.flags, and the module of its space."""
    shutil.copy(ROOT / "tests" / "tiny_space.py", directory)
    (directory / "tiny.flags").write_text(f"{flags}--dataset_dir={image_folder}\n")


def start(directory: pathlib.Path, module: str, *flags: str, **variables: str) -> subprocess.Popen:
    """Starts a command in `directory`, with more variables in its environment."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *flags],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _num_lines(path: pathlib.Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def end_early(process: subprocess.Popen, run: pathlib.Path, num_lines: int, number: int) -> None:
    """Sends the signal `number` when the metrics of the run have so many lines."""
    deadline = time.monotonic() + 300
    while _num_lines(run / "metrics.jsonl") < num_lines:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 0)


def difference(run: pathlib.Path, other: pathlib.Path) -> list[str]:
    """Names of what the newest checkpoints of two runs do not have in common, bit by bit."""
    import tensorflow as tf

    def values(path) -> dict[str, Any]:
        reader = tf.train.load_checkpoint(str(path))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}

    ours, others = values(run), values(other)
    # How often each run was saved.
    names = (ours.keys() | others.keys()) - {"save_counter/.ATTRIBUTES/VARIABLE_VALUE"}
    return sorted(
        name
        for name in names
        if name not in ours
        or name not in others
        or np.asarray(ours[name]).tobytes() != np.asarray(others[name]).tobytes()
    )
