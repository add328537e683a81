"""The detector of a run directory."""

import json
import pathlib
import shutil

import detector_runs
import numpy as np
import pytest

from object_detection import modeling
from object_detection.export.trained_detector import open_run
from tunas_tf.common.errors import InputError


def test_what_the_run_says(detector_run_dir, digit_scenes_dir):
    trained = open_run(detector_run_dir)
    assert trained.step == 7
    assert trained.architecture == detector_runs.small_architecture()
    assert trained.definition == modeling.define("ssdlite")
    assert (trained.image_size, trained.num_classes, trained.keep_aspect_ratio) == (64, 11, False)
    assert (trained.dataset, trained.dataset_dir) == ("digit_scenes", digit_scenes_dir)
    assert (trained.train_split, trained.test_split) == ("train", "test")


@pytest.mark.parametrize("name, ema_decay", [("ssdlite", 0.99), ("retinanet", 0.0)])
def test_every_weight_is_that_of_the_checkpoint(tmp_path, name, ema_decay):
    definition = detector_runs.small_definition(name)
    network, averaged = detector_runs.make_run(tmp_path / "run", definition, "", ema_decay)
    trained = open_run(str(tmp_path / "run"))
    assert trained.definition == definition
    expected = averaged if ema_decay else network
    # Also at another size: the weights are the same.
    found = trained.build(96)
    assert found.input_shape == (None, 96, 96, 3)
    assert len(found.weights) == len(expected.weights) > 200
    for weight, wanted in zip(found.weights, expected.weights):
        np.testing.assert_array_equal(weight, wanted)
    if ema_decay:
        assert any(np.any(a != b) for a, b in zip(network.weights, averaged.weights))


def test_others_are_refused(detector_run_dir):
    trained = open_run(detector_run_dir)
    assert trained.agree_on_definition(None) == trained.definition
    with pytest.raises(InputError, match="the detector that is named is not the one"):
        trained.agree_on_definition(modeling.define("retinanet"))
    with pytest.raises(InputError, match="is not the one that was trained in"):
        trained.agree_on(detector_runs.small_architecture(filters=24))


def _change(path: pathlib.Path, change) -> None:
    config = json.loads((path / "config.json").read_text())
    change(config)
    (path / "config.json").write_text(json.dumps(config))


def _no_checkpoint(path):
    for file in path.glob("ckpt-*"):
        file.unlink()
    return "holds no checkpoint; train the network first"


def _half_a_checkpoint(path):
    data = path / "ckpt-7.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:500])
    return "none of the 1 checkpoints .*ckpt-7, as it is damaged"


def _no_averages(path):
    _change(path, lambda config: config["settings"].update(ema_decay=0.9))
    return "does not fit the network in its config.json"


def _more_classes(path):
    _change(path, lambda config: config["derived"].update(num_classes=12))
    return "does not fit the network in its config.json"


def _no_settings(path):
    _change(path, lambda config: config.pop("settings"))
    return r"cannot be read \(KeyError: 'settings'\)"


def _a_classifier(path):
    _change(path, lambda config: config.update(command="train_eval"))
    return "holds a run of train_eval, not of detection_train_eval"


@pytest.mark.parametrize(
    "damage",
    [
        _no_checkpoint,
        _half_a_checkpoint,
        _no_averages,
        _more_classes,
        _no_settings,
        _a_classifier,
    ],
)
def test_a_damaged_run_is_one_sentence(detector_run_dir, tmp_path, damage):
    path = tmp_path / "run"
    shutil.copytree(detector_run_dir, path)
    message = damage(path)
    with pytest.raises(InputError, match=message) as error:
        open_run(str(path)).build(detector_runs.IMAGE_SIZE)
    assert "\n" not in str(error.value)
