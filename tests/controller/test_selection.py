"""Choosing the network after a search, against looking at every architecture."""

import example_spaces
import numpy as np
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.controller import selection
from tunas_tf.cost_model import stages
from tunas_tf.search_space import spec, traversal


def _model(seed):
    space = example_spaces.random_space(seed) if seed else example_spaces.mixed_space()
    return cost_model.get("madds" if seed % 2 else "params", space, image_size=64)


def _log_probs(probabilities, all_indices):
    """[architectures] log-probability: the sum over all choices, used or not."""
    return sum(np.log(p[column]) for p, column in zip(probabilities, all_indices.T))


@pytest.mark.parametrize("seed", range(20))
def test_feasible_is_the_most_probable_network_of_the_window(seed):
    model = _model(seed)
    generator = np.random.default_rng(seed)
    everything = example_spaces.all_indices(model.space)
    costs = model.cost(everything)
    probabilities = example_spaces.random_probabilities(model.space, generator)
    log_probs = _log_probs(probabilities, everything)
    num_empty = 0
    for target, tolerance in zip(
        generator.uniform(0.95 * costs.min(), 1.05 * costs.max(), size=12),
        [0.1, 0.03, 0.01, 0.003] * 3,
    ):
        inside = np.abs(costs / target - 1) <= tolerance
        if not inside.any():
            num_empty += 1
            with pytest.raises(InputError, match="no network of .* costs between"):
                selection.select_feasible(model, probabilities, target, tolerance)
            continue
        chosen = selection.select_feasible(model, probabilities, target, tolerance)
        assert chosen.proven
        assert abs(chosen.cost / target - 1) <= tolerance
        assert chosen.cost == model.cost(chosen.indices)
        assert chosen.log_prob == pytest.approx(log_probs[inside].max(), abs=1e-7)
        row = np.flatnonzero((everything == chosen.indices).all(axis=1))
        assert chosen.log_prob == pytest.approx(log_probs[row[0]], abs=1e-9)
    assert num_empty < 12


@pytest.mark.parametrize("seed", range(6))
def test_feasible_is_argmax_where_argmax_is_feasible(seed):
    model = _model(seed)
    probabilities = example_spaces.random_probabilities(model.space, np.random.default_rng(seed))
    argmax = selection.select_argmax(model, probabilities)
    assert argmax.indices == tuple(int(np.argmax(p)) for p in probabilities)
    assert argmax.cost == model.cost(argmax.indices)
    assert selection.select_feasible(model, probabilities, argmax.cost * 1.005) == (
        selection.Selection(
            argmax.indices, argmax.cost, pytest.approx(argmax.log_prob), proven=True
        )
    )


def test_zero_padding_is_ignored():
    model = _model(0)
    probabilities = example_spaces.random_probabilities(model.space, np.random.default_rng(0))
    padded = [np.append(p, [0.0, 0.0]) for p in probabilities]
    target = model.expected_cost(probabilities)
    for select in (
        lambda p: selection.select_argmax(model, p),
        lambda p: selection.select_feasible(model, p, target),
    ):
        assert select(padded) == select(probabilities)


def test_a_converged_controller_may_be_sure_of_another_network():
    """Probability 0 of everything feasible is no reason to give up."""
    model = _model(0)
    one_hot = [np.eye(c.num_options)[0] for c in traversal.choices_of(model.space)]
    highest = stages.cost_range(model)[1]
    chosen = selection.select_feasible(model, one_hot, highest)
    assert chosen.cost == pytest.approx(highest, rel=0.01)


@pytest.mark.parametrize("name, target", [("pixel1", 84.0), ("pixel1", 65.0), ("madds", 3.2e8)])
def test_uniform_probabilities_on_the_published_space(name, target):
    space = search_space.get("proxylessnas_search")
    model = cost_model.get(name, space)
    counts = [choice.num_options for choice in traversal.choices_of(space)]
    chosen = selection.select_feasible(model, [np.full(n, 1 / n) for n in counts], target)
    assert abs(chosen.cost / target - 1) <= 0.01
    assert chosen.proven
    assert chosen.log_prob == pytest.approx(-np.log(counts).sum())


@pytest.mark.parametrize("seed", range(3))
def test_random_probabilities_on_the_published_space(seed):
    """Moving to any neighbour of the chosen network leaves the window or is less probable."""
    model = cost_model.get("pixel1", search_space.get("proxylessnas_search"))
    probabilities = example_spaces.random_probabilities(model.space, np.random.default_rng(seed))
    chosen = selection.select_feasible(model, probabilities, 84.0)
    assert chosen.proven
    assert abs(chosen.cost / 84.0 - 1) <= 0.01
    for position, row in enumerate(probabilities):
        for option in range(len(row)):
            neighbour = np.array(chosen.indices)
            neighbour[position] = option
            if abs(model.cost(neighbour) / 84.0 - 1) <= 0.01:
                assert row[option] <= row[chosen.indices[position]] + 1e-9


def test_tiny_windows_stay_within_memory():
    model = _model(0)
    probabilities = example_spaces.random_probabilities(model.space, np.random.default_rng(1))
    cost = float(model.cost(example_spaces.all_indices(model.space)[700]))
    chosen = selection.select_feasible(model, probabilities, cost, tolerance=1e-10)
    assert chosen.cost == cost


def test_target_out_of_reach_names_the_range():
    model = cost_model.get("pixel1", search_space.get("proxylessnas_search"))
    uniform = [np.full(c.num_options, 0.5) for c in traversal.choices_of(model.space)]
    with pytest.raises(InputError, match="spans 30.9361 to 219.091 ms"):
        selection.select_feasible(model, uniform, 300.0)
    for target, tolerance in ((0.0, 0.01), (-5.0, 0.01), (84.0, 0.0)):
        with pytest.raises(InputError, match="must be above 0"):
            selection.select_feasible(model, uniform, target, tolerance)


def test_space_without_choices():
    space = spec.SearchSpace("fixed", (spec.Block((spec.Conv(3),), 8),))
    model = cost_model.get("madds", space)
    assert selection.select_feasible(model, [], model.bias).indices == ()
    with pytest.raises(InputError, match="no network of fixed"):
        selection.select_feasible(model, [], 2 * model.bias)
