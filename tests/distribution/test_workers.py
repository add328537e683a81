"""Two processes on this machine compute together; one is stopped, one is killed."""

import json
import pathlib
import signal
import socket
import subprocess
import time

import interrupted_runs
import pytest

_SEARCH = ("tunas_tf.search", "--epochs=10", "--reward_fraction=0.25")
_NUM_STEPS = 45  # Ten epochs of 36 images in batches of 8.
# Checkpoints are further apart than loops, in which a checkpoint may be due for one worker only.
_TRAIN = ("tunas_tf.train_eval", "--indices=0:1:0:1:0:0", "--epochs=5", "--checkpoint_interval=8")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _start(
    directory: pathlib.Path, module: str, *flags: str, of_second: tuple[str, ...] = ()
) -> list[subprocess.Popen]:
    hosts = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    return [
        interrupted_runs.start(
            directory,
            module,
            "--flagfile=tiny.flags",
            "--checkpoint_dir=run",
            "--distribution_strategy=multi_worker_mirrored",
            *flags,
            *(of_second if index else ()),
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
    workers = _start(tmp_path, *_SEARCH)
    try:
        _wait_for_step(tmp_path, 4, workers)
        workers[1].send_signal(signal.SIGTERM)  # One is asked to stop: all do, and save.
        outputs = [worker.communicate(timeout=120) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], outputs
        assert "2 CPUs of 2 workers" in outputs[0][0] and "saved run/ckpt-" in outputs[0][0]
        assert outputs[1][0] == ""  # The chief speaks for both.
        stopped = _steps(tmp_path)[-1]

        workers = _start(tmp_path, *_SEARCH)
        _wait_for_step(tmp_path, stopped + 8, workers)
        workers[1].kill()
        before = time.monotonic()
        output, error = workers[0].communicate(timeout=120)
        assert time.monotonic() - before < 60
        assert workers[0].returncode == 3
        assert f"resumed from run/ckpt-{stopped}" in output
        assert "error: another worker has gone" in error and "Traceback" not in error

        workers = _start(tmp_path, *_SEARCH)
        outputs = [worker.communicate(timeout=300) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], outputs
    finally:
        for worker in workers:
            worker.kill()
    steps = _steps(tmp_path)
    assert steps == sorted(set(steps)) and steps[-1] == _NUM_STEPS
    assert (tmp_path / "run" / f"ckpt-{_NUM_STEPS}.index").exists()


@pytest.mark.slow
def test_workers_go_on_with_a_network_and_evaluate_it(tmp_path, image_folder):
    interrupted_runs.prepare(tmp_path, image_folder)
    module, *flags = _TRAIN
    alone = interrupted_runs.start(
        tmp_path, module, "--flagfile=tiny.flags", "--checkpoint_dir=run", *flags
    )
    interrupted_runs.end_early(alone, tmp_path / "run", 2, signal.SIGTERM)
    stopped = _steps(tmp_path)[-1]

    workers = _start(tmp_path, *_TRAIN)
    try:
        outputs = [worker.communicate(timeout=300) for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], outputs
        assert f"resumed from run/ckpt-{stopped}, step {stopped}\n" in outputs[0][0]
        assert "on 10 images of test, step 30" in outputs[0][0]

        # One that gives up before the evaluation is lost to the other.
        workers = _start(tmp_path, *_TRAIN, "--mode=eval", of_second=("--seed=5",))
        outputs = [worker.communicate(timeout=120) for worker in workers]
        assert [worker.returncode for worker in workers] == [3, 2], outputs
        assert "error: another worker has gone" in outputs[0][1]
        assert "Traceback" not in outputs[0][1]
    finally:
        for worker in workers:
            worker.kill()
