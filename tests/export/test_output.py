"""Both files of an export, or none."""

import json
import os

import pytest
from command_outcomes import outcomes

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.export import output
from tunas_tf.search_space.architecture import to_json

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


def test_a_network_and_the_size_of_its_images(tmp_path):
    network = search_space.resolve(search_space.get("mobilenet_v2"), ())
    path = str(tmp_path / "m.tflite")

    def describe(shape):
        description = {"version": 1, "architecture": to_json(network), "input": {"shape": shape}}
        (tmp_path / "m.json").write_text(json.dumps(description))

    describe([1, 32, 32, 3])
    assert output.read_network(path) == (network, 32)
    for shape in (None, [1, 32, 32], [1, 0, 32, 3], [1, "32", 32, 3]):
        describe(shape)
        with pytest.raises(InputError, match="no description of the network in .*m.tflite"):
            output.read_network(path)


def test_only_results_of_the_same_format_are_replaced(tmp_path):
    path = tmp_path / "a.json"
    output.check_replaceable(str(path), "mine")
    path.write_text('{"format": "mine", "more": 1}')
    output.check_replaceable(str(path), "mine")
    for content in ("", "[]", '{"format": "other"}', '{"my": "precious file"}', '{"format": "mi'):
        path.write_text(content)
        with pytest.raises(InputError, match='a.json exists, .* format "mine" would be replaced'):
            output.check_replaceable(str(path), "mine")
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="link.json exists"):
        output.check_replaceable(str(tmp_path / "link.json"), "mine")


def test_a_calibration_replaces_only_a_cost_model(tmp_path):
    space = search_space.get("quickstart_search")
    model = cost_model.CostModel("mine", "ms", space, (), 1.5)
    for name in ("mine.json", "picture.json"):
        cost_model.save(model, str(tmp_path / name), {})
    (tmp_path / "notes.json").write_text('{"my": "precious file"}')
    for name in ("picture.png", "holiday.png", "measured.png", "measured.measurements.jsonl"):
        (tmp_path / name).write_text("")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    # Whatever may be written to gets as far as to the device.
    device = "the program 'no_adb' cannot be"
    messages = {
        "new": device,
        "mine": device,
        "picture": device,
        "measured": device,
        "notes": 'notes.json exists, and only a file of the format "tunas_tf cost model"',
        "holiday": "holiday.png, where the picture of the calibration goes, exists",
    }
    flags = ["--ssd=quickstart_search", "--backend=adb", "--adb=no_adb"]
    lines = [[*flags, f"--output={name}.json"] for name in messages]
    found = outcomes("tunas_tf.calibrate_cost_model", lines, run=True, cwd=tmp_path)
    for outcome, message in zip(found, messages.values()):
        assert outcome["error"].startswith(message)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
