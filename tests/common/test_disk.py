"""Errors of a full disk, as the system and TensorFlow tell them."""

import pytest
import tensorflow as tf

from tunas_tf.common import disk


def test_a_full_device():
    with pytest.raises(OSError) as raised:
        with open("/dev/full", "w", encoding="utf-8") as file:
            file.write("text")
    assert disk.shortage(raised.value) == "No space left on device"


def test_a_full_device_by_tensorflow():
    with pytest.raises(tf.errors.OpError) as raised:
        tf.io.write_file("/dev/full", "text")
    assert disk.shortage(raised.value) == "No space left on device"


def test_other_errors_are_none(tmp_path):
    with pytest.raises(OSError) as raised:
        open(tmp_path / "absent", encoding="utf-8")
    assert disk.shortage(raised.value) is None
    with pytest.raises(tf.errors.OpError) as raised:
        tf.io.read_file(str(tmp_path / "absent"))
    assert disk.shortage(raised.value) is None
    assert disk.shortage(ValueError("No space left on device, says the user")) is None
