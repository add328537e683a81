"""From settings to a verified file and its description."""

import dataclasses
import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import random_networks
import trained_runs

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.export import export_job, verification
from tunas_tf.export.runtime import TFLiteNetwork
from tunas_tf.export.trained_network import open_run
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import arithmetic

SETTINGS = export_job.ExportSettings(
    output="",
    quantize="none",
    image_size=None,
    num_classes=None,
    dataset=None,
    dataset_dir=None,
    num_representative_images=100,
    num_test_images=None,
)


def _export(tmp_path, run=None, architecture=None, **changes):
    settings = dataclasses.replace(SETTINGS, output=str(tmp_path / "m.tflite"), **changes)
    return export_job.export_network(settings, architecture, run and open_run(run))


def test_description_of_a_trained_network(run_dir, tmp_path, colours_dir):
    found = _export(tmp_path, run_dir)
    assert found == json.loads((tmp_path / "m.json").read_text())
    tflite = (tmp_path / "m.tflite").read_bytes()
    assert found["file"] == {
        "name": "m.tflite",
        "bytes": len(tflite),
        "sha256": hashlib.sha256(tflite).hexdigest(),
    }
    network = trained_runs.small_architecture()
    assert architecture_lib.from_json(found["architecture"]) == network
    count = arithmetic.count(network, 16, 3)
    assert (found["params"], found["madds"]) == (count.params, count.madds)
    assert (found["ssd"], found["checkpoint_step"], found["num_classes"]) == ("small", 90, 3)
    assert found["labels"] == ["blue", "green", "red"]
    assert found["preprocessing"]["exif_orientation"] == "ignored"
    assert found["preprocessing"]["crop"] == "central square"
    assert found["preprocessing"]["crop_fraction_of_shorter_side"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert found["preprocessing"]["deviation"] == [0.229, 0.224, 0.225]
    assert found["input"]["shape"] == [1, 16, 16, 3] and found["input"]["scale"] is None
    assert found["verification"]["compared_on"] == "30 images of image_folder, test"
    assert found["verification"]["max_difference"] <= 1e-4
    assert found["warnings"] == []

    # The logits are those of Keras with the weights of the run.
    images, _, _ = next(
        data.load("image_folder", colours_dir, 16)
        .evaluation_batches("test", 30)
        .as_numpy_iterator()
    )
    expected = open_run(run_dir).build(16)(images, training=False)
    np.testing.assert_allclose(TFLiteNetwork(tflite)(images), expected, rtol=0, atol=1e-4)


def test_accuracy_of_a_quantised_network_is_that_of_the_run(run_dir, tmp_path):
    found = _export(tmp_path, run_dir, quantize="int8")
    with open(os.path.join(run_dir, "evaluation.json"), encoding="utf-8") as file:
        evaluated = json.load(file)
    verified = found["verification"]
    assert verified["num_images"] == evaluated["num_examples"] == 30
    assert verified["keras_accuracy"] == evaluated["accuracy"]
    assert verified["tflite_accuracy"] >= evaluated["accuracy"] - 0.1
    assert found["quantization"]["calibrated_on"] == "100 images of image_folder, train"
    assert found["input"]["dtype"] == found["output"]["dtype"] == "int8"
    assert found["input"]["scale"] > 0 and -128 <= found["input"]["zero_point"] <= 127


def test_untrained_network(tmp_path):
    network = trained_runs.small_architecture()
    found = _export(
        tmp_path, architecture=network, image_size=24, quantize="int8", num_test_images=5
    )
    assert found["checkpoint_step"] is None and found["labels"] is None
    assert found["preprocessing"]["crop"] is None
    assert found["num_classes"] == 1001 and found["input"]["shape"] == [1, 24, 24, 3]
    assert found["verification"]["compared_on"] == "5 random images"
    assert found["verification"]["keras_accuracy"] is None
    assert found["quantization"]["calibrated_on"] == "100 random images"
    again = _export(
        tmp_path, architecture=network, image_size=24, quantize="int8", num_test_images=5
    )
    assert again == found


def test_untrained_network_for_a_dataset(tmp_path, colours_dir):
    network = trained_runs.small_architecture()
    colours = {"dataset": "image_folder", "dataset_dir": colours_dir, "image_size": 16}
    found = _export(tmp_path, architecture=network, quantize="dynamic", **colours)
    assert found["num_classes"] == 3 and found["labels"] == ["blue", "green", "red"]
    assert found["verification"]["compared_on"] == "30 images of image_folder, test"
    assert found["verification"]["keras_accuracy"] is None
    with pytest.raises(InputError, match="--num_classes has 4, the dataset has 3"):
        _export(tmp_path, architecture=network, num_classes=4, **colours)


def test_images_that_cannot_be_decoded_are_not_counted(tmp_path, colours_dir):
    photos = tmp_path / "photos"
    shutil.copytree(colours_dir, photos)
    (photos / "test" / "red" / "3.png").write_bytes(b"no picture")
    found = _export(
        tmp_path,
        architecture=trained_runs.small_architecture(),
        dataset="image_folder",
        dataset_dir=str(photos),
        image_size=16,
        num_test_images=0,
    )
    assert found["verification"]["compared_on"] == "29 images of image_folder, test"
    assert found["verification"]["num_images"] == 29


@pytest.mark.parametrize("number, warned", [(None, True), (30, True), (None, False)])
def test_a_small_dataset_calibrates_int8_with_a_warning(
    tmp_path, image_folder, colours_dir, number, warned
):
    found = _export(
        tmp_path,
        architecture=trained_runs.small_architecture(),
        quantize="int8",
        dataset="image_folder",
        dataset_dir=image_folder if warned else colours_dir,
        image_size=16,
        num_representative_images=number,
    )
    # All of the 48, and of the 120, where no number is given.
    number = number or (48 if warned else 120)
    assert found["quantization"]["calibrated_on"] == f"{number} images of image_folder, train"
    warnings = [f"the ranges of int8 are those of {number} images only"] if warned else []
    assert [warning.partition(",")[0] for warning in found["warnings"]] == warnings


def _changed_run(run_dir, directory, change) -> str:
    """A copy of a run in `directory` with another config.json."""
    run = directory / "run"
    shutil.copytree(run_dir, run)
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config))
    return str(run)


