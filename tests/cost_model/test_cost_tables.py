"""Cost tables against the counts of whole networks, and exact means and ranges."""

import example_spaces
import numpy as np
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import stages, tables
from tunas_tf.search_space import arithmetic, spec, traversal


def _counts(space, indices, image_size, num_classes):
    return arithmetic.count(search_space.resolve(space, indices), image_size, num_classes)


@pytest.mark.parametrize("quantity", ["madds", "params"])
@pytest.mark.parametrize(
    "make_space",
    [
        lambda: search_space.get("proxylessnas_search"),
        lambda: search_space.get("proxylessnas_search", 0.35),
        example_spaces.enlarged_space,
        example_spaces.mixed_space,
        lambda: example_spaces.random_space(0),
        lambda: example_spaces.random_space(5),
    ],
)
def test_tables_add_up_to_the_counts_of_the_network(make_space, quantity):
    space = make_space()
    model = cost_model.get(quantity, space, image_size=100, num_classes=17)
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    sampled = np.random.default_rng(0).integers(num_options, size=(30, len(num_options)))
    expected = [getattr(_counts(space, row, 100, 17), quantity) for row in sampled]
    np.testing.assert_allclose(model.cost(sampled), expected, rtol=1e-12)
    assert model.cost(sampled[0]).shape == ()
    assert model.cost(sampled.reshape(5, 6, -1)).shape == (5, 6)


def test_reference_cost():
    space = search_space.get("proxylessnas_search")
    assert cost_model.get("madds", space).reference_cost() == 320_428_864
    assert cost_model.get("params", space).reference_cost() == 4_081_793
    assert cost_model.get("madds", example_spaces.random_space(1)).reference_cost() is None


def test_space_without_choices():
    space = spec.SearchSpace("fixed", (spec.Block((spec.Conv(3, strides=2),), 8),))
    model = cost_model.get("madds", space, image_size=10, num_classes=4)
    assert model.tables == ()
    # Without a pool the classifier works on all 5 x 5 pixels.
    assert model.cost(()) == 27 * 8 * 25 + 8 * 4 * 25
    assert model.expected_cost([]) == 27 * 8 * 25 + 8 * 4 * 25


def _product_probabilities(probabilities, all_indices):
    columns = [p[column] for p, column in zip(probabilities, all_indices.T)]
    return np.prod(columns, axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_expected_cost_is_the_mean_over_all_architectures(seed):
    space = example_spaces.random_space(seed) if seed else example_spaces.mixed_space()
    probabilities = example_spaces.random_probabilities(space, np.random.default_rng(seed))
    everything = example_spaces.all_indices(space)
    model = cost_model.get("madds", space, image_size=64)
    weights = _product_probabilities(probabilities, everything)
    assert weights.sum() == pytest.approx(1.0)
    expected = weights @ model.cost(everything)
    assert model.expected_cost(probabilities) == pytest.approx(expected, rel=1e-12)
    padded = [np.append(p, [0.0, 0.0]) for p in probabilities]
    assert model.expected_cost(padded) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("quantity", ["madds", "params"])
@pytest.mark.parametrize("seed", range(12))
def test_cost_range_is_exact(seed, quantity):
    space = example_spaces.random_space(seed) if seed else example_spaces.mixed_space()
    model = cost_model.get(quantity, space, image_size=64)
    costs = model.cost(example_spaces.all_indices(space))
    assert stages.cost_range(model) == pytest.approx((costs.min(), costs.max()), rel=1e-12)


# Positions of proxylessnas_enlarged_search: 0 and 2 the filters of blocks 0 and 1, 1 a kernel
# of block 1, 3 to 5 and 6 to 8 the first layers of block 2, 15 its filters.
@pytest.mark.parametrize("positions", [(0, 72), (3, 6), (6, 2), (6, 15, 2), (0, 15), (3, 0)])
def test_tables_across_distant_layers_are_refused(positions):
    space = example_spaces.enlarged_space()
    choices = traversal.choices_of(space)
    values = np.zeros([choices[position].num_options for position in positions])
    model = tables.CostModel("odd", "ms", space, (tables.Table(positions, values),), 0.0)
    for check in (stages.cost_range, stages.check_tables):
        with pytest.raises(InputError, match="must be sums over layers"):
            check(model)
