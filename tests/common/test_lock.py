"""One process at a time in a directory, and none after its death."""

import os
import signal
import subprocess
import sys
import time

import pytest
from command_outcomes import ROOT

from tunas_tf.common import lock
from tunas_tf.common.errors import InputError

_HOLDER = """
import sys, time
from tunas_tf.common import lock
lock.hold(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def _start_holder(directory, seconds=600.0) -> subprocess.Popen:
    """Another process, which holds the lock when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(directory), str(seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    with _start_holder(tmp_path) as holder:
        with pytest.raises(InputError, match=f"in use by process {holder.pid} on "):
            lock.hold(str(tmp_path), patience_seconds=0.3)
        holder.send_signal(signal.SIGKILL)
    lock.hold(str(tmp_path), patience_seconds=0)
    assert (tmp_path / lock.FILE_NAME).read_text().startswith(f"process {os.getpid()} on ")


def test_a_process_that_is_about_to_end_is_waited_for(tmp_path):
    with _start_holder(tmp_path, seconds=0.5):
        start = time.monotonic()
        lock.hold(str(tmp_path), patience_seconds=60)
        assert time.monotonic() - start < 30


def test_a_process_may_hold_a_lock_again_and_another_directory_made_anew(tmp_path):
    directory = tmp_path / "run"
    for _ in range(2):
        directory.mkdir()
        lock.hold(str(directory), patience_seconds=0)
        lock.hold(os.path.join(directory, "..", "run"), patience_seconds=0)
        (directory / lock.FILE_NAME).unlink()
        directory.rmdir()


def test_the_lock_of_a_directory_made_anew_is_held(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    lock.hold(str(directory))
    (directory / lock.FILE_NAME).unlink()
    lock.hold(str(directory))
    program = f"from tunas_tf.common import lock\nlock.hold({str(directory)!r}, 0)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"in use by process {os.getpid()} on " in result.stderr


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, capsys):
    def refuse(descriptor, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    lock.hold(str(tmp_path))
    assert "not protected against a second process" in capsys.readouterr().err
