"""The published search spaces: their sizes, their towers and their reference networks."""

import math

import example_spaces
import pytest

from tunas_tf import search_space
from tunas_tf.cost_model import published
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

# Name: choices, those with more than one option, product of all option counts.
_SIZES = {
    "proxylessnas_search": (73, 58, 2156489995751704756224),
    "proxylessnas_enlarged_search": (73, 67, 13917744905701978305736998912),
    "mobilenet_v3_like_search": (86, 86, 8480913417270962668399786129693618420580352),
    "mobiledet_edgetpu_search": (31, 31, 20714691988635550025563438055424),
}

# The factors 0.5, 0.625, 0.75, 1, 1.25, 1.5 and 2, rounded to multiples of 8 by hand.
_FILTERS = {
    16: (8, 16, 24, 32),
    32: (16, 24, 32, 40, 48, 64),
    48: (24, 32, 40, 48, 64, 72, 96),
    64: (32, 40, 48, 64, 80, 96, 128),
    96: (48, 64, 72, 96, 120, 144, 192),
    128: (64, 80, 96, 128, 160, 192, 256),
    160: (80, 104, 120, 160, 200, 240, 320),
    192: (96, 120, 144, 192, 240, 288, 384),
    256: (128, 160, 192, 256, 320, 384, 512),
    512: (256, 320, 384, 512, 640, 768, 1024),
    1024: (512, 640, 768, 1024, 1280, 1536, 2048),
}


@pytest.mark.parametrize("name", _SIZES)
def test_size(name):
    space = search_space.get(name)
    choices = search_space.choices_of(space)
    num_choices, num_real, product = _SIZES[name]
    assert len(choices) == num_choices
    assert sum(choice.num_options > 1 for choice in choices) == num_real
    assert search_space.num_architectures(space) == product


def test_distinct_networks():
    # Sepconv 3; per block a mandatory bottleneck (6) and three that may be skipped (7).
    operations = 3 * (6 * 7**3) ** 5 * 6
    filters = 4 * 4 * 4 * 6 * 7**5
    # Stem kernels, sepconv kernels or none; bottlenecks: 3 kernels x 6 expansions x 2.
    mobilenet = 2 * (3 + 1) * (36 * 37**3) ** 5 * (4 * 4 * 6 * 7**5)
    # Eight options in front, twelve where a layer must be, thirteen where it may be skipped.
    mobiledet = 8 * (12 * 13**3) ** 5 * 12 * (6 * 4 * 6 * 7**6)
    expected = {
        "proxylessnas_search": operations,
        "proxylessnas_enlarged_search": operations * filters,
        "mobilenet_v3_like_search": mobilenet,
        "mobiledet_edgetpu_search": mobiledet,
    }
    found = {name: search_space.num_distinct(search_space.get(name)) for name in expected}
    assert found == expected


@pytest.mark.parametrize(
    "name, expected",
    [
        ("proxylessnas_search", 144),
        ("proxylessnas_enlarged_search", 5983),
        ("mobilenet_v3_like_search", 29068),
    ],
)
def test_features_of_the_published_cost_models(name, expected):
    assert published.num_features(search_space.get(name)) == expected


def _filters_of(space) -> list[tuple[int, ...]]:
    """The options of each block's filters."""
    return [getattr(block.filters, "choices", block.filters) for block in space.blocks]


def test_enlarged_tower():
    space = search_space.get("proxylessnas_enlarged_search")
    assert space.blocks == example_spaces.enlarged_space().blocks
    bases = (16, 16, 16, 32, 64, 128, 256, 512, 1024)
    assert _filters_of(space) == [_FILTERS[base] for base in bases]


