import json
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn import datasets

from object_detection.data import digit_scenes, scenes
from tunas_tf.common.errors import InputError
from tunas_tf.data import digits


def _stored(directory, split):
    builder = tfds.builder("digit_scenes", data_dir=directory)
    return list(tfds.as_numpy(builder.as_dataset(split=split)))


@pytest.fixture
def few_examples(monkeypatch):
    """Makes `prepare` write 12 + 6 examples, for tests that call it often."""
    monkeypatch.setattr(digit_scenes, "NUM_EXAMPLES", {"train": 12, "test": 6})


def test_splits_are_drawn_by_different_scans(monkeypatch):
    """Those of `digits`: no scan serves for training here and for the test there."""
    bundled = datasets.load_digits()
    used = {}
    monkeypatch.setattr(scenes, "scene", lambda random, scans, labels: (scans, labels))
    for split in ("train", "test"):
        scans, labels = digit_scenes.example(split, 0)
        np.testing.assert_array_equal(16 * scans, bundled.images[digits.scans_of(split)])
        np.testing.assert_array_equal(labels, bundled.target[digits.scans_of(split)])
        used[split] = {scan.tobytes() for scan in scans}
    assert not used["train"] & used["test"]


def test_example_can_be_made_again_in_any_order():
    image, objects = digit_scenes.example("train", 5)
    for index in (7, 0, 5):
        again, objects_again = digit_scenes.example("train", index)
    np.testing.assert_array_equal(again, image)
    assert objects_again == objects
    assert (digit_scenes.example("test", 5)[0] != image).any()


def test_dataset_on_disk_is_the_examples(digit_scenes_dir):
    stored = {int(example["image/id"]): example for example in _stored(digit_scenes_dir, "test")}
    assert sorted(stored) == list(range(60))
    for index, example in stored.items():
        image, objects = digit_scenes.example("test", index)
        # JPEG: close on average, and that only for the right image.
        assert np.abs(example["image"] - image.astype(float)).mean() < 6
        found = example["objects"]
        np.testing.assert_allclose(
            160 * found["bbox"], np.reshape([one.box for one in objects], (-1, 4)), atol=1e-4
        )
        assert found["label"].tolist() == [one.label for one in objects]
        assert found["is_crowd"].tolist() == [one.is_crowd for one in objects]
        assert found["area"].tolist() == [one.area for one in objects]
    ids = np.concatenate([example["objects"]["id"] for example in stored.values()])
    assert len(set(ids)) == len(ids) > 150 and ids.min() > 0


def test_features_are_those_of_coco(digit_scenes_dir, coco_dir):
    def features(directory, name):
        text = (pathlib.Path(directory) / name / "features.json").read_text()
        content = json.loads(text)["featuresDict"]["features"]
        objects = content["objects"]["sequence"]["feature"]["featuresDict"]["features"]
        kinds = {key: value["pythonClassName"] for key, value in content.items()}
        return kinds, {key: value["pythonClassName"] for key, value in objects.items()}

    ours = features(digit_scenes_dir, "digit_scenes/1.1.0")
    assert ours == features(coco_dir, "coco/2017/1.1.0")


def test_builder_describes_the_dataset(digit_scenes_dir):
    info = tfds.builder("digit_scenes", data_dir=digit_scenes_dir).info
    assert info.features["image"].shape == (160, 160, 3)
    assert info.features["objects"].feature["label"].names == list("0123456789")
    assert {name: split.num_examples for name, split in info.splits.items()} == {
        "train": 200,
        "test": 60,
    }
    assert str(info.version) in info.release_notes


def test_prepare_says_one_line_and_only_when_it_works(few_examples, tmp_path, capsys):
    digit_scenes.prepare(str(tmp_path))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"making the dataset digit_scenes in {tmp_path}" in lines[0]
    digit_scenes.prepare(str(tmp_path))
    assert capsys.readouterr() == ("", "")


def test_directory_that_cannot_be_written(few_examples, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written to .*--dataset_dir"):
        digit_scenes.prepare(str(tmp_path / "file"))
