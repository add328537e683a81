"""Running .tflite files of unknown origin: whatever they do happens in another process."""

import os
import signal
import time

import pytest
import tiny_tflite

from tunas_tf.common.errors import InputError
from tunas_tf.export import trial

# What takes the place of the process. They are imported there by name.


def _crash_at_second(connection, models, num_threads, use_xnnpack):
    del models, num_threads, use_xnnpack
    connection.send_bytes(b"")
    os.kill(os.getpid(), signal.SIGSEGV)


def _exit(connection, models, num_threads, use_xnnpack):
    del connection, models, num_threads, use_xnnpack
    os._exit(7)  # pylint: disable=protected-access


def _hang(connection, models, num_threads, use_xnnpack):
    del connection, models, num_threads, use_xnnpack
    time.sleep(60)


def _talk(connection, models, num_threads, use_xnnpack):
    del models, num_threads, use_xnnpack
    connection.send_bytes(b"\x1b[2Jbad\nnews " * 1000 + b"\xff")


@pytest.fixture(name="models")
def _models(tmp_path) -> list[str]:
    paths = [tmp_path / "first.tflite", tmp_path / "second.tflite"]
    for path in paths:
        path.write_bytes(tiny_tflite.convolution())
    return [str(path) for path in paths]


@pytest.mark.parametrize("use_xnnpack", [True, False])
def test_sound_models(models, use_xnnpack):
    trial.require_runnable(models, num_threads=2, use_xnnpack=use_xnnpack)
    trial.require_runnable([])


def test_damaged_model_is_named(models):
    with open(models[1], "r+b") as file:
        file.truncate(500)
    with pytest.raises(InputError, match="LiteRT cannot run .*second.tflite"):
        trial.require_runnable(models)
    os.remove(models[1])
    with pytest.raises(InputError, match="second.tflite cannot be read .No such file"):
        trial.require_runnable(models)


def test_a_name_that_is_no_text(models):
    content = tiny_tflite.convolution()
    position = content.rindex(b"images")
    with open(models[0], "wb") as file:
        file.write(content[:position] + b"\xff" + content[position + 1 :])
    with pytest.raises(InputError, match="LiteRT cannot run .*first.tflite .'utf-8' codec"):
        trial.require_runnable(models)


@pytest.mark.parametrize(
    "life, message",
    [
        (_crash_at_second, "second.tflite crashes the TFLite runtime: a process that ran it once "
         "was ended by SIGSEGV; export it again"),
        (_exit, "first.tflite crashes .* ended with code 7; export it again"),
        (_talk, r"^\[2Jbad news \[2Jbad .{3,500}\Z"),
    ],
)  # fmt: skip
def test_processes_that_end_otherwise(models, monkeypatch, life, message):
    monkeypatch.setattr(trial, "_try", life)
    with pytest.raises(InputError, match=message):
        trial.require_runnable(models)


def test_model_that_does_not_end(models, monkeypatch):
    monkeypatch.setattr(trial, "_try", _hang)
    start = time.monotonic()
    with pytest.raises(InputError, match="first.tflite did not finish one inference within 0.2 s"):
        trial.require_runnable(models, max_seconds=0.2)
    assert time.monotonic() - start < 30
