"""From settings to a verified file of a detector and its description."""

import json
import os
import shutil

import detector_runs
import numpy as np
import pytest
import tensorflow_datasets as tfds

from object_detection import data, modeling
from object_detection.export import export_job
from object_detection.export.trained_detector import open_run
from object_detection.modeling.outputs import flatten
from tunas_tf.common.errors import InputError
from tunas_tf.data.tfds_files import quiet_tfds
from tunas_tf.export import latency
from tunas_tf.export.local_backend import LocalBackend
from tunas_tf.export.runtime import TFLiteNetwork
from tunas_tf.search_space import architecture as architecture_lib

_SIZE, _CLASSES = detector_runs.IMAGE_SIZE, detector_runs.NUM_CLASSES
_DEFAULTS = {
    "output": "",
    "quantize": "none",
    "image_size": None,
    "num_classes": None,
    "dataset": None,
    "dataset_dir": None,
    "num_representative_images": 100,
    "num_test_images": 12,
    "score_threshold": 1e-8,
}


def _export(directory, run=None, definition=None, architecture=None, **changes):
    settings = export_job.DetectorExport(
        **{**_DEFAULTS, "output": str(directory / "m.tflite"), **changes}
    )
    trained = run and open_run(run)
    return export_job.export_detector(settings, definition, architecture, trained, _SIZE)


@pytest.fixture(name="raw", scope="module")
def _raw(tmp_path_factory, detector_run_dir):
    """(directory, description) of a file with raw outputs."""
    directory = tmp_path_factory.mktemp("raw")
    return directory, _export(directory, detector_run_dir, score_threshold=None)


@pytest.fixture(name="whole", scope="module")
def _whole(tmp_path_factory, detector_run_dir):
    """The same of a file with post-processing."""
    directory = tmp_path_factory.mktemp("whole")
    return directory, _export(directory, detector_run_dir)


@pytest.fixture(name="images", scope="module")
def _images(digit_scenes_dir):
    dataset = data.load("digit_scenes", digit_scenes_dir, _SIZE)
    images, _, _ = next(dataset.evaluation_batches("test", 12).as_numpy_iterator())
    return images


@pytest.fixture(name="detector", scope="module")
def _detector(detector_run_dir):
    return open_run(detector_run_dir).build(_SIZE)


def _network(directory) -> TFLiteNetwork:
    return TFLiteNetwork((directory / "m.tflite").read_bytes())


def test_raw_outputs_are_those_of_keras(raw, images, detector):
    directory, _ = raw
    found, outputs = _network(directory).run(images), detector(images, training=False)
    logits = flatten(outputs["class_logits"], _CLASSES)
    boxes = flatten(outputs["boxes"], 4)
    assert logits.numpy().std() > 0.1  # Wrong numbers would be wrong by more than the tolerance.
    np.testing.assert_allclose(found["class_logits"], logits, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found["boxes"], boxes, rtol=0, atol=1e-3)


def test_detections_are_those_of_keras(whole, images, detector):
    directory, described = whole
    found = _network(directory).run(images)
    expected = detector_runs.keras_detections(detector, modeling.define("ssdlite"), images)
    np.testing.assert_array_equal(found["num_detections"], expected["num_detections"])
    np.testing.assert_allclose(found["detection_scores"], expected["scores"], rtol=0, atol=1e-3)
    # Scores that are nearly equal may change places.
    same = found["detection_classes"] == expected["classes"]
    same &= np.abs(found["detection_boxes"] - expected["boxes"]).max(-1) < 1e-3
    assert same.mean() > 0.9 and same[:, 0].all()
    assert described["verification"]["detection_agreement"] == 1.0


