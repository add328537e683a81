"""Training and evaluating detectors: what is learned, what is written, what it starts from."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from matplotlib import image as matplotlib_image

from object_detection import data, modeling
from object_detection.metrics.coco_evaluation import FIGURES
from object_detection.training import contact_sheet, detector_job
from object_detection.training.evaluation import evaluate
from tunas_tf import models, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.export import trained_network
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec
from tunas_tf.training.network_job import NetworkSettings
from tunas_tf.training.run_directory import RunDirectory

_SIZE = 64
_DEFINITION = modeling.define("ssdlite")
_NETWORK_SETTINGS = NetworkSettings(
    total_steps=4,
    train_split="train",
    train_batch_size=8,
    augment=True,
    optimizer="momentum",
    base_learning_rate=1.0,
    warmup_steps_fraction=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    ema_decay=0.0,
    use_bfloat16=False,
    seed=0,
    iterations_per_loop=2,
    checkpoint_interval=2,
)
_SETTINGS = detector_job.DetectorSettings(
    test_split="test",
    eval_batch_size=16,
    path_dropout_rate=0.0,
    batch_norm_momentum=0.8,
    synchronized_batch_norm=False,
    num_pictures=3,
)


def _space() -> spec.SearchSpace:
    """The smallest tower with feature maps of the strides 16 and 32."""
    narrow = (spec.Conv(3, 2), spec.Activation("relu"))
    blocks = [spec.Block(narrow, 8), spec.Block(narrow, 8), spec.Block(narrow, 8)]
    blocks += [spec.Block((*narrow, spec.Endpoint()), filters) for filters in (16, 24)]
    return spec.SearchSpace("narrow", tuple(blocks))


@pytest.fixture(scope="module", name="dataset")
def _dataset(digit_scenes_dir):
    return data.load("digit_scenes", digit_scenes_dir, _SIZE)


def _run(dataset, path, network_settings=_NETWORK_SETTINGS, settings=_SETTINGS, **changes):
    arguments = {"train": True, "evaluate": True, **changes}
    return detector_job.run_detector(
        definition=_DEFINITION,
        architecture=search_space.resolve(_space(), ()),
        dataset=dataset,
        network_settings=network_settings,
        settings=settings,
        run_directory=RunDirectory(str(path), "detection_train_eval", {}, {}),
        **arguments,
    )


def test_a_detector_is_trained_and_evaluated(dataset, tmp_path):
    result = _run(dataset, tmp_path / "run")
    assert set(FIGURES) < set(result)
    assert (result["num_examples"], result["split"], result["step"]) == (60, "test", 4)
    assert all(-1.0 <= result[name] <= 1.0 for name in FIGURES)
    assert set(result["ap_per_class"]) == set(map(str, range(10)))
    written = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert written == {"version": 1, **result}
    picture = matplotlib_image.imread(tmp_path / "run" / "detections.png")
    assert picture.shape[0] > 100 and picture[..., :3].std() > 0.05
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["model/class_loss"] for line in lines]
    assert losses[-1] < losses[0]
    # Evaluated again, without pictures: those of before are not left.
    settings = dataclasses.replace(_SETTINGS, num_pictures=0)
    assert _run(dataset, tmp_path / "run", settings=settings, train=False) == result
    assert not (tmp_path / "run" / "detections.png").exists()


def test_a_run_goes_on_only_with_its_classes(dataset, tmp_path):
    directory = RunDirectory(str(tmp_path / "run"), "detection_train_eval", {}, {})
    directory.agree_on_classes(dataset.class_names)
    others = dataclasses.replace(dataset, class_names=("background", *"1023456789"))
    for train in (True, False):
        with pytest.raises(InputError, match="class 1 was '0', now it is '1'"):
            _run(others, tmp_path / "run", train=train)


def test_averages_are_what_is_evaluated_and_saved(dataset, tmp_path):
    settings = dataclasses.replace(_NETWORK_SETTINGS, ema_decay=0.5, total_steps=2)
    result = _run(dataset, tmp_path / "run", settings)
    names = [name for name, _ in tf.train.list_variables(str(tmp_path / "run"))]
    kinds = {name.split("/")[0] for name in names}
    assert {"network", "averaged_network"} < kinds
    assert _run(dataset, tmp_path / "run", settings, train=False)["ap"] == result["ap"]


def test_a_classifier_lends_its_weights(dataset, tmp_path):
    architecture = search_space.resolve(_space(), ())
    classifier = models.build_classifier(architecture, 5, 32)
    config = {
        "derived": {
            "reward_fraction": None,
            "train_split": "train",
            "test_split": "test",
            "dropout_rate": 0.0,
        },
        "flags": {"dataset_dir": None},
    }
    settings = {
        "network": architecture_lib.to_json(architecture),
        "image_size": 32,
        "path_dropout_rate": 0.0,
        "dataset": "digits",
    }
    RunDirectory(str(tmp_path / "classifier"), "train_eval", settings, config)
    checkpoint = tf.train.Checkpoint(network=classifier)
    tf.train.CheckpointManager(checkpoint, str(tmp_path / "classifier"), 1).save(7)
    trained = trained_network.open_run(str(tmp_path / "classifier"))

    # Nothing is learned at a rate of 0, so what is saved is what it started from.
    still = dataclasses.replace(
        _NETWORK_SETTINGS, base_learning_rate=0.0, total_steps=1, ema_decay=0.5
    )
    _run(dataset, tmp_path / "run", still, evaluate=False, classifier=trained)
    for part in ("network", "averaged_network"):
        detector = modeling.build_detector(_DEFINITION, architecture, _SIZE, 11)
        path = tf.train.latest_checkpoint(str(tmp_path / "run"))
        tf.train.Checkpoint(**{part: detector}).read(path).expect_partial()
        backbone = detector.get_layer("backbone")
        kernels = [layer for layer in backbone.layers if layer.name.endswith("_conv")]
        assert len(kernels) == 5
        for layer in kernels:
            expected = classifier.get_layer(layer.name).get_weights()
            np.testing.assert_array_equal(layer.get_weights()[0], expected[0])

    other = search_space.resolve(search_space.get("mobilenet_v2"), ())
    with pytest.raises(InputError, match="is another one than the backbone, of mobilenet_v2"):
        detector_job.require_same_backbone(_DEFINITION, other, trained)


def test_every_image_counts_once_whatever_the_batch(dataset):
    tf_keras.utils.set_random_seed(1)
    architecture = search_space.resolve(_space(), ())
    network = modeling.build_detector(_DEFINITION, architecture, _SIZE, 11)
    results = [
        evaluate(network, _DEFINITION, dataset, "test", batch_size, 0, "none.png")
        for batch_size in (60, 7)
    ]
    assert results[0]["num_examples"] == results[1]["num_examples"] == 60
    assert results[0]["ap_per_class"] == pytest.approx(results[1]["ap_per_class"], abs=1e-6)


def test_pictures_show_what_was_found(tmp_path):
    image = -np.ones((32, 32, 3), np.float32)  # Black.
    nothing = (np.zeros((1, 4)), np.zeros(1, np.int32))
    box = np.array([[8.0, 8.0, 24.0, 24.0]])

    def colours(score):
        found = (box, np.array([1]), np.array([score]))
        path = tmp_path / f"{score}.png"
        picture = contact_sheet.Picture(image, *nothing, *found)
        contact_sheet.draw([picture], ["background", "digit"], str(path))
        pixels = matplotlib_image.imread(path)[..., :3]
        return (pixels.max(axis=-1) - pixels.min(axis=-1) > 0.5).sum()

    assert colours(0.9) > 100
    assert colours(0.1) == 0  # Below the score from which detections are drawn.
