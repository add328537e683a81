"""export_tflite as a user runs it."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import trained_runs
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from tunas_tf.data import digits
from tunas_tf.search_space import architecture as architecture_lib


def _classify(directory: pathlib.Path, image_file: pathlib.Path) -> str:
    """The class of an image, by what m.json says about m.tflite, without this package."""
    described = json.loads((directory / "m.json").read_text())
    rule = described["preprocessing"]
    image = Image.open(image_file).convert("RGB")
    assert rule["crop"] == "central square"
    side = int(min(image.size) * rule["crop_fraction_of_shorter_side"] + 1e-3)
    left, top = (round((length - side) / 2) for length in image.size)
    image = image.crop((left, top, left + side, top + side))
    image = image.resize((rule["image_size"],) * 2, Image.Resampling.BICUBIC)
    values = (np.asarray(image) / 255 - rule["mean"]) / rule["deviation"]
    source, target = described["input"], described["output"]
    integers = np.rint(values / source["scale"]) + source["zero_point"]
    interpreter = Interpreter(str(directory / "m.tflite"))
    run = interpreter.get_signature_runner(described["signature"])
    images = integers.clip(-128, 127).astype(source["dtype"])[np.newaxis]
    logits = run(**{source["name"]: images})[target["name"]]
    return described["labels"][int(logits.argmax())]


def test_int8_file_is_usable_from_its_description_alone(run_dir, colours_dir, tmp_path):
    result = trained_runs.run_command(
        "export_tflite",
        f"--checkpoint_dir={run_dir}",
        "--output=m.tflite",
        "--quantize=int8",
        "--num_representative_images=100",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "weights:       checkpoint of step 90" in result.stdout
    assert "calibrated on: 100 images of image_folder, train" in result.stdout
    assert "compared on:   30 images of image_folder, test" in result.stdout
    assert sorted(os.listdir(tmp_path)) == ["m.json", "m.tflite"]
    files = sorted(pathlib.Path(colours_dir, "test").glob("*/*.png"))
    right = [_classify(tmp_path, file) == file.parent.name for file in files]
    # Resizing here and there rounds differently.
    accuracy = json.loads((tmp_path / "m.json").read_text())["verification"]["tflite_accuracy"]
    assert len(right) == 30 and abs(np.mean(right) - accuracy) <= 0.07 and np.mean(right) > 0.8

    for file in ("m.json", "m.tflite"):
        content = (tmp_path / file).read_bytes()
        for place in (run_dir, colours_dir, str(tmp_path), str(trained_runs.ROOT)):
            assert place.encode() not in content


def test_untrained_network_as_json(tmp_path):
    network = architecture_lib.to_json(trained_runs.small_architecture())
    (tmp_path / "architecture.json").write_text(json.dumps(network))
    result = trained_runs.run_command(
        "export_tflite",
        "--architecture=architecture.json",
        "--image_size=20",
        "--num_classes=4",
        "--output=m.tflite",
        "--format=json",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    described = json.loads(result.stdout)
    assert described == json.loads((tmp_path / "m.json").read_text())
    assert described["output"]["shape"] == [1, 4]
    assert described["verification"]["max_difference"] <= 1e-4
    assert described["operators"]["HARD_SWISH"] == 2


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--output="], "ends in .tflite"),
        (["--output=no/m.tflite"], "does not exist; make it first"),
        (["--output=network.tflite"], "network.json, where the description"),
        (["--quantize=int4"], "should be one of <none|float16|dynamic|int8>"),
        (["--quantize=int8", "--num_representative_images=0"], "0 is not a positive integer"),
        (["--num_representative_images=200"], "has no effect here: --quantize=none"),
        (["--dataset_dir=here"], "neither --checkpoint_dir nor --dataset says"),
        (["--num_classes=0"], "a classifier has 1 class or more"),
        (["--ssd=quickstart_search"], "quickstart_search has choices"),
        (["--checkpoint_dir=nowhere", "--ssd="], "there is no search space ''"),
        (["--architecture=network.json", "--ssd=x"], "is not an architecture file"),
    ],
)
def test_bad_flags_are_one_line_at_once(tmp_path, flags, message):
    (tmp_path / "network.json").write_text("{}")
    defaults = ["--ssd=mobilenet_v2", "--output=m.tflite"]
    # What needs TensorFlow would fail here.
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from tunas_tf import export_tflite\n"
        "sys.argv[0] = 'export_tflite'\n"
        "export_tflite.run()"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, *defaults, *flags],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(trained_runs.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    _check_refused(result, message)
    assert os.listdir(tmp_path) == ["network.json"]


def test_the_network_of_another_run_is_one_line(tmp_path, run_dir):
    result = trained_runs.run_command(
        "export_tflite",
        f"--checkpoint_dir={run_dir}",
        "--ssd=mobilenet_v2",
        "--output=m.tflite",
        cwd=tmp_path,
    )
    _check_refused(result, "is not the one that was trained in")
    assert os.listdir(tmp_path) == []


def _check_refused(result: subprocess.CompletedProcess, message: str) -> None:
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]


@pytest.mark.slow
def test_int8_keeps_the_accuracy_on_digits(tmp_path, monkeypatch):
    """The quickstart's reference network, trained for half a minute."""
    # Enough test images for a loss of 2 points to be no chance.
    monkeypatch.setattr(digits, "NUM_EXAMPLES", {"train": 2000, "test": 1000})
    digits.prepare(str(tmp_path / "data"))
    result = trained_runs.run_command(
        "train_eval",
        f"--flagfile={trained_runs.ROOT}/flags/quickstart_train.flags",
        "--ssd=quickstart_search",
        f"--indices={':'.join('0' * 21)}",
        "--dataset_dir=data",
        "--epochs=6",
        "--checkpoint_dir=run",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    flags = ("--checkpoint_dir=run", "--output=m.tflite", "--quantize=int8")
    result = trained_runs.run_command("export_tflite", *flags, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    verified = json.loads((tmp_path / "m.json").read_text())["verification"]
    evaluated = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert verified["num_images"] == 1000
    assert verified["keras_accuracy"] == pytest.approx(evaluated["accuracy"], abs=1e-6)
    assert evaluated["accuracy"] > 0.4  # It has learned something; chance is 0.1.
    assert verified["tflite_accuracy"] >= evaluated["accuracy"] - 0.02
    assert verified["top1_agreement"] > 0.93
