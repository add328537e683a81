"""object_detection.export_tflite as a user runs it."""

import json
import os

import detector_runs
import pytest

from tunas_tf.search_space import architecture as architecture_lib

_COMMAND = "object_detection.export_tflite"


def test_export_and_benchmark(tmp_path):
    network = architecture_lib.to_json(detector_runs.small_architecture())
    (tmp_path / "architecture.json").write_text(json.dumps(network))
    result = detector_runs.run_command(
        _COMMAND,
        "--architecture=architecture.json",
        "--image_size=64",
        "--num_classes=4",
        "--num_test_images=2",
        "--score_threshold=0.1",
        "--output=m.tflite",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "1 TFLite_Detection_PostProcess" in result.stdout
    assert "weights:       initial, not trained" in result.stdout
    described = json.loads((tmp_path / "m.json").read_text())
    assert described["postprocess"]["score_threshold"] == 0.1
    result = detector_runs.run_command(
        "tunas_tf.benchmark", "--model=m.tflite", "--num_runs=3", "--format=json", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    (measurement,) = json.loads(result.stdout)["measurements"]
    assert measurement["model_sha256"] == described["file"]["sha256"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--output=m.txt"], "ends in .tflite"),
        (["--nopostprocess", "--score_threshold=0.5"], "--score_threshold has no effect here"),
        (["--score_threshold=0"], "scores are more than 0 and less than 1"),
        (["--checkpoint_dir=nowhere"], "nowhere/config.json cannot be read"),
        (["--ssd=mobilenet_v2", "--detector=retinanet", "--image_size=100"], "a multiple of 32"),
    ],
)
def test_bad_flags_are_one_line(tmp_path, flags, message):
    result = detector_runs.run_command(
        _COMMAND, "--ssd=mobilenet_v2", "--output=m.tflite", *flags, cwd=tmp_path
    )
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert os.listdir(tmp_path) == []
