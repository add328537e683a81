"""Batch norm over all replicas."""

import json
import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_two_replicas_normalise_by_their_common_batch():
    # In a process of its own: the number of devices is fixed when TensorFlow starts.
    script = pathlib.Path(__file__).parent / "mirrored_detector.py"
    completed = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr[-3000:]
    differences = json.loads(completed.stdout.strip().splitlines()[-1])
    for name in ("ssdlite", "retinanet"):
        assert differences[f"{name} True"] < 2e-3
        assert differences[f"{name} False"] > 0.02
