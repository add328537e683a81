"""What all tests share. Its place also makes helpers here, like example_spaces, importable."""

import os

import pytest

# Before any test imports TensorFlow, as it sets what TensorFlow is to use.
import tunas_tf  # noqa: F401


def _take_own_cores() -> None:
    """Divides the cores among the processes of pytest-xdist.

    TensorFlow has a thread for every core that it may use. Where processes share cores, an
    operation waits for a thread that waits for its turn: small operations become many times slower.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
        number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        cores = sorted(os.sched_getaffinity(0))
        own = cores[number :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]
        os.sched_setaffinity(0, own or {cores[number % len(cores)]})


_take_own_cores()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: none should be begun when all others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory) -> str:
    """Two classes, dark and bright: 48 images to train on, 10 to test."""
    import numpy as np
    import tensorflow as tf

    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for split, number in (("train", 24), ("test", 5)):
        for label, brightness in (("bright", 200), ("dark", 50)):
            directory = root / split / label
            directory.mkdir(parents=True)
            for index in range(number):
                pixels = generator.normal(brightness, 20, (16, 16, 3)).clip(0, 255)
                encoded = tf.io.encode_png(pixels.astype(np.uint8))
                (directory / f"{index}.png").write_bytes(encoded.numpy())
    return str(root)


@pytest.fixture(scope="session")
def digits_dir(tmp_path_factory) -> str:
    """A dataset_dir with a small edition of `digits`: 1,000 training and 200 test images."""
    # Tests of commands that need no TensorFlow also load this file.
    from tunas_tf.data import digits

    directory = str(tmp_path_factory.mktemp("datasets"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "NUM_EXAMPLES", {"train": 1000, "test": 200})
        digits.prepare(directory)
    return directory


@pytest.fixture(scope="session")
def imagenet_dir(tmp_path_factory) -> str:
    """A dataset_dir with a small `imagenet2012`: 240 training and 60 validation images."""
    import miniature_imagenet

    return miniature_imagenet.build(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture(scope="session")
def digit_scenes_dir(tmp_path_factory) -> str:
    """A dataset_dir with a small edition of `digit_scenes`: 200 training and 60 test images."""
    from object_detection.data import digit_scenes

    directory = str(tmp_path_factory.mktemp("digit_scenes"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digit_scenes, "NUM_EXAMPLES", {"train": 200, "test": 60})
        digit_scenes.prepare(directory)
    return directory


@pytest.fixture(scope="session")
def coco_dir(tmp_path_factory) -> str:
    """A dataset_dir with a small `coco/2017`: 60 training, 20 validation, 6 test images.

    Beside it lie the annotation files: instances_train2017.json, instances_val2017.json.
    """
    import miniature_coco

    return miniature_coco.build(tmp_path_factory.mktemp("coco"))
