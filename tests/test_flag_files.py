"""Every flag file under flags/ suits the command that its comment says to run it with."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
from typing import Any

import numpy as np
import published_release
import pytest

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.common.files import write_json
from tunas_tf.cost_model.stages import cost_range
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import reference_networks

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_FILES = [path.relative_to(_ROOT).as_posix() for path in sorted(_ROOT.glob("flags/**/*.flags"))]

# Of each published search: its target and the window of its random baseline, in ms.
_SEARCHES = {
    "proxylessnas_search": (84, (83, 85)),
    "proxylessnas_enlarged_search": (84, (83, 85)),
    "mobilenet_v3_like_search": (57, (57, 59)),
}
# Those whose cost model is imported, and its number of coefficients.
_IMPORTED = {"proxylessnas_enlarged_search": 5983, "mobilenet_v3_like_search": 29068}
_NETWORKS = reference_networks.__all__

# Flags are global to a process, so those of each command are parsed in one of its own. From
# (module, list of arguments, whether to run it too) to, for each, the flags or what is wrong.
_PROGRAM = """
import contextlib, importlib, io, json, sys
from absl import flags
from tunas_tf.command_line import app
from tunas_tf.common.errors import InputError

module, lines, run = json.load(sys.stdin)
command = importlib.import_module(module)
outcomes = []
for line in lines:
    flags.FLAGS.unparse_flags()
    outcome = {"error": None}
    printed = io.StringIO()
    try:
        stray = flags.FLAGS([module, *line])[1:]
        if stray:
            raise InputError(f"unexpected argument {stray[0]!r}")
        own = app.own_flags()
        outcome["values"] = {flag.name: flag.value for flag in own}
        outcome["idle"] = [flag.name for flag in own if flag.present and flag.value == flag.default]
        if run:
            with contextlib.redirect_stdout(printed):
                command.main()
    except (flags.Error, InputError) as error:
        outcome["error"] = str(error)
    outcomes.append({**outcome, "printed": printed.getvalue()})
