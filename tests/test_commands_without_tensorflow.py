"""describe, estimate_cost and sample_architectures, run as a user runs them."""

import json
import os
import pathlib
import subprocess
import sys

import example_spaces
import published_networks
import pytest

import tunas_tf
from tunas_tf import search_space
from tunas_tf.search_space import architecture as architecture_lib

_PACKAGE_ROOT = str(pathlib.Path(tunas_tf.__file__).parents[1])
_SSD = "--ssd=proxylessnas_search"
_CHECK_CASE = (
    "--indices=0:0:0:1:0:0:0:0:1:0:0:1:0:0:1:0:1:1:0:1:0:0:1:0:0:0:0:0:0:2:1:0:1:1:0:2:1:0:2:1:0:"
    "0:1:1:0:0:0:0:1:0:0:1:0:0:0:1:1:0:2:0:0:0:0:0:1:0:0:0:2:1:0:0:0"
)


def _python(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": _PACKAGE_ROOT},
        cwd=cwd,
        check=False,
    )


def _run(command, *arguments, cwd=None):
    """Standard output of a command that ends well."""
    result = _python("-m", f"tunas_tf.{command}", *arguments, cwd=cwd)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def _run_json(command, *arguments, cwd=None):
    return json.loads(_run(command, *arguments, "--format=json", cwd=cwd))


def _refused(command, *arguments, cwd=None):
    """The one line that a command says before it gives up."""
    result = _python("-m", f"tunas_tf.{command}", *arguments, cwd=cwd)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def _reference():
    space = search_space.get("proxylessnas_search")
    return search_space.resolve(space, space.reference_indices)


def _write(path, network):
    path.write_text(json.dumps(architecture_lib.to_json(network)))
    return f"--architecture={path}"


@pytest.mark.parametrize("command", ["describe", "estimate_cost", "sample_architectures"])
def test_commands_do_not_import_tensorflow(command):
    result = _python(
        "-c",
        f"import sys, tunas_tf.{command}\n"
        "print({'tensorflow', 'tf_keras', 'keras', 'jax'} & set(sys.modules))",
    )
    assert (result.stdout, result.stderr) == ("set()\n", "")


@pytest.mark.parametrize(
    "name, num_choices, num_architectures, num_distinct",
    [
        ("proxylessnas_search", 73, "2156489995751704756224", "664506689423701824"),
        (
            "proxylessnas_enlarged_search",
            73,
            "13917744905701978305736998912",
            "4288651748791356117491712",
        ),
        (
            "mobilenet_v3_like_search",
            86,
            "8480913417270962668399786129693618420580352",
            "260249428774631197068273166319379283968",
        ),
        (
            "mobiledet_edgetpu_search",
            31,
            "20714691988635550025563438055424",
            "20714691988635550025563438055424",
        ),
    ],
)
def test_describe_space(name, num_choices, num_architectures, num_distinct):
    assert _run_json("describe", f"--ssd={name}") == {
        "ssd": name,
        "num_choices": num_choices,
        "num_architectures": num_architectures,
        "num_distinct": num_distinct,
    }
    text = _run("describe", f"--ssd={name}")
    assert f"{int(num_architectures):,}" in text
    # A wide terminal shows it whole.
    assert max(map(len, text.splitlines())) <= 170
    if name == "proxylessnas_search":
        assert "expansion={3x, 6x}" in text


# Parameters and multiply-adds of most are known from other implementations.
@pytest.mark.parametrize(
    "name, params, madds, spaces",
    [
        ("mnasnet_b1", 4_384_593, 314_417_152, ["proxylessnas_enlarged_search"]),
        ("mobilenet_v2", 3_506_153, 300_775_552, ["proxylessnas_enlarged_search"]),
        ("mobilenet_v3_large", 5_484_313, 216_591_040, []),
        (
            "proxylessnas_mobile",
            4_081_793,
            320_428_864,
            ["proxylessnas_enlarged_search", "proxylessnas_search"],
        ),
        ("mobiledet_edgetpu", 3_177_497, 727_866_944, ["mobiledet_edgetpu_search"]),
        ("mobilenet_multi_avg", None, None, []),
        ("mobilenet_multi_max", None, None, []),
        ("proxylessnas_cpu", None, None, []),
        ("proxylessnas_gpu", None, None, []),
    ],
)
def test_describe_published_network(name, params, madds, spaces):
    described = _run_json("describe", f"--ssd={name}")
    assert (described["ssd"], described["indices"]) == (name, "")
    assert (described["num_choices"], described["num_distinct"]) == (0, "1")
    if params:
        assert (described["params"], described["madds"]) == (params, madds)
    for count in ("params", "madds"):
        assert sum(layer[count] for layer in described["layers"]) == described[count]
    shapes = [tuple(shape) for shape in described["endpoints"]]
    assert shapes == published_networks.endpoints(name)

    assert list(described["also_in"]) == spaces
    for space, indices in described["also_in"].items():
        there = search_space.resolve(search_space.get(space), search_space.parse_indices(indices))
        assert there.blocks == search_space.resolve(search_space.get(name), ()).blocks
    if name == "proxylessnas_mobile":
        assert described["pixel1_ms"] == pytest.approx(84.416, abs=5e-4)
    else:
        assert described["pixel1_ms"] is None

    lines = _run("describe", f"--ssd={name}").splitlines()
    # Lines with indices are to be copied, and stay whole.
    assert max(len(line) for line in lines if not line.startswith("in ")) <= 170
    assert sum(line.startswith("in ") for line in lines) == len(spaces)