def test_labels_are_those_of_the_training(run_dir, tmp_path, colours_dir):
    renamed = tmp_path / "renamed"
    shutil.copytree(colours_dir, renamed)
    for split in ("train", "test"):
        os.rename(renamed / split / "red", renamed / split / "amber")
    # What is trained as blue, green, red is read as amber, blue, green.
    for quantize in ("none", "int8"):
        with pytest.raises(
            InputError, match="class 0 was 'blue', now it is 'amber'; give the --da"
        ):
            _export(tmp_path, run_dir, dataset_dir=str(renamed), quantize=quantize)
    moved = _changed_run(
        run_dir, tmp_path, lambda config: config["flags"].update(dataset_dir=str(renamed))
    )
    with pytest.raises(InputError, match=f"of the run in {moved}: class 0 was 'blue'"):
        _export(tmp_path, moved)
    assert sorted(os.listdir(tmp_path)) == ["renamed", "run"]


def test_a_run_from_before_classes_were_noted_has_the_labels_of_its_images(run_dir, tmp_path):
    older = _changed_run(run_dir, tmp_path, lambda config: config.pop("class_names"))
    assert _export(tmp_path, older)["labels"] == ["blue", "green", "red"]


@pytest.mark.parametrize("labels", [["blue", "green", "red"], None])
def test_run_without_its_images(run_dir, tmp_path, labels):
    def change(config):
        config["flags"]["dataset_dir"] = str(tmp_path / "gone")
        if labels is None:  # From before classes were noted.
            del config["class_names"]

    run = _changed_run(run_dir, tmp_path, change)
    found = _export(tmp_path, run)
    assert found["labels"] == labels
    assert found["verification"]["compared_on"] == "64 random images"
    (warning,) = found["warnings"]
    assert warning.startswith("the file was compared with Keras on random images")
    assert ("no labels" in warning) == (labels is None)
    os.remove(tmp_path / "m.tflite")
    for wrong in ({"quantize": "int8"}, {"dataset_dir": str(tmp_path / "else")}):
        with pytest.raises(InputError, match="gone|else"):
            _export(tmp_path, run, **wrong)
    assert not (tmp_path / "m.tflite").exists()


def test_wrong_number_of_classes(run_dir, tmp_path):
    with pytest.raises(InputError, match="--num_classes has 5, the checkpoint has 3"):
        _export(tmp_path, run_dir, num_classes=5)


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_wrong_file_is_not_written(run_dir, tmp_path, monkeypatch, quantize):
    convert = export_job.convert

    def convert_another(network, **arguments):
        other = random_networks.classifier(trained_runs.small_architecture(), 3, 16, seed=7)
        return convert(other, **arguments)

    monkeypatch.setattr(export_job, "convert", convert_another)
    with pytest.raises(InputError, match="does not compute what the network does"):
        _export(tmp_path, run_dir, quantize=quantize)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("tflite_accuracy, warned", [(0.781, False), (0.779, True), (0.9, False)])
def test_a_loss_of_more_than_two_points_is_a_warning(
    run_dir, tmp_path, monkeypatch, tflite_accuracy, warned
):
    compare = verification.compare

    def compare_with_loss(*arguments):
        found = compare(*arguments)
        return dataclasses.replace(found, keras_accuracy=0.8, tflite_accuracy=tflite_accuracy)

    monkeypatch.setattr(verification, "compare", compare_with_loss)
    found = _export(tmp_path, run_dir, quantize="dynamic", num_test_images=3)
    assert len(found["warnings"]) == warned
    if warned:
        assert "2.1 points less accurate than the network in Keras" in found["warnings"][0]
