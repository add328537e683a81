"""Replicas that share a batch do together what one would do with all of it."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(name="outcome", scope="module")
def _outcome(tmp_path_factory):
    """From a number of replicas to the outcome of the same steps on them."""

    def outcome(num_replicas: int) -> dict[str, np.ndarray]:
        path = str(tmp_path_factory.mktemp("replicas") / "outcome.npz")
        script = pathlib.Path(__file__).parent / "replica_search.py"
        completed = subprocess.run(
            [sys.executable, str(script), str(num_replicas), path],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr[-3000:]
        return dict(np.load(path))

    return outcome


def test_more_replicas_take_the_same_steps(outcome):
    expected = outcome(1)
    weights = [name for name in expected if name.startswith("after")]
    assert any(
        np.max(np.abs(expected[name] - expected[name.replace("after", "before")])) > 1e-3
        for name in weights
    )
    for num_replicas in (2, 4):
        found = outcome(num_replicas)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            scale = max(
                np.max(np.abs(value)), 0.1
            )  # Means of numbers of the order of 1 are smaller.
            np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5 * scale, err_msg=name)
