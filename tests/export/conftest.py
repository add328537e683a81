"""A trained network, as train_eval leaves it."""

import json

import numpy as np
import pytest
import tensorflow as tf
import trained_runs

from tunas_tf.search_space import architecture as architecture_lib

_COLOURS = {"blue": (60, 60, 180), "green": (60, 180, 60), "red": (180, 60, 60)}


@pytest.fixture(scope="session")
def colours_dir(tmp_path_factory) -> str:
    """An image folder of noisy colours: 120 images to train on, 30 to test, 20 x 24 pixels."""
    root = tmp_path_factory.mktemp("colours")
    generator = np.random.default_rng(0)
    for split, number in (("train", 40), ("test", 10)):
        for name, colour in _COLOURS.items():
            directory = root / split / name
            directory.mkdir(parents=True)
            for index in range(number):
                pixels = generator.normal(colour, 60, (20, 24, 3)).clip(0, 255)
                encoded = tf.io.encode_png(pixels.astype(np.uint8))
                (directory / f"{index}.png").write_bytes(encoded.numpy())
    return str(root)


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory, colours_dir) -> str:
    """The directory of a train_eval of `small_architecture` on the colours, with dropout."""
    directory = tmp_path_factory.mktemp("trained")
    network = architecture_lib.to_json(trained_runs.small_architecture())
    (directory / "architecture.json").write_text(json.dumps(network))
    result = trained_runs.run_command(
        "train_eval",
        "--architecture=architecture.json",
        "--dataset=image_folder",
        f"--dataset_dir={colours_dir}",
        "--image_size=16",
        "--epochs=6",
        "--train_batch_size=8",
        "--base_learning_rate=1",
        "--batch_norm_momentum=0.8",
        "--dropout_rate=0.1",
        "--path_dropout_rate=0.1",
        "--checkpoint_dir=run",
        cwd=directory,
    )
    assert result.returncode == 0, result.stderr
    return str(directory / "run")
