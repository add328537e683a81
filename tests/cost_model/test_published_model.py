"""The published latency model against its check case and its formula, written densely."""

import example_spaces
import numpy as np
import published_release
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import published, stages
from tunas_tf.search_space import spec, traversal

_CHECK_INDICES = (
    "0:0:0:1:0:0:0:0:1:0:0:1:0:0:1:0:1:1:0:1:0:0:1:0:0:0:0:0:0:2:1:0:1:1:0:2:1:0:2:1:0:0:1:1:0:"
    "0:0:0:1:0:0:1:0:0:0:1:1:0:2:0:0:0:0:0:1:0:0:0:2:1:0:0:0"
)


def _random_indices(space, generator, number):
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    return generator.integers(num_options, size=(number, len(num_options)))


def _random_model(space, generator):
    coefficients = generator.normal(size=published.num_features(space))
    return published.from_coefficients("random", "ms", space, coefficients, 7.0), coefficients


def test_check_case():
    space = search_space.get("proxylessnas_search")
    model = cost_model.get("pixel1", space)
    assert (model.unit, model.image_size) == ("ms", 224)
    cost = model.cost(search_space.parse_indices(_CHECK_INDICES))
    assert cost == pytest.approx(84.016670, abs=1e-4)
    assert model.reference_cost() == pytest.approx(84.4, abs=0.05)


def test_range_of_the_published_space():
    model = cost_model.get("pixel1", search_space.get("proxylessnas_search"))
    assert stages.cost_range(model) == pytest.approx((31.0, 219.0), abs=0.2)


def test_published_feature_counts():
    assert published.num_features(search_space.get("proxylessnas_search")) == 144
    assert published.num_features(search_space.get("proxylessnas_enlarged_search")) == 5983
    assert published.num_features(search_space.get("mobilenet_v3_like_search")) == 29068


@pytest.mark.parametrize(
    "make_space",
    [
        lambda: search_space.get("proxylessnas_search"),
        lambda: search_space.get("mobilenet_v3_like_search"),
        example_spaces.enlarged_space,
        example_spaces.mixed_space,
        lambda: example_spaces.random_space(3),
    ],
)
def test_tables_agree_with_the_formula(make_space):
    space = make_space()
    generator = np.random.default_rng(1)
    model, coefficients = _random_model(space, generator)
    for indices in _random_indices(space, generator, 10):
        masks = published_release.one_hot(space, indices)
        features = published_release.features(space, masks)
        assert features.shape == coefficients.shape
        assert model.cost(indices) == pytest.approx(7.0 + features @ coefficients, abs=1e-9)


@pytest.mark.parametrize(
    "make_space",
    [
        lambda: search_space.get("proxylessnas_search"),
        lambda: search_space.get("mobilenet_v3_like_search"),
        example_spaces.enlarged_space,
    ],
)
def test_soft_operation_masks_agree_with_the_formula(make_space):
    """In the warmup of the operations their masks average, and filters are one-hot."""
    space = make_space()
    generator = np.random.default_rng(2)
    model, coefficients = _random_model(space, generator)
    for indices in _random_indices(space, generator, 5):
        masks = [
            generator.dirichlet(np.ones(choice.num_options))
            if choice.tag == spec.OPERATION
            else mask
            for choice, mask in zip(
                traversal.choices_of(space), published_release.one_hot(space, indices)
            )
        ]
        expected = 7.0 + published_release.features(space, masks) @ coefficients
        assert model.expected_cost(masks) == pytest.approx(expected, abs=1e-9)


def test_uniform_masks_of_the_published_model():
    space = search_space.get("proxylessnas_search")
    model = cost_model.get("pixel1", space)
    uniform = [np.full(c.num_options, 1 / c.num_options) for c in traversal.choices_of(space)]
    sampled = model.cost(_random_indices(space, np.random.default_rng(3), 20_000))
    standard_error = sampled.std() / np.sqrt(len(sampled))
    assert model.expected_cost(uniform) == pytest.approx(sampled.mean(), abs=5 * standard_error)


def test_coefficients_must_fit_the_space():
    space = search_space.get("proxylessnas_search")
    with pytest.raises(InputError, match="has 143 coefficients.*144 features"):
        published.from_coefficients("short", "ms", space, np.zeros(143), 0.0)
    with pytest.raises(InputError, match="not finite"):
        published.from_coefficients("bad", "ms", space, np.full(144, np.nan), 0.0)
    with pytest.raises(InputError, match="not finite"):
        published.from_coefficients("bad", "ms", space, np.zeros(144), float("inf"))


@pytest.mark.parametrize(
    "make_space, message",
    [
        (
            lambda: search_space.get("proxylessnas_search", 0.5),
            "blocks/0/filters/choices/0 was 32 and is 16",
        ),
        (example_spaces.mixed_space, "networks of proxylessnas_search, not of mixed"),
    ],
)
def test_pixel1_refuses_other_spaces(make_space, message):
    with pytest.raises(InputError, match=message):
        cost_model.get("pixel1", make_space())
