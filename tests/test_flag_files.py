"""Every flag file under flags/ suits the command that its comment says to run it with."""

import json
import re
import shlex
from typing import Any

import numpy as np
import published_release
import pytest
from command_outcomes import ROOT, outcomes

from object_detection import modeling
from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.common.files import write_json
from tunas_tf.cost_model.stages import cost_range
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import reference_networks
from tunas_tf.training import recipe

_FILES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("flags/**/*.flags"))]

# Of each published search: its target and the window of its random baseline, in ms.
_SEARCHES = {
    "proxylessnas_search": (84, (83, 85)),
    "proxylessnas_enlarged_search": (84, (83, 85)),
    "mobilenet_v3_like_search": (57, (57, 59)),
}
# Those whose cost model is imported, and its number of coefficients.
_IMPORTED = {"proxylessnas_enlarged_search": 5983, "mobilenet_v3_like_search": 29068}
_NETWORKS = reference_networks.__all__


def _commands(file: str) -> list[tuple[str, list[str]]]:
    """(module, arguments) of each command in the comments of a flag file."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
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
        for arguments, outcome in zip(lines, outcomes(module, lines))
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
    (outcome,) = outcomes("tunas_tf.train_eval", [line], run=run)
    assert (outcome["error"] is None) == (message is None)
    assert message is None or message in outcome["error"]


@pytest.mark.parametrize("file", [f for f in _FILES if f.count("/") == 2])
def test_files_hold_what_differs_from_the_defaults(parsed, file):
    ((module, arguments),) = _own_commands(file)
    outcome = parsed[(module, *arguments)]
    assert outcome["idle"] == []
    dataset = {"imagenet": "imagenet2012", "coco": "coco/2017"}[file.split("/")[1]]
    assert outcome["values"].get("dataset", dataset) == dataset
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "# Published result: " in text and "# Made for: " in text


def test_networks_to_train_are_described(values):
    ssds = [values(file)["ssd"] for file in _files_of("tunas_tf.train_eval")]
    ssds = sorted({ssd for ssd in ssds if ssd is not None})
    assert ssds == sorted(_NETWORKS)
    described = outcomes("tunas_tf.describe", [[f"--ssd={ssd}"] for ssd in ssds], run=True)
    for ssd, outcome in zip(ssds, described):
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
    (tmp_path / "flags").symlink_to(ROOT / "flags")
    (tmp_path / "cost_models").mkdir()
    for module in ("tunas_tf.import_cost_model", "tunas_tf.sample_architectures"):
        (line,) = [arguments for name, arguments in _commands(file) if name == module]
        (outcome,) = outcomes(module, [line], run=True, cwd=tmp_path)
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


# Images of COCO 2017 in the splits that train a stand-alone network, and that train a supernet.
_NUM_IMAGES = 118_287
_NUM_SEARCH_IMAGES = 106_458


@pytest.mark.parametrize(
    "length, batch_size, num_steps", [("short", 1024, 50_000), ("long", 512, 400_000)]
)
@pytest.mark.parametrize("name", ["mobilenet_v3_large", "mobiledet_edgetpu", "found"])
def test_published_schedules_of_detectors(values, name, length, batch_size, num_steps):
    """MobileDets, arXiv 2004.14525: steps, peak rate and warmup."""
    given = values(f"flags/coco/ssdlite_{name}_{length}.flags")
    peak, warmup_steps = {"short": (4.0, 5_000), "long": (0.8, 2_000)}[length]
    assert given["train_batch_size"] == batch_size
    assert recipe.total_steps(given["epochs"], _NUM_IMAGES, batch_size) == num_steps
    assert given["base_learning_rate"] * batch_size / 256 == pytest.approx(peak)
    assert given["warmup_steps_fraction"] * num_steps == pytest.approx(warmup_steps)
    assert (given["optimizer"], given["momentum"], given["image_size"]) == ("momentum", 0.9, 320)
    assert given["detector"] == "ssdlite"


@pytest.mark.parametrize("file", _files_of("object_detection.search"))
def test_searches_of_backbones(values, file):
    given = values(file)
    definition = modeling.define(
        given["detector"], num_filters=given["num_filters"], separable=given["separable"]
    )
    space = modeling.trim(search_space.get(given["ssd"]), definition.input_levels)
    num_classes = {"coco/2017": 81, "digit_scenes": 11}[given["dataset"]]
    model = modeling.cost_model(
        given["cost_model"], definition, space, given["image_size"], num_classes
    )
    least, most = cost_range(model)
    assert least < recipe.cost_target(given["rl_cost_model_target"], model) < most
    if given["dataset"] == "coco/2017":
        steps = recipe.total_steps(given["epochs"], _NUM_SEARCH_IMAGES, given["train_batch_size"])
        assert steps == 50_000
        assert given["rl_learning_rate"] * given["train_batch_size"] / 256 == 0.005


@pytest.mark.parametrize(
    "file, network, expanded",
    [
        ("ssdlite_mobilenet_v3_like_search", "mobilenet_v3_large_detection", True),
        ("ssdlite_proxylessnas_enlarged_search", "mobilenet_v2", False),
        ("retinanet_proxylessnas_enlarged_search", "mobilenet_v2", False),
        ("ssdlite_mobiledet_edgetpu_search", "mobiledet_edgetpu", False),
    ],
)
def test_targets_are_the_costs_of_published_networks(values, file, network, expanded):
    given = values(f"flags/coco/{file}.flags")
    definition = modeling.define(
        given["detector"],
        num_filters=given["num_filters"],
        separable=given["separable"],
        expanded_features=expanded or None,
    )
    architecture = search_space.resolve(search_space.get(network), ())
    cost = modeling.count(definition, architecture, given["image_size"], 81).madds
    target = given["rl_cost_model_target"]
    if target is None:
        space = modeling.trim(search_space.get(given["ssd"]), definition.input_levels)
        target = modeling.cost_model("madds", definition, space, 320, 81).reference_cost()
    assert target == cost


@pytest.mark.slow
@pytest.mark.parametrize("module", ["object_detection.search", "object_detection.train_eval"])
def test_commands_of_detection_get_as_far_as_their_data(tmp_path, values, module):
    (tmp_path / "empty").mkdir()
    network = search_space.resolve(search_space.get("mobilenet_v2"), ())
    write_json(tmp_path / "architecture.json", architecture_lib.to_json(network))
    files = [file for file in _files_of(module) if file.startswith("flags/coco/")]
    lines = []
    for file in files:
        line = [f"--flagfile={file}", f"--checkpoint_dir={tmp_path}/run"]
        line.append(f"--dataset_dir={tmp_path}/empty")
        if module == "object_detection.train_eval" and values(file)["ssd"] is None:
            line.append(f"--architecture={tmp_path}/architecture.json")
        lines.append(line)
    for file, outcome in zip(files, outcomes(module, lines, run=True)):
        assert "'coco/2017' is not prepared" in outcome["error"], file
    assert not (tmp_path / "run").exists()


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
    for file, outcome in zip(files, outcomes(module, lines, run=True)):
        assert "'imagenet2012' is not prepared" in outcome["error"], file
    assert not (tmp_path / "run").exists()
