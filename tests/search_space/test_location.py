"""Finding a network in a search space: the inverse of resolving."""

import dataclasses

import example_spaces
import numpy as np
import pytest

from tunas_tf import search_space
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.architecture import Architecture

# Of the package, as long as no other test has registered a space.
_NAMES = search_space.names()
_SPACES = [name for name in _NAMES if name.endswith("_search")]


def _random_indices(space, number):
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    return np.random.default_rng(0).integers(num_options, size=(number, len(num_options)))


@pytest.mark.parametrize("multiplier", [1.0, 0.5])
@pytest.mark.parametrize("name", _SPACES)
def test_every_network_of_a_space_is_found_in_it(name, multiplier):
    space = search_space.get(name, multiplier)
    for indices in _random_indices(space, 5):
        network = search_space.resolve(space, indices)
        found = search_space.locate(space, network)
        assert search_space.resolve(space, found).blocks == network.blocks
        # The first of the places, so never a later one.
        assert found <= tuple(indices)


@pytest.mark.parametrize("name", _SPACES)
def test_reference_networks_are_at_their_indices(name):
    space = search_space.get(name)
    network = search_space.resolve(space, space.reference_indices)
    assert search_space.locate(space, network) == space.reference_indices


def test_a_whole_space():
    space = example_spaces.mixed_space()
    positions = {}
    for row in example_spaces.all_indices(space):
        network = search_space.resolve(space, row)
        positions.setdefault(network.blocks, tuple(int(index) for index in row))
    for blocks, first in list(positions.items())[::7]:
        assert search_space.locate(space, Architecture("elsewhere", (), blocks)) == first


def _network(name) -> Architecture:
    return search_space.resolve(search_space.get(name), ())


@pytest.mark.parametrize(
    "network, spaces",
    [
        # The filters of MobileNetV2 and MnasNet-B1 are those of the enlarged space only.
        ("mobilenet_v2", {"proxylessnas_enlarged_search"}),
        ("mnasnet_b1", {"proxylessnas_enlarged_search"}),
        ("proxylessnas_mobile", {"proxylessnas_search", "proxylessnas_enlarged_search"}),
        ("mobiledet_edgetpu", {"mobiledet_edgetpu_search"}),
        # Filters that no space has, or another tower.
        ("proxylessnas_cpu", set()),
        ("proxylessnas_gpu", set()),
        ("mobilenet_v3_large", set()),
        ("mobilenet_multi_avg", set()),
        ("mobilenet_multi_max", set()),
    ],
)
def test_spaces_of_the_published_networks(network, spaces):
    found = {
        name
        for name in _SPACES
        if search_space.locate(search_space.get(name), _network(network)) is not None
    }
    assert found == spaces


def test_networks_are_found_in_themselves_only():
    names = [name for name in _NAMES if name not in _SPACES]
    for name in names:
        space = search_space.get(name)
        found = [n for n in names if search_space.locate(space, _network(n)) is not None]
        assert found == [name]
        assert search_space.locate(space, _network(name)) == ()


def _with_layer(network, block, index, layer) -> Architecture:
    """`network` with another layer at one place."""
    layers = list(network.blocks[block].layers)
    layers[index] = layer
    blocks = list(network.blocks)
    blocks[block] = dataclasses.replace(blocks[block], layers=tuple(layers))
    return dataclasses.replace(network, blocks=tuple(blocks))


def test_one_layer_that_the_space_does_not_have():
    space = search_space.get("proxylessnas_search")
    network = _network("proxylessnas_mobile")
    bottleneck = network.blocks[3].layers[1].layer
    assert bottleneck == spec.Bottleneck(3, 120)

    def locate(layer):
        return search_space.locate(space, _with_layer(network, 3, 1, layer))

    wider = locate(spec.Residual(spec.Bottleneck(5, 240)))
    assert wider is not None and wider != space.reference_indices
    assert locate(spec.Residual(spec.Zero())) is not None
    assert locate(spec.Bottleneck(3, 120)) is None  # Not residual.
    assert locate(spec.Residual(spec.Bottleneck(9, 120))) is None
    assert locate(spec.Residual(spec.Bottleneck(3, 160))) is None
    assert locate(spec.Residual(spec.Bottleneck(3, 120, True))) is None
    assert locate(spec.Residual(spec.Bottleneck(3, 120, activation="relu6"))) is None
    # The first layer of a block may not be skipped.
    assert search_space.locate(space, _with_layer(network, 3, 0, spec.Zero())) is None


def test_towers_of_another_form():
    space = search_space.get("proxylessnas_search")
    network = _network("proxylessnas_mobile")
    shorter = dataclasses.replace(network, blocks=network.blocks[:-1])
    assert search_space.locate(space, shorter) is None
    last = dataclasses.replace(network.blocks[-1], layers=network.blocks[-1].layers[:-1])
    headless = dataclasses.replace(network, blocks=(*network.blocks[:-1], last))
    assert search_space.locate(space, headless) is None
    wider = dataclasses.replace(network.blocks[-1], filters=1288)
    network = dataclasses.replace(network, blocks=(*network.blocks[:-1], wider))
    assert search_space.locate(space, network) is None
