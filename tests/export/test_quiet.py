"""Silence of native code, and only within."""

import os

import pytest

from tunas_tf.export.quiet import quiet_native_code


def test_only_what_is_written_within_is_dropped(capfd):
    os.write(2, b"before ")
    with quiet_native_code():
        os.write(2, b"within")
        print("printed")
    with pytest.raises(KeyError), quiet_native_code():
        os.write(2, b"within")
        raise KeyError
    os.write(2, b"after")
    assert capfd.readouterr() == ("printed\n", "before after")
