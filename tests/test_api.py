"""The Python API: what `import tunas_tf` gives, and that it searches as the command does."""

import json
import os
import pathlib
import platform
import subprocess
import sys

import numpy as np
import pytest

import tunas_tf
from tunas_tf import search_space

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_SETTINGS = {
    "epochs": 4.0,
    "train_batch_size": 8,
    "model_learning_rate": 1.0,
    "rl_batch_size_multiplier": 1.0,
    "rl_learning_rate": 0.1,
    "rl_cost_model_exponent": -0.5,
    "cost_tolerance": 0.05,
    "seed": 3,
    "deterministic": True,
}
_SEARCH = """
import json, sys
import tiny_space, tunas_tf

space = tunas_tf.search_space.get("tiny_search")
dataset = tunas_tf.data.load("image_folder", sys.argv[1], image_size=16, reward_fraction=0.25)
cost_model = tunas_tf.cost_model.get("madds", space, 16, dataset.num_classes)
found = tunas_tf.search_architecture(
    space, dataset, "by_api", cost_model=cost_model, **json.loads(sys.argv[2])
)
print(json.dumps([found.architecture.indices, found.step]))
"""
_DEFAULTS = """
import inspect
from absl import flags
from tunas_tf import search
from tunas_tf.command_line import search_command
from tunas_tf.training.architecture_search import ArchitectureSearch, search_architecture

flags.FLAGS(["search"])
defaults = {
    parameter.name: parameter.default
    for function in (
        tunas_tf.SearchSettings, tunas_tf.ControllerConfig, ArchitectureSearch, search_architecture
    )
    for parameter in inspect.signature(function).parameters.values()
}
names = [*search_command.SETTINGS, "label_smoothing", "iterations_per_loop", "checkpoint_interval"]
for name in names:
    assert flags.FLAGS[name].default == defaults[name], name
print(len(names))
"""


def _python(*arguments: str, cwd) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(_ROOT), str(_ROOT / "tests")])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def _metrics(path: pathlib.Path) -> list[dict]:
    """Without what measures time."""
    lines = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    return [
        {name: value for name, value in line.items() if name == "step" or "/" in name}
        for line in lines
    ]


def test_spaces_costs_and_settings_need_no_tensorflow(tmp_path):
    script = (
        "import sys, tunas_tf\n"
        "space = tunas_tf.search_space.get('proxylessnas_search')\n"
        "print(tunas_tf.cost_model.get('pixel1', space).reference_cost())\n"
        "tunas_tf.ControllerConfig(total_steps=1), tunas_tf.SearchSettings, tunas_tf.InputError\n"
        "tunas_tf.controller.select_feasible, dir(tunas_tf)\n"
        "assert not {'tensorflow', 'tf_keras', 'absl'} & set(sys.modules)\n"
    )
    result = _python("-c", script, cwd=tmp_path)
    assert result.stderr == ""
    assert float(result.stdout) == pytest.approx(84.416, abs=5e-4)  # Published.


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there has it to be asked for")
@pytest.mark.parametrize("chosen, expected", [(None, True), ("1", True), ("0", False)])
def test_tensorflow_uses_onednn_unless_told_otherwise(tmp_path, monkeypatch, chosen, expected):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if chosen is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", chosen)
    result = _python(
        "-c",
        "import tunas_tf\nfrom tensorflow.python.util import _pywrap_util_port\n"
        "print(_pywrap_util_port.IsMklEnabled())",
        cwd=tmp_path,
    )
    assert result.stdout.strip() == str(expected), result.stderr


