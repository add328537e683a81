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


@pytest.fixture(name="run")
def _run(tmp_path):
    """Runs a command beside a copy of the example, and nothing else; gives what it prints."""
    shutil.copy(_ROOT / "examples" / "custom_space.py", tmp_path)

    def run(command, *arguments):
        result = subprocess.run(
            [sys.executable, "-m", f"tunas_tf.{command}", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


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
