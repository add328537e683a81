"""check_data, run as a user runs it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import miniature_imagenet
import numpy as np
import pytest

_ROOT = pathlib.Path(__file__).resolve().parent.parent


def _run(*flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tunas_tf.check_data", "--image_size=32", *flags],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_whole_imagenet(imagenet_dir):
    flags = ("--dataset=imagenet2012", f"--dataset_dir={imagenet_dir}", "--num_examples=0")
    result = _run(*flags, "--reward_fraction=0.25", "--format=json")
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert (found["dataset"], found["num_classes"], found["image_size"]) == (
        "imagenet2012", 1001, 32
    )  # fmt: skip
    splits = {name: (s["origin"], s["num_examples"]) for name, s in found["splits"].items()}
    assert splits == {
        "train": ("train", 240),
        "search_train": ("train[60:]", 180),
        "search_validation": ("train[:60]", 60),
        "test": ("validation", 60),
    }
    train = found["images"]["train"]
    assert (train["num_read"], train["num_classes_seen"], train["labels"]) == (240, 8, [1, 1000])
    assert train["formats"] == {"JPEG": 240} and train["broken"] == []
    assert 60 <= train["height"][0] < train["height"][1] < train["height"][2] <= 140
    assert found["epoch_seconds"] * found["images_per_second"] == pytest.approx(240)


def test_cut_file_is_one_line(imagenet_dir, tmp_path):
    shutil.copytree(imagenet_dir, tmp_path, dirs_exist_ok=True)
    (shard,) = tmp_path.glob("imagenet2012/*/imagenet2012-validation.tfrecord-00001-*")
    shard.write_bytes(shard.read_bytes()[:20_000])
    result = _run("--dataset=imagenet2012", f"--dataset_dir={tmp_path}")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: the dataset imagenet2012 in {shard.parent} has a ")
    assert f"damaged file in its 'validation' split: {shard.name} holds" in result.stderr
    assert result.stderr.count("\n") == 1


def test_broken_photos_of_a_folder(tmp_path):
    random = np.random.default_rng(0)
    for synset in miniature_imagenet.SYNSETS[:2]:
        (tmp_path / synset).mkdir()
        for i in range(20):
            (tmp_path / synset / f"{i}.jpg").write_bytes(miniature_imagenet.photo(random, synset))
    broken = tmp_path / miniature_imagenet.SYNSETS[1] / "5.jpg"
    broken.write_bytes(b"no image at all")
    result = _run("--dataset=image_folder", f"--dataset_dir={tmp_path}")
    assert result.returncode == 2
    assert "read 36 of 36 images of train" in result.stdout
    assert result.stderr.startswith("error: 1 of 40 images of image_folder cannot be decoded: ")
    assert f" in {broken} (Unknown image file format" in result.stderr
    assert result.stderr.count("\n") == 1
