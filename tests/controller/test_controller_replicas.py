"""Two replicas learn together: against a computation by hand in NumPy."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def results():
    # In a process of its own: the number of devices is fixed when TensorFlow starts.
    script = pathlib.Path(__file__).parent / "two_replicas.py"
    completed = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr[-3000:]
    return json.loads(completed.stdout.strip().splitlines()[-1])


def _scores(indices) -> np.ndarray:
    """[replicas, 5, 3] at uniform logits; what is nested counts if it is reached."""
    scores = np.zeros([len(indices), 5, 3])
    for row, (kernel, expansion, kind, layer, filters) in zip(scores, indices):
        row[3] = np.eye(3)[layer] - [0.5, 0.5, 0]
        row[4] = np.eye(3)[filters] - [0.5, 0.5, 0]
        if layer == 0:
            row[2] = np.eye(3)[kind] - [0.5, 0.5, 0]
            if kind == 0:
                row[0] = np.eye(3)[kernel] - [1 / 3, 1 / 3, 1 / 3]
            else:
                row[1] = np.eye(3)[expansion] - [0.5, 0.5, 0]
    return scores


@pytest.mark.parametrize("estimator", ["reinforce", "control_variate"])
def test_first_step_by_hand(results, estimator):
    """Qualities 0.4 and 0.6: baseline 0.5, advantages -0.1 and 0.1, no cost.

    In the first step the control variate's regression is still 0, and with a residual weight
    of 1 what remains is REINFORCE.
    """
    result = results[estimator]
    scores = _scores(result["indices"])
    gradients = np.array([-0.1, 0.1])[:, None, None] * scores
    mean, mean_square = gradients.mean(axis=0), np.square(gradients).mean(axis=0)
    assert np.array(result["second_moment"]) == pytest.approx(0.001 * mean_square, rel=1e-3)
    # 0.1 * sqrt(0.001) * mean / sqrt(0.001 * mean_square)
    step = 0.1 * mean / np.sqrt(np.where(mean_square == 0, 1.0, mean_square))
    for logits in result["logits"]:
        assert np.array(logits) == pytest.approx(step, rel=1e-3, abs=1e-6)


def test_every_replica_draws_its_own_network(results):
    first, second = results["reinforce"]["indices"]
    assert first != second


def test_scalars_are_means_over_replicas(results):
    scalars = results["reinforce"]["scalars"]
    for name, expected in (("reward", 0.5), ("baseline", 0.5), ("advantage", 0.0)):
        assert scalars[name] == pytest.approx([expected] * 2, abs=1e-6)
    assert scalars["log_prob"][0] == scalars["log_prob"][1]


def test_evidence_counts_every_replica(results):
    result = results["control_variate"]
    expected = np.sum(2 * np.square(_scores(result["indices"])), axis=0)
    assert np.array(result["evidence"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("estimator", ["reinforce", "control_variate"])
def test_replicas_stay_equal(results, estimator):
    first, second = results[estimator]["later_logits"]
    assert first == second
    assert first != results[estimator]["logits"][0]
    assert results[estimator]["num_updates"] == 6
