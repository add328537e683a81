"""describe, estimate_cost and sample_architectures, run as a user runs them."""

import json
import os
import pathlib
import subprocess
import sys

import example_spaces
import pytest

import tunas_tf
from tunas_tf import search_space
from tunas_tf.search_space import architecture as architecture_lib

_PACKAGE_ROOT = str(pathlib.Path(tunas_tf.__file__).parents[1])
_TESTS = str(pathlib.Path(__file__).parent)
_SSD = "--ssd=proxylessnas_search"
_CHECK_CASE = (
    "--indices=0:0:0:1:0:0:0:0:1:0:0:1:0:0:1:0:1:1:0:1:0:0:1:0:0:0:0:0:0:2:1:0:1:1:0:2:1:0:2:1:0:"
    "0:1:1:0:0:0:0:1:0:0:1:0:0:0:1:1:0:2:0:0:0:0:0:1:0:0:0:2:1:0:0:0"
)


def _python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([_PACKAGE_ROOT, _TESTS])},
        check=False,
    )


def _run(command, *arguments):
    """Standard output of a command that ends well."""
    result = _python("-m", f"tunas_tf.{command}", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def _run_json(command, *arguments):
    return json.loads(_run(command, *arguments, "--format=json"))


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


def test_describe_space():
    assert _run_json("describe", _SSD) == {
        "ssd": "proxylessnas_search",
        "num_choices": 73,
        "num_architectures": "2156489995751704756224",
        "num_distinct": "664506689423701824",
    }
    text = _run("describe", _SSD)
    assert "2,156,489,995,751,704,756,224" in text
    assert "expansion={3x, 6x}" in text


def test_describe_architecture():
    indices = search_space.format_indices(_reference().indices)
    described = _run_json("describe", _SSD, f"--indices={indices}")
    assert described["num_architectures"] == "2156489995751704756224"
    assert described["indices"] == indices
    assert described["params"] == 4_081_793
    assert described["madds"] == 320_428_864
    assert sum(layer["params"] for layer in described["layers"]) == 4_081_793
    assert described["layers"][0]["kernel_size"] == 3

    text = _run("describe", _SSD, f"--indices={indices}", "--image_size=112", "--num_classes=10")
    assert "112 x 112 x 3" in text and "1 x 1 x 10" in text


def test_describe_architecture_file(tmp_path):
    described = _run_json("describe", _write(tmp_path / "architecture.json", _reference()))
    assert described["params"] == 4_081_793
    assert described["num_choices"] == 73


def test_describe_architecture_whose_space_is_gone(tmp_path):
    space = example_spaces.mixed_space()
    network = search_space.resolve(space, (1, 1, 1, 0, 1, 0, 0, 1, 2, 0, 1))
    described = _run_json("describe", _write(tmp_path / "architecture.json", network))
    assert set(described) == {"ssd", "indices", "params", "madds", "layers"}
    assert (described["ssd"], described["indices"]) == ("mixed", "1:1:1:0:1:0:0:1:2:0:1")


def test_own_space():
    described = _run_json("describe", "--ssd=example_spaces:mixed_space")
    assert described == {
        "ssd": "example_spaces:mixed_space",
        "num_choices": 11,
        "num_architectures": "1536",
        "num_distinct": "1152",
    }


def test_estimate_cost_of_the_published_check_case():
    assert _run("estimate_cost", _SSD, _CHECK_CASE) == "estimated cost: 84.016670\n"
    estimate = _run_json("estimate_cost", _SSD, _CHECK_CASE, "--cost_model=pixel1")
    assert estimate == {
        "cost": pytest.approx(84.016670, abs=1e-4), "unit": "ms", "cost_model": "pixel1"
    }  # fmt: skip


def test_estimate_cost_of_a_file(tmp_path):
    file = _write(tmp_path / "architecture.json", _reference())
    assert _run("estimate_cost", file, "--cost_model=madds") == "estimated cost: 320428864.000000\n"
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
        ("describe", ["--ssd=nothing"], "there is no search space 'nothing'"),
        ("describe", [_SSD, "--indices=0:1"], "2 indices were given, but proxylessnas_search has"),
        ("describe", [_SSD, _CHECK_CASE.replace("=0:0:", "=0:3:")], "index 3 at position 1 "),
        ("describe", [_SSD, "--indices=0;1"], "indices '0;1' cannot be read"),
        ("describe", ["--architecture=/nowhere.json"], "the architecture file /nowhere.json"),
        ("describe", [_SSD, "--num_classes=10"], "--num_classes has no effect here"),
        ("describe", [_SSD, "--filters_multiplier=0"], "filters_multiplier is 0.0"),
        ("estimate_cost", [_SSD], "neither of --indices and --architecture given"),
        ("estimate_cost", ["--indices=0", "--architecture=x"], "both of --indices and"),
        ("estimate_cost", ["--indices=0"], "--ssd is missing"),
        ("estimate_cost", [_SSD, _CHECK_CASE, "--image_size=96"], "--image_size has no effect"),
        ("estimate_cost", [_SSD, _CHECK_CASE, "--num_classes=9"], "--num_classes has no effect"),
        ("estimate_cost", [_SSD, _CHECK_CASE, "--cost_model=x"], "there is no cost model 'x'"),
        (
            "estimate_cost",
            [_SSD, _CHECK_CASE, "--filters_multiplier=2"],
            "the cost model pixel1 knows the networks of proxylessnas_search with filters",
        ),
        (
            "sample_architectures",
            [_SSD, "--cost_model=params", "--image_size=96"],
            "--image_size has no effect here",
        ),
        ("sample_architectures", [_SSD, "--min_cost=9", "--max_cost=8"], "the cost window is"),
        ("sample_architectures", [_SSD, "--min_cost=220"], "no network of proxylessnas_search"),
    ],
)
def test_bad_input_is_one_line(command, arguments, message):
    result = _python("-m", f"tunas_tf.{command}", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1


def test_files_refuse_what_contradicts_them(tmp_path):
    file = _write(tmp_path / "architecture.json", _reference())
    for arguments, message in (
        (["--ssd=other"], "error: --ssd=other was given, but"),
        (["--filters_multiplier=1"], "error: --filters_multiplier has no effect here"),
    ):
        result = _python("-m", "tunas_tf.describe", file, *arguments)
        assert result.returncode == 2
        assert result.stderr.startswith(message)