def test_describe_architecture():
    indices = search_space.format_indices(_reference().indices)
    described = _run_json("describe", _SSD, f"--indices={indices}")
    assert described["num_architectures"] == "2156489995751704756224"
    assert described["indices"] == indices
    assert set(described["also_in"]) == {"proxylessnas_enlarged_search", "proxylessnas_mobile"}
    assert described["also_in"]["proxylessnas_mobile"] == ""
    assert described["pixel1_ms"] == pytest.approx(84.416, abs=5e-4)
    assert described["params"] == 4_081_793
    assert described["madds"] == 320_428_864
    assert sum(layer["params"] for layer in described["layers"]) == 4_081_793
    assert described["layers"][0]["kernel_size"] == 3

    text = _run("describe", _SSD, f"--indices={indices}", "--image_size=112", "--num_classes=10")
    assert "112 x 112 x 3" in text and "1 x 1 x 10" in text


def test_indices_of_a_network_are_empty():
    network = "--ssd=mobilenet_v2"
    assert _run("describe", network, "--indices=") == _run("describe", network)
    wider = _run_json("describe", network, "--indices=", "--filters_multiplier=1.4")
    assert wider["endpoints"][1] == [56, 56, 32]  # 1.4 x 24 = 33.6.


def test_describe_architecture_file(tmp_path):
    described = _run_json("describe", _write(tmp_path / "architecture.json", _reference()))
    assert described["params"] == 4_081_793
    assert described["num_choices"] == 73


def test_describe_architecture_whose_space_is_gone(tmp_path):
    space = example_spaces.mixed_space()
    network = search_space.resolve(space, (1, 1, 1, 0, 1, 0, 0, 1, 2, 0, 1))
    described = _run_json("describe", _write(tmp_path / "architecture.json", network))
    assert (described["ssd"], described["indices"]) == ("mixed", "1:1:1:0:1:0:0:1:2:0:1")
    assert "num_choices" not in described
    assert (described["also_in"], described["pixel1_ms"]) == ({}, None)
    # Behind the second block: 16 filters at a quarter of the side.
    assert described["endpoints"] == [[56, 56, 16]]


_OWN_SPACES = """
from tunas_tf.search_space import register
from tunas_tf.search_space.spec import *

@register
def tiny():
    layer = Residual(OneOf((Conv(3), Conv(5), Zero()), OPERATION))
    blocks = (Block((Conv(3, strides=2),), 8), Block((layer, GlobalPool()), 8))
    return SearchSpace("tiny", blocks, reference_indices=(1,))

@register
def broken():
    return SearchSpace("broken", (Block((Conv(OneOf((3, 5), "kernel")),), 8),))

@register
def unsound():
    layers = (Conv(3), Residual(Conv(3, strides=2)))
    return SearchSpace("unsound", (Block(layers, 8),))
"""


def test_own_space(tmp_path):
    (tmp_path / "own_spaces.py").write_text(_OWN_SPACES)
    tiny = ("--space_module=own_spaces", "--ssd=tiny")
    described = _run_json("describe", *tiny, cwd=tmp_path)
    assert described == {
        "ssd": "tiny", "num_choices": 1, "num_architectures": "3", "num_distinct": "3"
    }  # fmt: skip
    estimate = ("--indices=2", "--num_classes=0", "--cost_model=params")
    # Only the stem: 27 x 8 weights and its batch norm.
    cost = _run_json("estimate_cost", *tiny, *estimate, cwd=tmp_path)
    assert cost["cost"] == 27 * 8 + 2 * 8
    sampled = _run_json("sample_architectures", *tiny, "--num_samples=3", cwd=tmp_path)
    assert {network["indices"] for network in sampled} <= {"0", "1", "2"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--ssd=tiny"], "there is no search space 'tiny'"),
        (
            ["--space_module=own_spaces", "--ssd=broken"],
            "the search space 'broken' cannot be built (ValueError: OneOf tag is 'kernel'",
        ),
        (
            ["--space_module=own_spaces", "--ssd=tinny"],
            "there is no search space 'tinny'; did you mean tiny?",
        ),
        (["--space_module=own_space", "--ssd=tiny"], "the module 'own_space' cannot be imported"),
        (["--space_module=json", "--ssd=tiny"], "the module 'json' registers no search space"),
        (["--space_module=taken", "--ssd=tiny"], "there is a search space 'mobilenet_v2' already"),
        (["--ssd=own_spaces:tiny"], "there is no search space 'own_spaces:tiny'"),
        (
            ["--space_module=own_spaces", "--ssd=unsound"],
            "the search space 'unsound' does not hold together: the layer within the Residual at",
        ),
    ],
)
def test_own_space_that_does_not_work(tmp_path, arguments, message):
    (tmp_path / "own_spaces.py").write_text(_OWN_SPACES)
    (tmp_path / "taken.py").write_text(_OWN_SPACES.replace("tiny", "mobilenet_v2"))
    assert _refused("describe", *arguments, cwd=tmp_path).startswith(f"error: {message}")


