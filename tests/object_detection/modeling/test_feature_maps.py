"""Endpoints by level, and towers cut off behind them."""

import dataclasses

import published_networks
import pytest
import towers

from object_detection.modeling import feature_maps
from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OneOf

_SPACES = (
    "mobiledet_edgetpu_search",
    "mobilenet_v3_like_search",
    "proxylessnas_enlarged_search",
    "proxylessnas_search",
)


def _network(name) -> search_space.Architecture:
    return search_space.resolve(search_space.get(name), ())


@pytest.mark.parametrize("name", published_networks.NAMES)
def test_levels_of_published_networks(name):
    sides = {224 // 2**level: level for level in range(1, 6)}
    # Written down in the order of the tower: of two with one side, the last one stays.
    expected = {
        sides[side]: (number, filters)
        for number, (side, _, filters) in enumerate(published_networks.endpoints(name))
    }
    network = _network(name)
    levels = feature_maps.endpoint_levels(network)
    filters = feature_maps.feature_filters(network, tuple(levels))
    found = {level: (levels[level], filters[level].options[0]) for level in levels}
    assert sorted(found) == [1, 2, 3, 4, 5] and found == expected
    assert feature_maps.endpoint_levels(search_space.get(name)) == levels


@pytest.mark.parametrize("name", _SPACES)
def test_levels_of_spaces(name):
    space = search_space.get(name)
    # The spaces around MobileNetV3 end with one block of stride 32, the others with two.
    last = 4 if name == "mobilenet_v3_like_search" else 5
    assert feature_maps.endpoint_levels(space) == {1: 0, 2: 1, 3: 2, 4: 3, 5: last}
    for _level, counts in feature_maps.feature_filters(space, (3, 4, 5)).items():
        if counts.position is None:
            assert len(counts.options) == 1
        else:
            assert traversal.choices_of(space)[counts.position].one_of.choices == counts.options


@pytest.mark.parametrize("name", _SPACES)
def test_trimmed_space_is_the_front_of_the_whole(name):
    space = search_space.get(name)
    trimmed = feature_maps.trim(space, (4, 5))
    whole, left = traversal.choices_of(space), traversal.choices_of(trimmed)
    assert left == whole[: len(left)]
    # What is cut off are the filters of one or two 1x1 convolutions.
    assert all(choice.path.endswith("filters") for choice in whole[len(left) :])
    assert trimmed.reference_indices == space.reference_indices[: len(left)]
    assert isinstance(trimmed.blocks[-1].layers[-1], spec.Endpoint)
    assert feature_maps.endpoint_levels(trimmed) == feature_maps.endpoint_levels(space)


def test_trimmed_network_keeps_its_name_and_layers():
    network = _network("mobiledet_edgetpu")
    trimmed = feature_maps.trim(network, (3, 4))
    assert (trimmed.ssd, trimmed.indices) == (network.ssd, network.indices)
    assert list(trimmed.layers()) == list(network.layers())[: len(list(trimmed.layers()))]
    assert trimmed.output_filters == 96


def test_choices_behind_an_endpoint_keep_their_block_whole():
    def tower(kernel_size):
        layers = (spec.Conv(3, 2), spec.Endpoint(), spec.Conv(kernel_size))
        return spec.SearchSpace("t", (spec.Block(layers, OneOf((8, 16), FILTERS)),) * 2)

    # Cut off, the choice of the kernel would move up that of the filters.
    searched = tower(OneOf((3, 5), FILTERS))
    assert feature_maps.trim(searched, (1,)).blocks == searched.blocks[:1]
    fixed = tower(3)
    assert feature_maps.trim(fixed, (1,)).blocks[0].layers == fixed.blocks[0].layers[:2]


def test_missing_endpoint_is_named():
    with pytest.raises(
        InputError,
        match="quickstart_search has endpoints of 4, 8, 16, but the detector needs 32 too",
    ):
        feature_maps.trim(search_space.get("quickstart_search"), (4, 5))
    shallow = dataclasses.replace(towers.space(), blocks=towers.space().blocks[:4])
    with pytest.raises(InputError, match="tower has endpoints of 2, 4, 8, 16, .* needs 32 too"):
        feature_maps.feature_filters(shallow, (4, 5))


def test_stride_that_is_no_power_of_two_is_no_level():
    layers = (spec.Conv(3, 3), spec.Endpoint())
    assert feature_maps.endpoint_levels(spec.SearchSpace("t", (spec.Block(layers, 8),))) == {}


def test_expanded_feature_maps():
    # MobileNetV2 and V3 as SSDLite was published with them: expansion of C4, last convolution.
    published = {
        "mobilenet_v2": (576, 1280),
        "mobilenet_v3_large": (672, 960),
    }
    for name, expected in published.items():
        trimmed, maps = feature_maps.expanded_feature_maps(_network(name), (4, 5))
        assert (maps[4].filters, maps[5].filters) == expected
        assert isinstance(list(trimmed.layers())[-1].layer, spec.Activation)
    # A fused bottleneck follows C2; nothing follows the last endpoint of a trimmed network.
    network = _network("mobiledet_edgetpu")
    with pytest.raises(InputError, match="mobiledet_edgetpu has no expanded features of stride 4:"):
        feature_maps.expanded_feature_maps(network, (2, 3))
    with pytest.raises(InputError, match="no expanded features of stride 32:"):
        feature_maps.expanded_feature_maps(feature_maps.trim(network, (4, 5)), (4, 5))


def test_mobilenet_v3_for_detection_has_half_the_channels_behind_c4():
    network = _network("mobilenet_v3_large_detection")
    whole = _network("mobilenet_v3_large")
    assert network.blocks[:5] == whole.blocks[:5]
    filters = {
        level: c.options[0] for level, c in feature_maps.feature_filters(network, (4, 5)).items()
    }
    assert filters == {4: 112, 5: 80}
    bottlenecks = [getattr(x, "layer", x) for x in network.blocks[5].layers[:-1]]
    assert [layer.expansion for layer in bottlenecks] == [672, 480, 480]
    _, maps = feature_maps.expanded_feature_maps(network, (4, 5))
    assert (maps[4].filters, maps[5].filters) == (672, 480)
