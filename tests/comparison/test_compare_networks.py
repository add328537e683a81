"""Random networks of equal cost, and reference networks that are scaled to it."""

import pytest

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.comparison.networks import random_networks, scaled_reference
from tunas_tf.search_space import arithmetic


@pytest.fixture(name="cost_model", scope="module")
def _cost_model():
    return cost_model_lib.get("madds", search_space.get("quickstart_search"), 64, 10)


def test_random_networks_differ_and_lie_in_the_window(cost_model):
    networks = random_networks(cost_model, 30, 0, 6.6e6, 6.8e6)
    assert len({network.architecture.blocks for network in networks}) == 30
    for network in networks:
        assert 6.6e6 <= network.cost <= 6.8e6
        assert network.cost == arithmetic.count(network.architecture, 64, 10).madds
    assert random_networks(cost_model, 12, 0, 6.6e6, 6.8e6) == networks[:12]
    assert random_networks(cost_model, 12, 1, 6.6e6, 6.8e6) != networks[:12]
    assert random_networks(cost_model, 0, 0, 6.6e6, 6.8e6) == []


def test_networks_that_are_not_there_are_not_made_up(cost_model):
    # The cheapest one skips whatever it can: its kernel and expansion are decided.
    cheapest = arithmetic.count(
        search_space.resolve(
            cost_model.space, [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1]
        ),
        64,
        10,
    ).madds
    with pytest.raises(InputError, match="only 1 different networks"):
        random_networks(cost_model, 2, 0, cheapest, cheapest)


def _price(architecture) -> float:
    return arithmetic.count(architecture, 64, 10).madds


def test_the_reference_of_the_target_is_left_as_it_is():
    space = search_space.get("quickstart_search")
    target = _price(search_space.resolve(space, space.reference_indices))
    network = scaled_reference("quickstart_search", _price, target)
    assert (network.filters_multiplier, network.cost) == (1.0, target)


@pytest.mark.parametrize("ssd", ["mobilenet_v2", "quickstart_search"])
@pytest.mark.parametrize("target", [2e6, 2e7])
def test_no_multiplier_comes_nearer(ssd, target):
    network = scaled_reference(ssd, _price, target)
    space = search_space.get(ssd, network.filters_multiplier)
    assert network.architecture == search_space.resolve(space, space.reference_indices)
    assert network.cost == _price(network.architecture)
    others = [
        _price(search_space.resolve(search_space.get(ssd, step / 40), space.reference_indices))
        for step in range(2, 140)
    ]
    assert abs(network.cost - target) <= min(abs(cost - target) for cost in others)


def test_fixed_figures_leave_a_network_as_it_is():
    def price(architecture) -> float:
        return cost_model_lib.architecture_cost("pixel1", architecture)[0]

    network = scaled_reference("proxylessnas_search", price, 50.0)
    assert network.filters_multiplier == 1.0
    assert network.cost == pytest.approx(84.4, abs=0.1)


def test_a_space_without_a_reference_network_is_refused(monkeypatch):
    import dataclasses

    from tunas_tf.comparison import networks

    space = dataclasses.replace(search_space.get("quickstart_search"), reference_indices=())
    monkeypatch.setattr(networks.search_space, "get", lambda *_: space)
    with pytest.raises(InputError, match="has choices and no reference network"):
        scaled_reference("quickstart_search", _price, 1e6)
