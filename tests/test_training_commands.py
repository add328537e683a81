"""The commands that train, as a user runs them."""

import json
import os
import pathlib
import subprocess
import sys

import interrupted_runs
import pytest

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_QUICKSTART_SSD = "--ssd=quickstart_search"
# Every layer that may be skipped is.
_WITHOUT_RESIDUALS = "0:0:0:0:1:0:0:0:0:1:0:0:1:0:0:0:0:1:0:0:1"
_QUICKSTART = f"--flagfile={_ROOT}/flags/quickstart.flags"


def run(command: str, *flags: str, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", f"tunas_tf.{command}", *flags],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_from_search_to_accuracy(tmp_path, digits_dir):
    """Search, analysis, training of the network and of a rival, in a directory of its own."""
    data = f"--dataset_dir={digits_dir}"
    result = run(
        "search",
        _QUICKSTART,
        data,
        "--epochs=0.3",
        "--checkpoint_dir=search",
        "--iterations_per_loop=4",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "cost target         6,702,528 multiply-adds" in result.stdout
    assert "step 8/8: loss" in result.stdout and "of target)" in result.stdout
    config = json.loads((tmp_path / "search" / "config.json").read_text())
    assert config["derived"]["total_steps"] == 8  # 0.3 * 900 / 32.
    assert config["derived"]["rl_cost_model_target"] == 6_702_528
    assert config["derived"]["model_weight_decay"] == 4e-5
    assert config["derived"]["reward_fraction"] == 0.1
    assert (tmp_path / "search" / "search_space.json").exists()

    result = run("analyze_search", "--checkpoint_dir=search", "--format=json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert abs(found["cost"] / 6_702_528 - 1) <= 0.01 and found["proven"]
    assert found == json.loads((tmp_path / "search" / "architecture.json").read_text())

    result = run("report", "--run_dir=search", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "search" / "report.html").read_text()
    assert "quickstart_search" in page and "data:image/" in page

    result = run(
        "sample_architectures",
        "--like=search/architecture.json",
        "--num_samples=2",
        "--output_dir=random",
        "--format=json",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    rivals = json.loads(result.stdout)
    assert all(abs(rival["cost"] / 6_702_528 - 1) <= 0.01 for rival in rivals)

    train = (f"--flagfile={_ROOT}/flags/quickstart_train.flags", data, "--epochs=0.2")
    for name, indices, flags, decay in (
        ("found", found["indices"], ["--architecture=search/architecture.json"], 4e-5),
        (
            "rival",
            rivals[1]["indices"],
            ["--architecture=random/architecture_1.json", "--use_bfloat16=true"],
            3e-5,
        ),
        (
            "published",
            "none",
            ["--ssd=mobilenet_v2", "--filters_multiplier=0.25", "--path_dropout_rate=0.1"],
            4e-5,
        ),
    ):
        flags = [*train, *flags, f"--checkpoint_dir=trained/{name}"]
        result = run("train_eval", *flags, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert f"indices       {indices}" in result.stdout
        assert f"weight_decay  {decay}" in result.stdout
        assert "on 200 images of test, step 6" in result.stdout  # 0.2 * 1,000 / 32.
        config = json.loads((tmp_path / "trained" / name / "config.json").read_text())
        assert config["derived"]["weight_decay"] == decay
        assert config["derived"]["use_bfloat16"] is (name == "rival")
        assert config["derived"]["dropout_rate"] == 0.0


@pytest.mark.slow
def test_imagenet(tmp_path, imagenet_dir):
    """The published splits and labels, from the TFDS files to search, training, evaluation."""
    data = ("--dataset=imagenet2012", f"--dataset_dir={imagenet_dir}", "--image_size=32")
    data += ("--train_batch_size=20", "--reward_fraction=0.25")
    result = run(
        "search",
        *data,
        "--ssd=quickstart_search",
        "--cost_model=madds",
        "--epochs=1",
        "--rl_batch_size_multiplier=2",
        "--checkpoint_dir=search",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "180 images, 32 pixels, 1001 classes" in result.stdout
    assert "60 other images, train[:60]" in result.stdout
    assert "step 9/9: loss" in result.stdout  # 180 / 20.

    train = (*data[:-1], "--ssd=quickstart_search", "--indices=" + _WITHOUT_RESIDUALS)
    held_out = (*train, data[-1], "--use_held_out_test_set=false", "--checkpoint_dir=held_out")
    result = run("train_eval", *held_out, "--epochs=1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "on 60 images of search_validation, step 9" in result.stdout

    test = (*train, "--epochs=2", "--checkpoint_dir=test")
    result = run("train_eval", *test, "--mode=train", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "test" / "evaluation.json").exists()
    result = run("train_eval", *test, "--mode=eval", "--eval_batch_size=50", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "on 60 images of test, step 24" in result.stdout  # 2 * 240 / 20; 60 = 50 + 10.
    evaluation = json.loads((tmp_path / "test" / "evaluation.json").read_text())
    assert evaluation["num_examples"] == 60


@pytest.mark.slow
def test_after_a_search_without_a_cost_model_the_command_that_comes_next_works(
    tmp_path, image_folder
):
    interrupted_runs.prepare(tmp_path, image_folder)
    flags = ("--flagfile=tiny.flags", "--enable_cost_model=false", "--checkpoint_dir=search")
    result = run("search", *flags, "--epochs=1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    _, command = result.stdout.splitlines()[-1].split("next: python -m tunas_tf.")
    result = run(*command.split(), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "argmax: log-probability" in result.stdout
    result = run(*command.split(), "--cost_tolerance=0.1", cwd=tmp_path)
    assert result.returncode == 2 and "had no cost model" in result.stderr


@pytest.mark.parametrize(
    "command, flags, message",
    [
        ("search", ["--ssd=nope"], "there is no search space 'nope'"),
        ("search", [_QUICKSTART, "--dataset=cifar10", "--dataset_dir=there"], "tfds build cifar10"),
        (
            "search",
            [_QUICKSTART, "--increase_ops_warmup_steps_fraction=0.7"],
            "longer than rl_delay_steps_fraction",
        ),
        ("search", [_QUICKSTART, "--rl_cost_model_target=84"], "no network of quickstart_search"),
        ("search", [_QUICKSTART, "--checkpoint_dir=file/run"], "cannot be written"),
        ("search", [_QUICKSTART, "--enable_cost_model=false"], "--cost_model has no effect"),
        ("search", [_QUICKSTART, "--epochs=0.001"], "less than one step"),
        ("search", [_QUICKSTART, "--strict"], "--strict has no effect here: the images of digits"),
        ("train_eval", [_QUICKSTART_SSD, "--indices=0:1"], "2 indices were given"),
        (
            "train_eval",
            [_QUICKSTART_SSD, f"--indices={_WITHOUT_RESIDUALS}", "--path_dropout_rate=0.1"],
            "the network has no residual layers",
        ),
        ("train_eval", ["--ssd=mobilenet_v2", "--use_bfloat16=yes"], "value should be one of"),
        ("train_eval", ["--architecture=file"], "is not an architecture file"),
        ("analyze_search", ["--checkpoint_dir=nowhere"], "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, digits_dir, command, flags, message):
    (tmp_path / "file").write_text("")
    defaults = [] if command == "analyze_search" else ["--checkpoint_dir=run"]
    if command == "search" and "--dataset=cifar10" not in flags:
        defaults.append(f"--dataset_dir={digits_dir}")
    # What is given explicitly comes last, and wins.
    first, rest = (flags[:1], flags[1:]) if flags[0] == _QUICKSTART else ([], flags)
    result = run(command, *first, *defaults, *rest, cwd=tmp_path)
    assert result.returncode == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert os.listdir(tmp_path) == ["file"]
