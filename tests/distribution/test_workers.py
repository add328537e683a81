"""Two processes on this machine search together; one is stopped, one is killed."""

import json
import pathlib
import signal
import socket
import subprocess
import time

import interrupted_runs
import pytest

_NUM_STEPS = 45  # Ten epochs of 36 images in batches of 8.


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _start(directory: pathlib.Path) -> list[subprocess.Popen]:
    hosts = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    return [
        interrupted_runs.start(
            directory,
            "tunas_tf.search",
            "--flagfile=tiny.flags",
            "--checkpoint_dir=run",
            "--epochs=10",
            "--reward_fraction=0.25",
            "--distribution_strategy=multi_worker_mirrored",
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index in range(2)
    ]


def _steps(directory: pathlib.Path) -> list[int]:
    path = directory / "run" / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line)["step"] for line in lines]


def _wait_for_step(directory: pathlib.Path, step: int, workers: list[subprocess.Popen]) -> None:
    deadline = time.monotonic() + 300
    while not any(found >= step for found in _steps(directory)):
        for worker in workers:
            assert worker.poll() is None, worker.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_workers_that_are_stopped_killed_and_started_again(tmp_path, image_folder):
    interrupted_runs.prepare(tmp_path, image_folder)
    workers = _start(tmp_path)
    try:
        _wait_for_step(tmp_path, 4, workers)
        workers[1].send_signal(signal.SIGTERM)  # One is asked to stop: all do, and save.
        outputs = [worker.communicate(timeout=120) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], outputs
        assert "2 CPUs of 2 workers" in outputs[0][0] and "saved run/ckpt-" in outputs[0][0]
        assert outputs[1][0] == ""  # The chief speaks for both.
        stopped = _steps(tmp_path)[-1]

        workers = _start(tmp_path)
        _wait_for_step(tmp_path, stopped + 8, workers)
        workers[1].kill()
        before = time.monotonic()
        output, error = workers[0].communicate(timeout=120)
        assert time.monotonic() - before < 60
        assert workers[0].returncode == 3
        assert f"resumed from run/ckpt-{stopped}" in output
        assert "error: another worker has gone" in error and "Traceback" not in error

        workers = _start(tmp_path)
        outputs = [worker.communicate(timeout=300) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], outputs
    finally:
        for worker in workers:
            worker.kill()
    steps = _steps(tmp_path)
    assert steps == sorted(set(steps)) and steps[-1] == _NUM_STEPS
    assert (tmp_path / "run" / f"ckpt-{_NUM_STEPS}.index").exists()
