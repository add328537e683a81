"""Commands as a user runs them, and a small network for them to train."""

import os
import pathlib
import subprocess
import sys

from tunas_tf.search_space import spec
from tunas_tf.search_space.architecture import Architecture

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run_command(command: str, *flags: str, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", f"tunas_tf.{command}", *flags],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def small_architecture(filters: int = 8) -> Architecture:
    """Convolution, squeeze-and-excite, h-swish and a residual layer."""
    bottleneck = spec.Bottleneck(3, 16, True, 1, "swish6")
    layers = (spec.Conv(3, 2), spec.Activation("relu"), spec.Residual(bottleneck))
    return Architecture("small", (), (spec.Block((*layers, spec.GlobalPool()), filters),))
