"""Files of a newer program are refused by every reader, files from before versions are read."""

import json

import pytest

from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.common import json_files, run_config
from tunas_tf.common.errors import InputError
from tunas_tf.comparison import results, search_outcome
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.export import latency, output
from tunas_tf.reporting import run_files
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec

_SPACE = spec.SearchSpace("tiny", (spec.Block((spec.Conv(3),), 8),))


def _read_search_space(path):
    (path.parent / "config.json").write_text('{"command": "a", "documents": ["search_space"]}')
    return run_config.read(str(path.parent), "give it")


# Name of the file -> its reader. Those for which there is no reader are only written.
_READERS = {
    "architecture.json": lambda path: architecture_lib.load(str(path)),
    "config.json": lambda path: run_config.read(str(path.parent), "give it"),
    "cost_model.json": lambda path: cost_model_files.load(str(path)),
    "evaluation.json": lambda path: run_files.read_json(str(path.parent), "evaluation.json"),
    "export.json": lambda path: output.read_network(str(path.with_suffix(".tflite"))),
    "measurements.jsonl": lambda path: MeasurementLog(str(path), {}),
    "outcome.json": lambda path: search_outcome.read(str(path), _SPACE),
    "result.jsonl": lambda path: results.read(str(path)),
    "search_space.json": _read_search_space,
    "summary.json": lambda path: run_files.read_json(str(path.parent), "summary.json"),
}


def test_every_kind_is_here():
    kinds = {name.partition(".")[0] for name in _READERS}
    assert kinds | {"latency"} == set(json_files.VERSIONS)
    assert latency.to_json([])["version"] == json_files.VERSIONS["latency"]


@pytest.mark.parametrize("name", sorted(_READERS))
def test_newer_files_are_refused(tmp_path, name):
    known = json_files.VERSIONS[name.partition(".")[0]]
    path = tmp_path / name
    path.write_text(json.dumps({"version": known + 2, "what": "nobody knows"}) + "\n")
    with pytest.raises(InputError) as error:
        _READERS[name](path)
    assert str(error.value).endswith(
        f"{path} was written by a newer tunas_tf (format {known + 2}, this one knows up to "
        f"{known}); update tunas_tf."
    )


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", True, None, [1]])
def test_what_is_no_version(version):
    with pytest.raises(InputError, match="a.json is damaged: its version is .* rather than an int"):
        json_files.check_version("a.json", {"version": version}, "config")


@pytest.mark.parametrize("value", [{}, {"version": 1}, [], "2", None])
def test_older_files_and_no_objects_pass(value):
    json_files.check_version("a.json", value, "config")


def test_networks_with_and_without_a_version_are_the_same(tmp_path):
    network = architecture_lib.resolve(_SPACE, ())
    for number, value in enumerate(
        (architecture_lib.file_json(network), architecture_lib.to_json(network))
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(value))
        assert ("version" in value) == (number == 0)
        assert architecture_lib.load(str(path)) == network


def test_cost_models_with_and_without_a_version_are_the_same(tmp_path):
    cost_model = CostModel("none", "ms", _SPACE, (), 1.5)
    path = tmp_path / "model.json"
    cost_model_files.save(cost_model, str(path), {})
    value = json.loads(path.read_text())
    assert value.pop("version") == 1
    path.write_text(json.dumps(value))
    assert cost_model_files.load(str(path)) == cost_model