_TWICE_AS_MANY_SHAPES_AS_ONEDNN_KEEPS = """
import os
os.environ["ONEDNN_VERBOSE"] = "profile_create"
import tunas_tf
import tensorflow as tf

for _ in range(2):
    for filters in range(1, 2049):
        tf.nn.conv2d(tf.ones([1, 2, 2, 1]), tf.ones([1, 1, 1, filters]), 1, "SAME").numpy()
    print("again", flush=True)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there it is asked for")
@pytest.mark.parametrize("chosen, compiled_again", [(None, 0), ("1024", 2048)])
def test_onednn_keeps_its_kernels_unless_told_otherwise(
    tmp_path, monkeypatch, chosen, compiled_again
):
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    if chosen is not None:
        monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", chosen)
    result = _python("-c", _TWICE_AS_MANY_SHAPES_AS_ONEDNN_KEEPS, cwd=tmp_path)
    compiled = [text.count("create:cache_miss") for text in result.stdout.split("again")[:2]]
    assert compiled == [2048, compiled_again], result.stderr


def test_all_names_are_there():
    assert sorted([*tunas_tf.__all__, "__version__"]) == dir(tunas_tf)
    for name in tunas_tf.__all__:
        assert getattr(tunas_tf, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'tunas_tf' has no attribute 'Supernett'"):
        tunas_tf.Supernett  # noqa: B018


def test_defaults_are_those_of_the_command(tmp_path):
    result = _python("-c", "import tunas_tf\n" + _DEFAULTS, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 25


@pytest.fixture(scope="module")
def searched(image_folder, tmp_path_factory) -> pathlib.Path:
    """A directory with the same search twice: by_command, by_api."""
    directory = tmp_path_factory.mktemp("searches")
    result = _python(
        *("-m", "tunas_tf.search", "--space_module=tiny_space", "--ssd=tiny_search"),
        *("--dataset=image_folder", f"--dataset_dir={image_folder}", "--image_size=16"),
        *("--reward_fraction=0.25", "--cost_model=madds", "--checkpoint_dir=by_command"),
        *(f"--{name}={value}" for name, value in _SETTINGS.items()),
        cwd=directory,
    )
    assert result.returncode == 0, result.stderr
    result = _python("-m", "tunas_tf.analyze_search", "--checkpoint_dir=by_command", cwd=directory)
    assert result.returncode == 0, result.stderr
    result = _python("-c", _SEARCH, image_folder, json.dumps(_SETTINGS), cwd=directory)
    assert result.returncode == 0, result.stderr
    (directory / "printed").write_text(result.stdout)
    return directory


@pytest.mark.slow
def test_it_is_the_search_of_the_command(searched):
    command, api = searched / "by_command", searched / "by_api"
    assert len(_metrics(command)) > 2
    assert _metrics(api) == _metrics(command)
    found, expected = (
        json.loads((path / "architecture.json").read_text()) for path in (api, command)
    )
    # The command has more settings: the filters multiplier of the space.
    expected["provenance"].pop("filters_multiplier")
    assert found == expected
    config, expected = (json.loads((path / "config.json").read_text()) for path in (api, command))
    assert config["derived"] == expected["derived"]
    assert config["settings"].items() <= {
        **expected["settings"], **expected["derived"]
    }.items()  # fmt: skip
    for name in ("cost_model.json", "search_space.json"):
        assert (api / name).read_text() == (command / name).read_text()


@pytest.mark.slow
def test_its_run_resumes_and_can_be_shown(searched, image_folder):
    indices, step = json.loads((searched / "printed").read_text().splitlines()[-1])
    assert step == 4 * 36 / 8  # Of 48 images 12 are for the reward.
    # As if it had been written before there was a setting: then it had the default.
    config = json.loads((searched / "by_api" / "config.json").read_text())
    del config["settings"]["rl_residual_weight"]
    (searched / "by_api" / "config.json").write_text(json.dumps(config))
    again = _python("-c", _SEARCH, image_folder, json.dumps(_SETTINGS), cwd=searched)
    assert json.loads(again.stdout.splitlines()[-1]) == [indices, step], again.stderr
    other = json.dumps({**_SETTINGS, "seed": 4})
    other = _python("-c", _SEARCH, image_folder, other, cwd=searched)
    assert "InputError: by_api was started with seed=3, now it is 4" in other.stderr
    shown = _python("-m", "tunas_tf.report", "--run_dir=by_api", cwd=searched)
    assert shown.returncode == 0, shown.stderr


def test_what_cannot_be_searched(image_folder, tmp_path):
    space = search_space.get("quickstart_search")
    dataset = tunas_tf.data.load("image_folder", image_folder, 16)
    cost_model = tunas_tf.cost_model.get("madds", space, 16, 2)
    other = tunas_tf.cost_model.get("madds", search_space.get("proxylessnas_search"), 16, 2)
    network = search_space.get("mobilenet_v2")
    for arguments, settings, message in (
        ((network,), {"cost_model": None}, "mobilenet_v2 has no choices"),
        ((space,), {"cost_model": other}, "cost model madds is not of the space"),
        ((space,), {"cost_model": None, "rl_cost_model_target": 1.0}, "target has no effect"),
        ((space,), {"cost_model": cost_model, "model_momentum": 2.0}, "momentum is 2.0; it must"),
        ((space,), {"cost_model": cost_model, "seed": -1}, "seed is -1; it must be in"),
        ((space,), {"cost_model": cost_model, "rl_batch_size_multiplier": 0.0}, "no image of"),
        ((space,), {"cost_model": None, "optimizer": "adamw"}, "'adamw'; it must be one of rms"),
        ((space,), {"cost_model": None, "on_nan": "ignore"}, "'ignore'; it must be one of stop"),
        ((space,), {"cost_model": None, "label_smoothing": 2.0}, "label_smoothing is 2.0; it must"),
        ((space,), {"cost_model": None, "iterations_per_loop": 0}, "iterations_per_loop is 0; it"),
        ((space,), {"cost_model": None, "checkpoint_interval": 0}, "checkpoint_interval is 0; it"),
    ):
        with pytest.raises(tunas_tf.InputError, match=message):
            tunas_tf.search_architecture(
                *arguments, dataset, str(tmp_path), **{"train_batch_size": 8, **settings}
            )
        assert not any(tmp_path.iterdir()), message
    with pytest.raises(TypeError, match="'learning_rate'"):
        tunas_tf.search_architecture(
            space, dataset, str(tmp_path), cost_model=None, train_batch_size=8, learning_rate=1.0
        )
    assert not any(tmp_path.iterdir())


def test_a_cost_of_operations():
    space = search_space.get("quickstart_search")
    params = tunas_tf.cost_model.get("params", space, 64, 10)

    def num_convolutions(operations: list) -> float:
        return sum(hasattr(operation, "kernel_size") for operation in operations)

    counted = tunas_tf.cost_model.from_operations(
        "convolutions", "1", num_convolutions, space, 64, 10
    )
    # Stem, head and classifier; 3 of each of the 8 bottlenecks, 5 of which may be left out.
    assert counted.reference_cost() == 3 + 3 * 8
    choices = search_space.choices_of(space)
    smallest = [choice.num_options - 1 if "Zero" in str(choice.one_of) else 0 for choice in choices]
    assert counted.cost(smallest) == 3 + 3 * 3
    assert params.reference_cost() > params.cost(np.array(smallest))