@pytest.mark.parametrize(
    "name, filters",
    [
        ("proxylessnas_search", (32, 16, 32, 40, 80, 96, 192, 320, 1280)),
        ("proxylessnas_doubled_every_block_search", (16, 16, 16, 32, 64, 128, 256, 512, 1024)),
        ("proxylessnas_doubled_every_stride2_search", (16, 16, 32, 64, 128, 128, 256, 256, 512)),
    ],
)
def test_proxylessnas_towers_differ_in_their_filters(name, filters):
    space = search_space.get(name)
    enlarged = search_space.get("proxylessnas_enlarged_search")
    assert [b.layers for b in space.blocks] == [b.layers for b in enlarged.blocks]
    # A choice with one option, which takes a position in the indices.
    assert _filters_of(space) == [(count,) for count in filters]


def _choice(*options) -> OneOf:
    return OneOf(options, OPERATION)


def test_mobilenet_v3_like_tower():
    space = search_space.get("mobilenet_v3_like_search")
    bases = (16, 16, 32, 64, 128, 256, 512, 1024)
    assert _filters_of(space) == [_FILTERS[base] for base in bases]

    def bottleneck(strides, activation):
        return spec.Bottleneck(
            kernel_size=_choice(3, 5, 7),
            expansion=OneOf(tuple(spec.Expansion(n) for n in (1, 2, 3, 4, 5, 6)), FILTERS),
            squeeze_and_excite=_choice(False, True),
            strides=strides,
            activation=activation,
        )

    def searched(strides, activation):
        optional = spec.Residual(_choice(bottleneck(1, activation), spec.Zero()))
        return (bottleneck(strides, activation), optional, optional, optional)

    separable = spec.SeparableConv(_choice(3, 5, 7), 1, "relu")
    swish6 = spec.Activation("swish6")
    endpoint = (spec.Endpoint(),)
    optional_separable = spec.Residual(_choice(separable, spec.Zero()))
    assert [block.layers for block in space.blocks] == [
        (spec.Conv(_choice(3, 5), 2), swish6, optional_separable, *endpoint),
        searched(2, "relu") + endpoint,
        searched(2, "relu") + endpoint,
        searched(2, "swish6"),
        searched(1, "swish6") + endpoint,
        searched(2, "swish6") + endpoint,
        (spec.Conv(1), swish6, spec.GlobalPool()),
        (spec.Conv(1, batch_norm=False), swish6),
    ]


def _mobiledet_tucker(strides):
    quarter, three_quarters = spec.Expansion(0.25), spec.Expansion(0.75)
    quarter_of_output = spec.Expansion(0.25, of="output")
    three_quarters_of_output = spec.Expansion(0.75, of="output")
    return (
        spec.TuckerBottleneck(3, quarter, quarter_of_output, strides, "relu"),
        spec.TuckerBottleneck(3, quarter, three_quarters_of_output, strides, "relu"),
        spec.TuckerBottleneck(3, three_quarters, quarter_of_output, strides, "relu"),
        spec.TuckerBottleneck(3, three_quarters, three_quarters_of_output, strides, "relu"),
    )


def test_mobiledet_tower():
    space = search_space.get("mobiledet_edgetpu_search")
    bases = (32, 16, 32, 48, 96, 96, 160, 192, 192)
    assert _filters_of(space) == [_FILTERS[base] for base in bases]

    def options(strides):
        x4, x8 = spec.Expansion(4), spec.Expansion(8)
        return (
            spec.Bottleneck(3, x4, False, strides, "relu"),
            spec.Bottleneck(5, x4, False, strides, "relu"),
            spec.Bottleneck(3, x8, False, strides, "relu"),
            spec.Bottleneck(5, x8, False, strides, "relu"),
            spec.FusedBottleneck(3, x4, strides, "relu"),
            spec.FusedBottleneck(5, x4, strides, "relu"),
            spec.FusedBottleneck(3, x8, strides, "relu"),
            spec.FusedBottleneck(5, x8, strides, "relu"),
            *_mobiledet_tucker(strides),
        )

    def searched(strides):
        return (_choice(*options(strides)),) + (
            spec.Residual(_choice(*options(1), spec.Zero())),
        ) * 3

    # At expansion 1 an inverted bottleneck has no expand convolution, and a fused one only
    # the 1x1 convolution.
    separable = spec.SeparableConv(3, 1, "relu"), spec.SeparableConv(5, 1, "relu")
    in_front = _choice(*separable, spec.Conv(1), spec.Conv(1), *_mobiledet_tucker(1))
    relu, endpoint = spec.Activation("relu"), spec.Endpoint()
    assert [block.layers for block in space.blocks] == [
        (spec.Conv(3, 2), relu),
        (in_front, endpoint),
        (*searched(2), endpoint),
        (*searched(2), endpoint),
        searched(2),
        (*searched(1), endpoint),
        (*searched(2), endpoint),
        (_choice(*options(1)), endpoint),
        (spec.Conv(1), relu, spec.GlobalPool()),
    ]


