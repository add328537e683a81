"""Both files of an export, or none."""

import json
import os

import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.export import output

_METADATA = {"format": output.FORMAT, "x": 1}


def test_both_files_are_written_and_overwritten(tmp_path):
    path = str(tmp_path / "a.b.tflite")
    for content in (b"one", b"two"):
        output.check(path)
        output.write(path, content, _METADATA)
    assert sorted(os.listdir(tmp_path)) == ["a.b.json", "a.b.tflite"]
    assert (tmp_path / "a.b.tflite").read_bytes() == b"two"
    assert json.loads((tmp_path / "a.b.json").read_text()) == _METADATA


@pytest.mark.parametrize(
    "name, message",
    [
        ("m.lite", "ends in .tflite"),
        (".tflite", "ends in .tflite"),
        ("no/m.tflite", "does not exist; make it first"),
        ("directory.tflite", "is a directory"),
        ("architecture.tflite", "architecture.json, where the description .* something else"),
        ("text.tflite", "holds something else"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(tmp_path, name, message):
    (tmp_path / "directory.tflite").mkdir()
    (tmp_path / "architecture.json").write_text('{"ssd": "x", "blocks": []}')
    (tmp_path / "text.json").write_text("[1,")
    with pytest.raises(InputError, match=message):
        output.check(str(tmp_path / name))


@pytest.mark.parametrize("failing", ["m.json.tmp", "m.tflite.tmp"])
def test_failing_to_write_leaves_the_old_files(tmp_path, failing):
    path = str(tmp_path / "m.tflite")
    output.write(path, b"old", _METADATA)
    (tmp_path / failing).mkdir()  # So that this name cannot be opened.
    with pytest.raises(InputError, match="cannot be written"):
        output.write(path, b"new", _METADATA)
    assert (tmp_path / "m.tflite").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == sorted(["m.json", "m.tflite", failing])


def test_the_description_of_a_detector_is_no_network_to_price(tmp_path):
    description = {"version": 1, "detector": {"name": "ssdlite"}, "backbone": {}}
    (tmp_path / "m.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="m.tflite is a detector.*leave --cost_model out"):
        output.read_network(str(tmp_path / "m.tflite"))