def test_estimate_cost_of_the_published_check_case():
    text = _run("estimate_cost", _SSD, _CHECK_CASE)
    assert text.splitlines() == ["estimated cost: 84.016670", "unit: ms (pixel1)"]
    estimate = _run_json("estimate_cost", _SSD, _CHECK_CASE, "--cost_model=pixel1")
    assert estimate == {
        "cost": pytest.approx(84.016670, abs=1e-4), "unit": "ms", "cost_model": "pixel1"
    }  # fmt: skip


def test_estimate_cost_of_a_file(tmp_path):
    file = _write(tmp_path / "architecture.json", _reference())
    text = _run("estimate_cost", file, "--cost_model=madds")
    assert text.splitlines() == ["estimated cost: 320428864", "unit: madds (madds)"]
    estimate = _run_json("estimate_cost", file, "--cost_model=params", "--num_classes=0")
    assert estimate == {
        "cost": 4_081_793 - 1280 * 1001 - 1001, "unit": "params", "cost_model": "params"
    }  # fmt: skip


def test_sample_architectures():
    window = ("--min_cost=83", "--max_cost=85", "--seed=3")
    sampled = _run_json("sample_architectures", _SSD, *window, "--num_samples=5")
    assert len(sampled) == 5
    for network in sampled:
        assert set(network) == {"indices", "cost"}
        assert 83 <= network["cost"] <= 85
    again = _run_json("sample_architectures", _SSD, *window, "--num_samples=3")
    assert again == sampled[:3]
    estimate = _run_json("estimate_cost", _SSD, f"--indices={sampled[0]['indices']}")
    assert estimate["cost"] == pytest.approx(sampled[0]["cost"])


@pytest.mark.parametrize(
    "command, arguments, message",
    [
        ("describe", [], "--ssd is missing"),
        ("describe", ["--ssd=nothing"], "there is no search space 'nothing'; use one of mnasnet"),
        (
            "describe",
            ["--ssd=mobilenet_v3_larg"],
            "there is no search space 'mobilenet_v3_larg'; did you mean mobilenet_v3_large?",
        ),
        ("describe", ["--ssd=mobilenet_v2", "--indices=0"], "1 index was given, but mobilenet_v2"),
        ("describe", [_SSD, "--indices=0:1"], "2 indices were given, but proxylessnas_search has"),
        ("describe", [_SSD, _CHECK_CASE.replace("=0:0:", "=0:3:")], "index 3 at position 1 "),
        ("describe", [_SSD, "--indices=0;1"], "indices '0;1' cannot be read"),
        ("describe", ["--architecture=/nowhere.json"], "the architecture file /nowhere.json"),
        ("describe", [_SSD, "--num_classes=10"], "--num_classes has no effect here"),
        ("describe", [_SSD, "--filters_multiplier=0"], "filters_multiplier is 0.0"),
        ("estimate_cost", [_SSD], "neither of --indices and --architecture given"),
        ("estimate_cost", ["--indices=0", "--architecture=x"], "both of --indices and"),
        ("estimate_cost", ["--indices=0"], "no network is named; give --architecture, or --ssd"),
        ("estimate_cost", [_SSD, _CHECK_CASE, "--image_size=96"], "--image_size has no effect"),
        ("estimate_cost", [_SSD, _CHECK_CASE, "--num_classes=9"], "--num_classes has no effect"),
        ("estimate_cost", [_SSD, _CHECK_CASE, "--cost_model=x"], "there is no cost model 'x'"),
        (
            "estimate_cost",
            [_SSD, _CHECK_CASE, "--filters_multiplier=2", "--cost_model=pixel1"],
            "the cost model pixel1 knows the networks of proxylessnas_search with filters",
        ),
        (
            "sample_architectures",
            [_SSD, "--cost_model=params", "--image_size=96"],
            "--image_size has no effect here",
        ),
        ("sample_architectures", [_SSD, "--min_cost=9", "--max_cost=8"], "the cost window is"),
        ("sample_architectures", ["--like=a.json", "--space_module=mine"], "--space_module"),
        ("sample_architectures", [_SSD, "--min_cost=220"], "no network of proxylessnas_search"),
    ],
)
def test_bad_input_is_one_line(command, arguments, message):
    assert _refused(command, *arguments).startswith(f"error: {message}")


def test_files_refuse_what_contradicts_them(tmp_path):
    file = _write(tmp_path / "architecture.json", _reference())
    for arguments, message in (
        (["--ssd=other"], "error: --ssd=other was given, but"),
        (["--filters_multiplier=1"], "error: --filters_multiplier has no effect here"),
    ):
        assert _refused("describe", file, *arguments).startswith(message)
