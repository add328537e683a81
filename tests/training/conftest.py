"""A folder of small images and a small space, on which a search takes a second."""

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf import data
from tunas_tf.search_space import spec
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory) -> str:
    """Two classes, dark and bright: 48 images to train on, 10 to test."""
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
def dataset(image_folder) -> data.ClassificationDataset:
    return data.load("image_folder", image_folder, image_size=16, reward_fraction=0.25)


@pytest.fixture(scope="session")
def small_space() -> spec.SearchSpace:
    bottleneck = spec.Bottleneck(
        OneOf((3, 5), OPERATION), OneOf((spec.Expansion(1), spec.Expansion(2)), FILTERS)
    )
    blocks = (
        spec.Block((spec.Conv(3, 2), spec.Activation("relu")), 8),
        spec.Block(
            (spec.Residual(OneOf((bottleneck, spec.Zero()), OPERATION)), spec.GlobalPool()), 8
        ),
    )
    return spec.SearchSpace("small", blocks, reference_indices=(0, 0, 0))
