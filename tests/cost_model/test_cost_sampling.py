"""Random architectures within a cost window."""

import collections

import example_spaces
import numpy as np
import pytest
import scipy.stats

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import sampling


@pytest.fixture(name="pixel1", scope="module")
def _pixel1():
    return cost_model.get("pixel1", search_space.get("proxylessnas_search"))


def test_samples_lie_in_the_window(pixel1):
    indices, costs = sampling.sample_architectures(pixel1, 50, 0, 83.0, 85.0)
    assert indices.shape == (50, 73)
    assert np.all((83.0 <= costs) & (costs <= 85.0))
    np.testing.assert_array_equal(costs, pixel1.cost(indices))
    for row in indices:
        search_space.validate_indices(pixel1.space, row)


def test_longer_lists_begin_with_the_shorter_ones(pixel1):
    short, _ = sampling.sample_architectures(pixel1, 7, 5, 100.0, 101.0)
    long, _ = sampling.sample_architectures(pixel1, 900, 5, 100.0, 101.0)
    np.testing.assert_array_equal(short, long[:7])
    other, _ = sampling.sample_architectures(pixel1, 7, 6, 100.0, 101.0)
    assert not np.array_equal(short, other)


def _counts_in_the_window(space_number):
    """How often each architecture of a window, and no other, was drawn: 200 times on average."""
    space = example_spaces.random_space(space_number, max_architectures=200)
    model = cost_model.get("madds", space)
    everything = example_spaces.all_indices(space)
    costs = model.cost(everything)
    low, high = np.quantile(costs, [0.3, 0.6])
    inside = {tuple(row) for row in everything[(low <= costs) & (costs <= high)]}
    sampled, _ = sampling.sample_architectures(model, 200 * len(inside), 3, low, high)
    counts = collections.Counter(map(tuple, sampled))
    assert set(counts) == inside
    return [counts[row] for row in sorted(inside)]


@pytest.mark.parametrize("space_number", [1, 2, 5])
def test_every_architecture_of_the_window_is_equally_likely(space_number):
    counts = _counts_in_the_window(space_number)
    assert len(counts) > 10
    # Too even would be as suspicious as too uneven.
    assert 0.001 < scipy.stats.chisquare(counts).pvalue < 0.999


def test_the_number_of_workers_does_not_matter(pixel1):
    alone, costs = sampling.sample_architectures(pixel1, 700, 11, 83.0, 85.0)
    for workers in (2, 3):
        together, same_costs = sampling.sample_architectures(pixel1, 700, 11, 83.0, 85.0, workers)
        np.testing.assert_array_equal(together, alone)
        np.testing.assert_array_equal(same_costs, costs)


def test_blocks_differ(pixel1):
    indices, _ = sampling.sample_architectures(pixel1, 3 * 4096, 0)
    assert len(np.unique(indices, axis=0)) == 3 * 4096


def test_without_a_window_everything_is_accepted():
    model = cost_model.get("params", example_spaces.mixed_space())
    indices, _ = sampling.sample_architectures(model, 5000, 0)
    assert indices.shape == (5000, 11)


def test_single_network_at_the_edge_of_the_range():
    model = cost_model.get("params", example_spaces.mixed_space())
    costs = model.cost(example_spaces.all_indices(model.space))
    for edge in (costs.min(), costs.max()):
        _, sampled = sampling.sample_architectures(model, 3, 0, edge, edge)
        assert list(sampled) == [edge] * 3


@pytest.mark.parametrize("window", [(1.0, 30.0), (220.0, 300.0)])
def test_window_outside_the_space(pixel1, window):
    with pytest.raises(InputError, match="the space spans 30.9361 to 219.091 ms"):
        sampling.sample_architectures(pixel1, 1, 0, *window)


@pytest.mark.parametrize("window", [(85.0, 84.0), (float("nan"), 84.0)])
def test_window_upside_down(pixel1, window):
    with pytest.raises(InputError, match="lower end must not be above"):
        sampling.sample_architectures(pixel1, 1, 0, *window)


def test_window_that_looks_empty(monkeypatch):
    monkeypatch.setattr(sampling, "_MAX_BLOCKS_WITHOUT_HIT", 3)
    model = cost_model.get("params", example_spaces.mixed_space())
    costs = np.unique(model.cost(example_spaces.all_indices(model.space)))
    with pytest.raises(InputError, match="12,288 networks drawn in a row.*looks empty"):
        sampling.sample_architectures(model, 1, 0, costs[3] + 0.25, costs[3] + 0.5)