@pytest.mark.parametrize(
    "name, filters",
    [
        ("proxylessnas_search", [32, 16, 32, 40, 80, 96, 192, 320, 1280]),
        ("proxylessnas_enlarged_search", [32, 16, 32, 40, 80, 96, 192, 320, 1280]),
        # MobileNetV3-Large has 112 and 960 where the space has 96 and 1024.
        ("mobilenet_v3_like_search", [16, 24, 40, 80, 96, 160, 1024, 1280]),
        ("mobiledet_edgetpu_search", [32, 16, 16, 40, 72, 96, 120, 384, 288]),
    ],
)
def test_filters_of_the_reference_network(name, filters):
    space = search_space.get(name)
    network = search_space.resolve(space, space.reference_indices)
    assert [block.filters for block in network.blocks] == filters


def test_reference_of_the_proxylessnas_spaces():
    expected = search_space.resolve(search_space.get("proxylessnas_mobile"), ()).blocks
    for name in ("proxylessnas_search", "proxylessnas_enlarged_search"):
        space = search_space.get(name)
        assert search_space.resolve(space, space.reference_indices).blocks == expected


def test_reference_of_the_mobilenet_v3_like_space():
    space = search_space.get("mobilenet_v3_like_search")
    network = search_space.resolve(space, space.reference_indices)
    layers = [
        (layer.kernel_size, layer.expansion, layer.squeeze_and_excite)
        for placed in network.layers()
        if isinstance(layer := getattr(placed.layer, "layer", placed.layer), spec.Bottleneck)
    ]
    # MobileNetV3-Large with 240 and 160 for 200 and 184 expanded filters, and what follows
    # from 96 filters for 112.
    assert layers == [
        (3, 64, False), (3, 72, False),
        (5, 72, True), (5, 120, True), (5, 120, True),
        (3, 240, False), (3, 240, False), (3, 160, False), (3, 160, False),
        (3, 480, True), (3, 576, True),
        (5, 576, True), (5, 960, True), (5, 960, True),
    ]  # fmt: skip
    skipped = spec.Residual(spec.Zero())
    assert sum(placed.layer == skipped for placed in network.layers()) == 6
    assert network.blocks[0].layers[0] == spec.Conv(3, strides=2)
    assert network.blocks[0].layers[2] == spec.Residual(spec.SeparableConv(3))


@pytest.mark.parametrize("multiplier", [0.5, 1.4])
@pytest.mark.parametrize("name", _SIZES)
def test_scaled_spaces_keep_their_choices(name, multiplier):
    space, scaled = search_space.get(name), search_space.get(name, multiplier)
    shapes = [
        [(choice.path, choice.num_options) for choice in traversal.choices_of(s)]
        for s in (space, scaled)
    ]
    assert shapes[0] == shapes[1]
    for options, scaled_options in zip(_filters_of(space), _filters_of(scaled)):
        # The nearest multiple of 8, halves up.
        rounded = [8 * max(1, math.floor(count * multiplier / 8 + 0.5)) for count in options]
        assert list(scaled_options) == rounded
    reference = search_space.resolve(scaled, space.reference_indices)
    for placed in reference.layers():
        layer = getattr(placed.layer, "layer", placed.layer)
        if isinstance(layer, spec.Bottleneck):
            assert layer.expansion % placed.input_filters == 0  # Whole multiples of the input.