def test_description(raw, whole, detector_run_dir, digit_scenes_dir):
    for directory, described in (raw, whole):
        assert described == json.loads((directory / "m.json").read_text())
        network = architecture_lib.from_json(described["backbone"])
        assert network == detector_runs.small_architecture()
        count = modeling.count(modeling.define("ssdlite"), network, _SIZE, _CLASSES)
        assert (described["params"], described["madds"]) == (count.params, count.madds)
        assert described["detector"] == {"name": "ssdlite", "expanded_features": False}
        assert described["checkpoint_step"] == 7 and described["warnings"] == []
        assert described["labels"][1:] == list("0123456789")
        assert described["category_ids"] == list(range(11))
        assert described["preprocessing"]["exif_orientation"] == "ignored"
        assert described["preprocessing"]["mean"] == [0.5] * 3
        assert described["preprocessing"]["deviation"] == [0.5] * 3
        assert described["verification"]["compared_on"] == "12 images of digit_scenes, test"
        assert described["verification"]["keras_ap"] is None
        for place in (detector_run_dir, digit_scenes_dir, str(directory)):
            for file in ("m.json", "m.tflite"):
                assert place.encode() not in (directory / file).read_bytes()
    number = len(modeling.flat_anchors(modeling.define("ssdlite"), _SIZE))
    assert [(o["name"], o["shape"]) for o in raw[1]["outputs"]] == [
        ("class_logits", [1, number, 11]),
        ("boxes", [1, number, 4]),
    ]
    assert raw[1]["postprocess"] is None
    assert whole[1]["postprocess"]["max_detections"] == 100
    assert whole[1]["operators"]["TFLite_Detection_PostProcess"] == 1


def test_a_box_decoded_by_the_description_alone(raw, images, detector):
    """The best anchor of the raw outputs, as an app would find it."""
    directory, described = raw
    anchors, found = described["anchors"], _network(directory).run(images[:1])
    scores = 1 / (1 + np.exp(-found["class_logits"][0, :, 1:]))
    index, best_class = np.unravel_index(scores.argmax(), scores.shape)
    left = index
    for level, shape in anchors["levels"].items():  # noqa: B007  # Used below.
        number = shape["side"] ** 2 * shape["anchors_per_location"]
        if left < number:
            break
        left -= number
    location, which = divmod(int(left), shape["anchors_per_location"])
    row, column = divmod(location, shape["side"])
    box = np.array(anchors["first_boxes"][level][which])
    box += anchors["distance"][level] * np.array([row, column, row, column])
    values = found["boxes"][0, index] / anchors["weights"]
    size = box[2:] - box[:2]
    center = box[:2] + size / 2 + values[:2] * size
    size = size * np.exp(values[2:])
    decoded = np.clip(np.concatenate([center - size / 2, center + size / 2]), 0, _SIZE)
    expected = detector_runs.keras_detections(detector, modeling.define("ssdlite"), images[:1])
    np.testing.assert_allclose(decoded / _SIZE, expected["boxes"][0, 0], rtol=0, atol=1e-3)
    assert best_class + 1 == expected["classes"][0, 0]


def test_both_forms_can_be_measured(raw, whole):
    paths = [str(directory / "m.tflite") for directory, _ in (raw, whole)]
    measured = LocalBackend().measure(paths, num_runs=3, num_warmup_runs=1)
    assert all(isinstance(found, latency.Latency) and found.median_ms > 0 for found in measured)


def test_int8_with_an_average_precision(tmp_path, detector_run_dir):
    found = _export(tmp_path, detector_run_dir, quantize="int8", num_test_images=None)
    verified = found["verification"]
    assert verified["compared_on"] == "60 images of digit_scenes, test"
    assert 0 <= verified["keras_ap"] <= 1 and 0 <= verified["tflite_ap"] <= 1
    assert found["quantization"]["calibrated_on"] == "100 images of digit_scenes, train"
    assert found["input"]["dtype"] == "int8"
    # Boxes are decoded in floating point.
    assert [output["dtype"] for output in found["outputs"]] == ["float32"] * 4
    assert found["operators"]["DEQUANTIZE"] == 2


