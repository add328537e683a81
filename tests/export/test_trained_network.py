"""The network of a run directory."""

import dataclasses
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import trained_runs

from tunas_tf.common.errors import InputError
from tunas_tf.export.trained_network import open_run


def test_what_the_run_says(run_dir, colours_dir):
    trained = open_run(run_dir)
    assert trained.step == 90  # 6 epochs of 120 / 8.
    assert trained.architecture == trained_runs.small_architecture()
    assert (trained.image_size, trained.num_classes) == (16, 3)
    assert (trained.dataset, trained.dataset_dir) == ("image_folder", colours_dir)
    assert (trained.train_split, trained.test_split) == ("train", "test")


@pytest.mark.parametrize("image_size", [16, 24])
def test_every_weight_is_that_of_the_checkpoint(run_dir, image_size):
    """Also the moving statistics, and with the dropout layers that the run had."""
    network = open_run(run_dir).build(image_size)
    reader = tf.train.load_checkpoint(os.path.join(run_dir, "ckpt-90"))
    layers = [layer for layer in network.layers if layer.weights]
    assert len(layers) == 11  # 6 convolutions, 4 batch norms, 1 classifier.
    compared = 0
    for number, layer in enumerate(layers):
        for variable in layer.weights:
            attribute = variable.name.rpartition("/")[2].partition(":")[0]
            key = f"network/layer_with_weights-{number}/{attribute}/.ATTRIBUTES/VARIABLE_VALUE"
            np.testing.assert_array_equal(variable.numpy(), reader.get_tensor(key))
            compared += 1
    saved = [
        name
        for name in reader.get_variable_to_shape_map()
        if name.startswith("network/") and "OPTIMIZER_SLOT" not in name
    ]
    assert compared == len(saved)
    assert network.input_shape == (None, image_size, image_size, 3)


def test_another_network_is_refused(run_dir):
    trained = open_run(run_dir)
    same = dataclasses.replace(trained_runs.small_architecture(), ssd="elsewhere", indices=(1,))
    assert trained.agree_on(same) is same  # The same layers, found in another space.
    assert trained.agree_on(None) == trained_runs.small_architecture()
    with pytest.raises(InputError, match="is not the one that was trained in"):
        trained.agree_on(trained_runs.small_architecture(filters=16))


def _no_checkpoint(path: pathlib.Path):
    for file in path.glob("ckpt-*"):
        file.unlink()
    return "holds no checkpoint; train the network first"


def _half_a_checkpoint(path: pathlib.Path):
    for data in path.glob("ckpt-*.data-00000-of-00001"):
        data.write_bytes(data.read_bytes()[:500])
    return "none of the 2 checkpoints .*ckpt-90, as it is damaged"


def _no_index(path: pathlib.Path):
    for index in path.glob("ckpt-*.index"):
        index.write_bytes(b"")
    return "none of the 2 checkpoints"


def _other_network(path: pathlib.Path):
    config = json.loads((path / "config.json").read_text())
    config["settings"]["network"]["blocks"][0]["layers"][0]["kernel_size"] = 5
    (path / "config.json").write_text(json.dumps(config))
    return "does not fit the network in its config.json"


def _no_settings(path: pathlib.Path):
    (path / "config.json").write_text('{"command": "train_eval"}')
    return r"cannot be read \(KeyError: 'settings'\)"


def _a_search(path: pathlib.Path):
    (path / "config.json").write_text('{"command": "search"}')
    return "holds a run of search, not of train_eval"


def _nothing(path: pathlib.Path):
    shutil.rmtree(path)
    return "No such file"


@pytest.mark.parametrize(
    "damage",
    [
        _no_checkpoint,
        _half_a_checkpoint,
        _no_index,
        _other_network,
        _no_settings,
        _a_search,
        _nothing,
    ],
)
def test_a_damaged_run_is_one_sentence(run_dir, tmp_path, damage):
    path = tmp_path / "run"
    shutil.copytree(run_dir, path)
    message = damage(path)
    with pytest.raises(InputError, match=message) as error:
        open_run(str(path)).build(16)
    assert "\n" not in str(error.value)
