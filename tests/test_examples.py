"""The examples, as a user runs a copy of them in a directory of their own."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_SPACE = ("--space_module=custom_space", "--ssd=tiny_search")


@pytest.fixture(name="python")
def _python(tmp_path):
    """Runs Python beside copies of the examples, and nothing else; gives what it prints."""
    for path in (_ROOT / "examples").glob("*.py"):
        shutil.copy(path, tmp_path)

    def python(*arguments):
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return python


@pytest.fixture(name="run")
def _run(python):
    """Runs a command."""
    return lambda command, *arguments: python("-m", f"tunas_tf.{command}", *arguments)


def test_custom_space_is_described(run):
    # Per block 2 kernel sizes x 2 expansions of the first layer, as many of the second or none,
    # 3 filter counts.
    described = json.loads(run("describe", *_SPACE, "--format=json"))
    assert described == {
        "ssd": "tiny_search",
        "num_choices": 12,
        "num_architectures": str((4 * (4 * 2) * 3) ** 2),
        "num_distinct": str((4 * (4 + 1) * 3) ** 2),
    }
    indices = "--indices=0:0:0:0:0:1:0:0:0:0:0:1"
    network = json.loads(run("describe", *_SPACE, indices, "--image_size=64", "--format=json"))
    bottlenecks = [layer for layer in network["layers"] if layer["op"] == "bottleneck"]
    assert [
        (layer["kernel_size"], layer["filters"], layer["output_size"]) for layer in bottlenecks
    ] == [(3, 24, 16), (3, 24, 16), (3, 48, 8), (3, 48, 8)]


@pytest.mark.slow
def test_custom_space_from_search_to_accuracy(run, tmp_path, digits_dir):
    data = (f"--dataset_dir={digits_dir}", "--image_size=32")
    printed = run(
        "search",
        f"--flagfile={_ROOT}/flags/quickstart.flags",
        *_SPACE,
        *data,
        "--epochs=0.3",
        "--checkpoint_dir=found",
    )
    assert "search in tiny_search on digits" in printed and "step 8/8" in printed

    found = json.loads(run("analyze_search", "--checkpoint_dir=found", "--format=json"))
    assert found["ssd"] == "tiny_search" and len(found["indices"].split(":")) == 12
    reference = run(
        "estimate_cost",
        "--format=json",
        *_SPACE,
        "--indices=0:0:0:0:0:1:0:0:0:0:0:1",
        "--cost_model=madds",
        "--image_size=32",
        "--num_classes=10",
    )
    assert found["cost_target"] == json.loads(reference)["cost"]

    file = "--architecture=found/architecture.json"
    network = json.loads(
        run("describe", file, "--image_size=32", "--num_classes=10", "--format=json")
    )
    assert (network["indices"], network["madds"]) == (found["indices"], found["cost"])

    # The file alone names the network: the user's module is not needed any more.
    (tmp_path / "custom_space.py").unlink()
    train = (f"--flagfile={_ROOT}/flags/quickstart_train.flags", *data, "--epochs=0.1")
    printed = run("train_eval", *train, file, "--checkpoint_dir=trained")
    assert f"size          {network['params']} parameters" in printed
    evaluation = json.loads((tmp_path / "trained" / "evaluation.json").read_text())
    assert (evaluation["num_examples"], evaluation["step"]) == (200, 3)  # 0.1 * 1,000 / 32.


def test_custom_cost(python, run):
    printed = python("custom_cost.py")
    reference = ("--ssd=quickstart_search", "--indices=" + ":".join("0" * 21))
    cost = json.loads(
        run("estimate_cost", "--cost_model=memory_traffic.json", *reference, "--format=json")
    )
    assert printed == (f"memory_traffic.json: {cost['cost']:.1f} kB for the reference network\n")
    assert cost["unit"] == "kB"

    # The same by what `describe` says of the layers: as many weights as parameters, without the
    # two of each filter's batch norm, and of the classifier its bias.
    network = json.loads(
        run("describe", *reference, "--image_size=64", "--num_classes=10", "--format=json")
    )
    batch_norms = values = 0
    filters, size = 3, 64
    for layer in network["layers"]:
        outputs = layer["output_size"] ** 2 * layer["filters"]
        if layer["op"] == "bottleneck":
            expanded = 3 * filters
            # Expansion, depthwise convolution, projection, each reads and writes.
            values += size**2 * (filters + 2 * expanded)
            values += layer["output_size"] ** 2 * 2 * expanded + outputs
            batch_norms += 2 * expanded + layer["filters"]
            if (filters, size) == (layer["filters"], layer["output_size"]):
                values += 3 * outputs  # The residual.
        elif layer["op"] == "conv":
            values += size**2 * filters + outputs
            batch_norms += layer["filters"]
        filters, size = layer["filters"], layer["output_size"]
    values += 160 + 10  # Classifier.
    weights = network["params"] - 2 * batch_norms - 10
    assert cost["cost"] == pytest.approx((values + weights) / 1000)


@pytest.mark.slow
def test_keras_loop(python, tmp_path):
    printed = python("keras_loop.py", "2").splitlines()
    assert [line.partition(":")[0] for line in printed] == [
        "step 0", "step 1", "found", "accuracy on 450 test images after 1 epochs"
    ]  # fmt: skip
    assert (tmp_path / "found.keras").exists()


@pytest.mark.slow
def test_keras_loop_learns(python):
    *_, accuracy = python("keras_loop.py").split()
    assert float(accuracy.rstrip("%")) > 90