def _write_crowded(directory) -> None:
    """The dataset "crowded": 120 objects in each of 10 images to train on, 3 to test."""
    names = [str(digit) for digit in range(10)]
    objects = {"bbox": tfds.features.BBoxFeature(), "label": tfds.features.ClassLabel(names=names)}
    features = {"image": tfds.features.Image(), "objects": tfds.features.Sequence(objects)}
    box = tfds.features.BBox(0.1, 0.2, 0.5, 0.8)
    example = {
        "image": np.zeros((40, 40, 3), np.uint8),
        "objects": [{"bbox": box, "label": index % 10} for index in range(120)],
    }
    with quiet_tfds():
        tfds.dataset_builders.store_as_tfds_dataset(
            name="crowded",
            version="1.0.0",
            features=tfds.features.FeaturesDict(features),
            split_datasets={
                split: list(enumerate([example] * number))
                for split, number in (("train", 10), ("test", 3))
            },
            data_dir=directory,
            disable_shuffling=True,
        )


def test_images_with_more_objects_than_a_dataset_keeps_by_default(tmp_path, detector_run_dir):
    data_dir, run = tmp_path / "data", tmp_path / "run"
    _write_crowded(data_dir)
    shutil.copytree(detector_run_dir, run)
    config = json.loads((run / "config.json").read_text())
    config["settings"].update(dataset="crowded", max_num_boxes=300)
    config["flags"].update(dataset_dir=str(data_dir))
    (run / "config.json").write_text(json.dumps(config))
    of_run = _export(tmp_path, str(run), quantize="dynamic", score_threshold=None)
    assert of_run["verification"]["compared_on"] == "3 images of crowded, test"
    assert 0 <= of_run["verification"]["keras_ap"] <= 1

    without_run = _export(
        tmp_path,
        definition=detector_runs.small_definition(),
        architecture=detector_runs.small_architecture(),
        dataset="crowded",
        dataset_dir=str(data_dir),
        score_threshold=None,
    )
    assert without_run["verification"]["compared_on"] == "3 images of crowded, test"
    assert without_run["num_classes"] == 11


def test_labels_are_those_of_the_training(tmp_path, detector_run_dir):
    run = tmp_path / "run"
    shutil.copytree(detector_run_dir, run)
    config = json.loads((run / "config.json").read_text())
    config["class_names"][3] = "zwei"
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="class 3 was 'zwei', now it is '2'; give the --dataset"):
        _export(tmp_path, str(run))
    assert os.listdir(tmp_path) == ["run"]

    # Images that are not here cannot have other ones.
    config["flags"].update(dataset_dir=str(tmp_path / "gone"))
    config["settings"].update(dataset="gone")
    (run / "config.json").write_text(json.dumps(config))
    found = _export(tmp_path, str(run), score_threshold=None)
    assert found["labels"] == config["class_names"] and found["category_ids"] is None


@pytest.mark.slow
def test_an_untrained_retinanet(tmp_path):
    found = _export(
        tmp_path,
        definition=detector_runs.small_definition("retinanet"),
        architecture=detector_runs.small_architecture(),
        quantize="dynamic",
        num_test_images=3,
    )
    assert found["checkpoint_step"] is None and found["labels"] is None
    assert found["num_classes"] == 81 and found["input"]["shape"] == [1, 64, 64, 3]
    assert found["verification"]["compared_on"] == "3 random images"


def _other_weights(monkeypatch):
    convert = export_job.convert

    def convert_other(infer, *arguments, **options):
        return convert(
            lambda images: {name: x + images[0, 0, 0, 0] for name, x in infer(images).items()},
            *arguments,
            **options,
        )

    monkeypatch.setattr(export_job, "convert", convert_other)
    return "does not compute what the network does: the largest difference of the class_logits"


def _empty_file(monkeypatch):
    """What the converter writes, without an error, if it loses the network."""
    convert = export_job.convert
    monkeypatch.setattr(
        export_job,
        "convert",
        lambda infer, *arguments, **options: convert(
            lambda images: {"boxes": images[..., 0]}, *arguments, **options
        ),
    )
    return "the conversion failed: the file returns boxes rather than class_logits, boxes"


@pytest.mark.parametrize("spoil", [_other_weights, _empty_file])
def test_a_wrong_file_is_not_written(tmp_path, monkeypatch, detector_run_dir, spoil):
    message = spoil(monkeypatch)
    with pytest.raises(InputError, match=message) as error:
        _export(tmp_path, detector_run_dir, num_test_images=2)
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == []
