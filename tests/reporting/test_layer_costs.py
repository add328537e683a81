"""The cost of a network, split among its layers."""

import numpy as np
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.reporting import layer_costs
from tunas_tf.search_space import table

_SPACES = [
    ("proxylessnas_search", "pixel1"),
    ("proxylessnas_search", "madds"),
    ("mobilenet_v3_like_search", "x86_litert"),
    ("mobiledet_edgetpu_search", "params"),
    ("quickstart_search", "madds"),
]


@pytest.mark.parametrize("ssd, name", _SPACES)
def test_the_parts_add_up_to_the_cost(ssd, name):
    space = search_space.get(ssd)
    model = cost_model.get(name, space)
    generator = np.random.default_rng(0)
    for _ in range(5):
        indices = [generator.integers(c.num_options) for c in search_space.choices_of(space)]
        architecture = search_space.resolve(space, indices)
        rows = table.layer_rows(architecture)
        costs = layer_costs.layer_costs(model, architecture.indices, rows)
        assert sum(costs.by_row) + costs.rest == pytest.approx(float(model.cost(indices)))
        assert costs.total == pytest.approx(float(model.cost(indices)))
        assert len(costs.by_row) == len(rows)


def test_counts_are_exact_for_each_layer():
    space = search_space.get("quickstart_search")
    model = cost_model.get("madds", space, 64, 10)
    rows = table.layer_rows(search_space.resolve(space, space.reference_indices), 64, 10)
    costs = layer_costs.layer_costs(model, space.reference_indices, rows)
    # The stem: 3 x 3 x 3 x 16 at 32 x 32.
    assert costs.by_row[0] == 27 * 16 * 32 * 32
    assert costs.rest == pytest.approx(0, abs=1)


def test_another_kernel_changes_the_cost_of_its_layer_only():
    space = search_space.get("proxylessnas_search")
    model = cost_model.get("pixel1", space)
    choices = search_space.choices_of(space)
    position = next(
        p for p, c in enumerate(choices) if c.path == "blocks/4/layers/0/choices/0/kernel_size"
    )
    other = list(space.reference_indices)
    other[position] = (other[position] + 1) % 3

    def split(indices):
        rows = table.layer_rows(search_space.resolve(space, indices))
        return rows, layer_costs.layer_costs(model, indices, rows)

    rows, before = split(space.reference_indices)
    _, after = split(tuple(other))
    (changed,) = np.flatnonzero(np.abs(np.subtract(before.by_row, after.by_row)) > 1e-9)
    assert (rows[changed]["block"], rows[changed]["layer"]) == (4, 0)
    assert before.rest == pytest.approx(after.rest)


def test_skipped_layers_cost_nothing():
    space = search_space.get("proxylessnas_search")
    model = cost_model.get("pixel1", space)
    indices = [c.num_options - 1 for c in search_space.choices_of(space)]  # Zero stands last.
    rows = table.layer_rows(search_space.resolve(space, indices))
    costs = layer_costs.layer_costs(model, indices, rows)
    skipped = [cost for cost, row in zip(costs.by_row, rows) if row.get("skipped")]
    assert len(skipped) > 10 and not any(skipped)


@pytest.mark.parametrize("ssd, name", _SPACES)
def test_no_layer_costs_less_than_nothing(ssd, name):
    space = search_space.get(ssd)
    model = cost_model.get(name, space)
    rows = table.layer_rows(search_space.resolve(space, space.reference_indices))
    costs = layer_costs.layer_costs(model, space.reference_indices, rows)
    assert min(costs.by_row) >= 0
    assert costs.rest >= -1e-9 * costs.total


def test_a_layer_costs_what_skipping_it_saves():
    space = search_space.get("proxylessnas_search")
    model = cost_model.get("pixel1", space)
    choices = search_space.choices_of(space)
    position = next(p for p, c in enumerate(choices) if c.path == "blocks/2/layers/1/layer")
    indices = list(space.reference_indices)
    indices[position] = 0
    without = [*indices]
    without[position] = 1
    rows = table.layer_rows(search_space.resolve(space, indices))
    costs = layer_costs.layer_costs(model, indices, rows)
    number = next(n for n, row in enumerate(rows) if (row["block"], row["layer"]) == (2, 1))
    saved = float(model.cost(indices) - model.cost(without))
    assert costs.by_row[number] == pytest.approx(saved) and saved > 1
