"""Folders of images, and prepared datasets of tensorflow-datasets."""

import json
import pathlib
import shutil
import sys

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from fuzz_inputs import contents, damaged_bytes, expect_sentence, slow, write
from hypothesis import given
from hypothesis import strategies as st

from tunas_tf import data
from tunas_tf.common.errors import InputError
from tunas_tf.data import image_check, preprocessing, tfds_descriptions

_IMAGES_IN_FOLDER = 20
# The command that prepares a dataset is a part of what is said.
_MAX_CHARACTERS = 1500


def _images() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    bmp = b"BM" + (54 + 12).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    bmp += (40).to_bytes(4, "little") + (2).to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00"
    bmp += bytes(24) + bytes(16)
    return [tf.io.encode_jpeg(pixels).numpy(), tf.io.encode_png(pixels).numpy(), bmp]


def _image_contents() -> st.SearchStrategy[bytes]:
    return st.one_of(st.binary(max_size=100), *(damaged_bytes(image) for image in _images()))


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory) -> pathlib.Path:
    """Two classes of 12 sound images."""
    root = tmp_path_factory.mktemp("folder")
    for name in ("a", "b"):
        (root / name).mkdir()
        for number in range(12):
            write(root / name / f"{number}.jpg", _images()[0])
    return root


def test_images(tmp_path):
    """No image that can be decoded is called broken."""
    path = tmp_path / "x.jpg"

    @given(content=_image_contents())
    def check(content):
        write(path, content)
        for _, problem in image_check.find_broken([str(path)]):
            assert problem.isprintable() and 0 < len(problem) <= 100
            with pytest.raises(tf.errors.OpError):
                preprocessing.decode(tf.constant(content))

    check()


def test_folders(folder):
    """Whatever an image holds, training and evaluation go on."""
    num_images = hypothesis.settings.get_profile("fuzz").max_examples

    # A folder takes long, as pipelines are made anew, so images share it.
    @hypothesis.settings(max_examples=max(1, num_images // _IMAGES_IN_FOLDER))
    @given(damaged=st.tuples(*_IMAGES_IN_FOLDER * [_image_contents()]))
    def check(damaged):
        for number, content in enumerate(damaged):
            write(folder / "a" / f"x{number}.png", content)
        dataset = data.load("image_folder", str(folder), 8)
        number = dataset.num_examples("train")
        images, labels = next(iter(dataset.training_batches("train", number, seed=0)))
        assert np.all(np.isfinite(images)) and set(labels.numpy()) == {0, 1}
        for images, _, weights in dataset.evaluation_batches("test", 8):
            assert np.all(np.isfinite(images)) and weights.numpy().max() == 1
        expect_sentence(
            lambda: data.load("image_folder", str(folder), 8, on_broken="stop"), _MAX_CHARACTERS
        )

    check()


@pytest.fixture(name="dataset", scope="module")
def _dataset(digits_dir, tmp_path_factory) -> pathlib.Path:
    """The directory of a version of a prepared dataset."""
    root = tmp_path_factory.mktemp("datasets")
    shutil.copytree(digits_dir, root, dirs_exist_ok=True)
    (version,) = (root / "digits").iterdir()
    info = json.loads((version / "dataset_info.json").read_text())
    # Not "digits" itself, which is made anew if something is wrong.
    (version / "dataset_info.json").write_text(json.dumps({**info, "name": "own"}))
    for path in version.glob("digits-*"):
        path.rename(path.with_name(path.name.replace("digits", "own", 1)))
    version.parent.rename(root / "own")
    return root / "own" / version.name


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_descriptions(dataset, name):
    path = dataset / name
    sound = path.read_bytes()
    root = str(dataset.parents[1])
    assert data.load("own", root, 64).num_examples("train") == 1000
    modules = set(sys.modules)

    @slow(2)
    @given(content=contents(json.loads(sound)))
    def check(content):
        write(path, content)
        found = expect_sentence(lambda: data.load("own", root, 64), _MAX_CHARACTERS)
        if found is not None:
            expect_sentence(lambda: found.num_examples("test"), _MAX_CHARACTERS)
            assert found.num_classes == len(found.class_names)

    try:
        check()
    finally:
        path.write_bytes(sound)
    foreign = {name.partition(".")[0] for name in set(sys.modules) - modules}
    assert not foreign & {"antigravity", "this", "evil"}


@pytest.mark.parametrize(
    "name, old, new, problem",
    [
        ("features.json", "tensorflow_datasets.core.features.image_feature.Image", "antigravity.X",
         "names the class 'antigravity.X', which is none of TFDS's own features"),
        ("features.json", "tensorflow_datasets.core.features.image_feature.Image",
         "tensorflow_datasets.scripts.cli.main.X", "none of TFDS's own features"),
        ("dataset_info.json", "{DATASET}-{SPLIT}", "../../../{DATASET}-{SPLIT}",
         "as a file of a split, which is a path elsewhere"),
        ("dataset_info.json", '"test"', '"../test"', "which is a path elsewhere"),
    ],
)  # fmt: skip
def test_descriptions_that_reach_out(dataset, monkeypatch, name, old, new, problem):
    """No module is imported, and no other file is opened, because a file says so."""
    path = dataset / name
    sound = path.read_text()
    assert old in sound
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    try:
        path.write_text(sound.replace(old, new))
        with pytest.raises(InputError) as error:
            expect_sentence(lambda: data.load("own", str(dataset.parents[1]), 64), _MAX_CHARACTERS)
            data.load("own", str(dataset.parents[1]), 64)
        assert problem in str(error.value) and str(path) in str(error.value)
        assert "antigravity" not in sys.modules
        assert tfds_descriptions.problem(str(dataset.parent)) is not None
    finally:
        path.write_text(sound)
    assert tfds_descriptions.problem(str(dataset.parent)) is None


def test_records(dataset):
    """Damaged TFRecords: opening a dataset looks at their sizes."""
    (path,) = dataset.glob("own-test*")
    sound = path.read_bytes()

    @slow(4)
    @given(content=st.one_of(damaged_bytes(sound[:4000]), damaged_bytes(sound), st.just(b"")))
    def check(content):
        write(path, content)
        found = data.load("own", str(dataset.parents[1]), 64)
        expect_sentence(lambda: found.num_examples("test"), _MAX_CHARACTERS)

    try:
        check()
    finally:
        path.write_bytes(sound)