json.dump(outcomes, sys.stdout)
"""


def _outcomes(
    module: str, lines: list[list[str]], run: bool = False, cwd: pathlib.Path = _ROOT
) -> list[dict[str, Any]]:
    """What the command `module` makes of each list of arguments."""
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps([module, lines, run]),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        return [{"error": result.stderr}] * len(lines)
    return json.loads(result.stdout)


def _commands(file: str) -> list[tuple[str, list[str]]]:
    """(module, arguments) of each command in the comments of a flag file."""
    lines = (_ROOT / file).read_text(encoding="utf-8").splitlines()
    comment = "\n".join(line[1:] for line in lines if line.startswith("#"))
    commands = re.findall(r"^ *python -m (\S+)((?:.*\\\n)*.*)$", comment, re.MULTILINE)
    return [(module, shlex.split(rest.replace("\\\n", " "))) for module, rest in commands]


def _own_commands(file: str) -> list[tuple[str, list[str]]]:
    """Those of them that read this file."""
    return [command for command in _commands(file) if f"--flagfile={file}" in command[1]]


def _files_of(*modules: str) -> list[str]:
    return [file for file in _FILES for module, _ in _own_commands(file) if module in modules]


@pytest.fixture(scope="module", name="parsed")
def _parsed() -> dict[tuple, dict[str, Any]]:
    """The outcome of every command in every flag file."""
    by_module: dict[str, list[list[str]]] = {}
    for file in _FILES:
        for module, arguments in _commands(file):
            by_module.setdefault(module, []).append(arguments)
    return {
        (module, *arguments): outcome
        for module, lines in by_module.items()
        for arguments, outcome in zip(lines, _outcomes(module, lines))
    }


@pytest.fixture(name="values")
def _values(parsed):
    """From a flag file to the flags of its command."""

    def values(file: str) -> dict[str, Any]:
        ((module, arguments),) = _own_commands(file)
        return parsed[(module, *arguments)]["values"]

    return values


@pytest.mark.parametrize("file", _FILES)
def test_commands_in_the_comment_take_their_flags(parsed, file):
    assert len(_own_commands(file)) == 1, "the comment says by one command how the file is used"
    for module, arguments in _commands(file):
        assert parsed[(module, *arguments)]["error"] is None


@pytest.mark.parametrize(
    "content, message",
    [
        ("--epochs=360", None),
        ("--epocs=360", "Unknown command line flag 'epocs'"),
        ("--epochs=long", "flag --epochs=long"),
        ("--epochs=-1", "flag --epochs=-1"),
        ("--use_bfloat16=maybe", "flag --use_bfloat16=maybe"),
        ("epochs=360", "unexpected argument 'epochs=360'"),
        ("--ssd=mobilenet_v9", "no search space 'mobilenet_v9'"),
        ("--ssd=proxylessnas_search", "proxylessnas_search has choices"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, message):
    (tmp_path / "bad.flags").write_text(f"# One flag.\n--ssd=mobilenet_v2\n{content}\n")
    line = [f"--flagfile={tmp_path}/bad.flags", f"--checkpoint_dir={tmp_path}/run"]
    # A network that does not exist is found when the command runs.
    run = message is not None and content.startswith("--ssd")
    (outcome,) = _outcomes("tunas_tf.train_eval", [line], run=run)
    assert (outcome["error"] is None) == (message is None)
    assert message is None or message in outcome["error"]


@pytest.mark.parametrize("file", [f for f in _FILES if f.startswith("flags/imagenet/")])
def test_files_of_imagenet_hold_what_differs_from_the_defaults(parsed, file):
    ((module, arguments),) = _own_commands(file)
    outcome = parsed[(module, *arguments)]
    assert outcome["idle"] == []
    assert outcome["values"].get("dataset", "imagenet2012") == "imagenet2012"
    text = (_ROOT / file).read_text(encoding="utf-8")
    assert "# Published result: " in text and "# Made for: " in text


def test_networks_to_train_are_described(values):
    ssds = [values(file)["ssd"] for file in _files_of("tunas_tf.train_eval")]
    ssds = sorted({ssd for ssd in ssds if ssd is not None})
    assert ssds == sorted(_NETWORKS)
    outcomes = _outcomes("tunas_tf.describe", [[f"--ssd={ssd}"] for ssd in ssds], run=True)
    for ssd, outcome in zip(ssds, outcomes):
        assert outcome["error"] is None
        assert re.search(rf"^search space: +{ssd}$", outcome["printed"], re.MULTILINE)
        assert "none: there is no choice" in outcome["printed"]


@pytest.mark.parametrize("name", [*_NETWORKS, "found"])
def test_both_trainings_of_a_network(values, name):
    """For 90 epochs without, for 360 with the images that a search holds out."""
    for epochs, everything in ((90, False), (360, True)):
        training = values(f"flags/imagenet/{name}_{epochs}.flags")
        assert training["ssd"] == (None if name == "found" else name)
        assert (training["epochs"], training["use_held_out_test_set"]) == (epochs, everything)
        assert training["train_batch_size"] == 4096


@pytest.mark.parametrize("ssd", _SEARCHES)
def test_searches_and_their_random_baselines(values, ssd):
    target, window = _SEARCHES[ssd]
    search = values(f"flags/imagenet/{ssd}.flags")
    baseline = values(f"flags/imagenet/random_baseline_{ssd}.flags")
    assert search["ssd"] == baseline["ssd"] == ssd
    assert search["cost_model"] == baseline["cost_model"]
    assert search["rl_cost_model_target"] == target
    assert (baseline["min_cost"], baseline["max_cost"]) == window
    assert (search["epochs"], search["train_batch_size"]) == (90, 4096)


@pytest.mark.parametrize("file", _files_of("tunas_tf.search", "tunas_tf.sample_architectures"))
def test_costs_lie_inside_the_space(values, file):
    given = values(file)
    if given["ssd"] in _IMPORTED:
        # The comment says how to get the file.
        ((_, arguments),) = [c for c in _commands(file) if c[0] == "tunas_tf.import_cost_model"]
        assert f"--ssd={given['ssd']}" in arguments
        assert f"--output={given['cost_model']}" in arguments
        return
    space = search_space.get(given["ssd"])
    cost_model = given["cost_model"] or cost_model_lib.default_name(space)
    least, most = cost_range(cost_model_lib.get(cost_model, space, given["image_size"]))
    for name in ("rl_cost_model_target", "min_cost", "max_cost"):
        assert given.get(name) is None or least < given[name] < most


@pytest.mark.parametrize("ssd, num_coefficients", _IMPORTED.items())
def test_baseline_with_an_imported_cost_model(tmp_path, ssd, num_coefficients):
    """Its commands as they are written, with figures that put all networks near the window."""
    file = f"flags/imagenet/random_baseline_{ssd}.flags"
    low, high = _SEARCHES[ssd][1]
    figures = np.random.default_rng(1).normal(0, 0.1, num_coefficients)
    release = {ssd: tuple(map(published_release.encode, (figures, [(low + high) / 2])))}
    (tmp_path / "cost_model_data.py").write_text(published_release.source(release))
    (tmp_path / "flags").symlink_to(_ROOT / "flags")
    (tmp_path / "cost_models").mkdir()
    for module in ("tunas_tf.import_cost_model", "tunas_tf.sample_architectures"):
        (line,) = [arguments for name, arguments in _commands(file) if name == module]
        (outcome,) = _outcomes(module, [line], run=True, cwd=tmp_path)
        assert outcome["error"] is None
    paths = list((tmp_path / f"runs/random_{ssd}").glob("architecture_*.json"))
    assert len(paths) == 10
    space = search_space.get(ssd)
    for path in paths:
        drawn = json.loads(path.read_text())
        assert low <= drawn["cost"] <= high
        masks = published_release.one_hot(space, search_space.parse_indices(drawn["indices"]))
        cost = published_release.features(space, masks) @ figures + (low + high) / 2
        assert drawn["cost"] == pytest.approx(cost, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["tunas_tf.search", "tunas_tf.train_eval"])
def test_commands_get_as_far_as_their_data(tmp_path, values, module):
    """Nothing is wrong with any of them but that the dataset is not there."""
    (tmp_path / "empty").mkdir()
    network = search_space.resolve(search_space.get("mobilenet_v2"), ())
    write_json(tmp_path / "architecture.json", architecture_lib.to_json(network))
    files = _files_of(module)
    lines = []
    for file in files:
        line = [f"--flagfile={file}", f"--checkpoint_dir={tmp_path}/run"]
        line += ["--dataset=imagenet2012", f"--dataset_dir={tmp_path}/empty"]
        if module == "tunas_tf.train_eval" and values(file)["ssd"] is None:
            line.append(f"--architecture={tmp_path}/architecture.json")
        if module == "tunas_tf.search" and values(file)["ssd"] in _IMPORTED:
            # It is looked for before the data, and read after it: any file will do.
            line.append(f"--cost_model={tmp_path}/architecture.json")
        lines.append(line)
    for file, outcome in zip(files, _outcomes(module, lines, run=True)):
        assert "'imagenet2012' is not prepared" in outcome["error"], file
    assert not (tmp_path / "run").exists()
