"""Small images and a small space, on which a search takes a second."""

import pytest

from tunas_tf import data
from tunas_tf.search_space import spec
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf


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
