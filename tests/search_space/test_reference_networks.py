"""The published networks against a count from their published tables, and known sizes.

Nothing of the package takes part in the count: it walks the tables below.
"""

import published_networks
import pytest

from tunas_tf import search_space
from tunas_tf.search_space import arithmetic, detection_networks, table

# On the ProxylessNAS tower: filters of the nine blocks and operation codes. The first code is
# the kernel of the separable convolution, then 0..5 = (expansion 3: k3, k5, k7; expansion 6:
# k3, k5, k7), 6 = skipped.
_CODED = {
    "mobilenet_v2": (
        "32 16 24 32 64 96 160 320 1280",
        "0 3 3 6 6 3 3 3 6 3 3 3 3 3 3 3 6 3 3 3 6 3",
    ),
    "mnasnet_b1": (
        "32 16 24 40 80 96 192 320 1280",
        "0 0 0 0 6 1 1 1 6 4 4 4 6 3 3 6 6 4 4 4 4 3",
    ),
    "proxylessnas_mobile": (
        "32 16 32 40 80 96 192 320 1280",
        "0 1 0 6 6 2 0 1 1 5 1 1 1 4 1 1 1 5 5 2 2 5",
    ),
    "proxylessnas_cpu": (
        "40 24 32 48 88 104 216 360 1432",
        "0 3 0 0 0 3 0 0 1 3 6 6 0 4 0 0 0 4 1 1 0 4",
    ),
    "proxylessnas_gpu": (
        "40 24 32 56 112 128 256 432 1728",
        "0 1 6 6 6 2 6 6 0 5 6 6 1 4 6 0 1 5 5 5 4 5",
    ),
}

# Towers of the MobileNetV3 form: filters of the stem, then blocks of (output filters,
# squeeze-and-excite, stride of the first layer, layers as (kernel, expanded filters)).
_LISTED = {
    "mobilenet_v3_large": (
        16,
        [
            (24, False, 2, [(3, 64), (3, 72)]),
            (40, True, 2, [(5, 72), (5, 120), (5, 120)]),
            (80, False, 2, [(3, 240), (3, 200), (3, 184), (3, 184)]),
            (112, True, 1, [(3, 480), (3, 672)]),
            (160, True, 2, [(5, 672), (5, 960), (5, 960)]),
        ],
    ),
    "mobilenet_multi_avg": (
        32,
        [
            (32, False, 2, [(3, 96), (3, 64)]),
            (64, False, 2, [(5, 160), (3, 192), (3, 128), (3, 192)]),
            (128, False, 2, [(5, 384), (3, 384), (3, 384), (3, 384)]),
            (160, False, 1, [(3, 768), (3, 640)]),
            (192, False, 2, [(3, 960), (5, 768), (5, 768), (5, 768)]),
        ],
    ),
    "mobilenet_multi_max": (
        32,
        [
            (32, False, 2, [(3, 96)]),
            (64, False, 2, [(5, 192), (3, 128), (3, 128)]),
            (128, False, 2, [(5, 384), (3, 512), (3, 384), (3, 384)]),
            (128, False, 1, [(3, 768), (3, 384)]),
            (160, False, 2, [(3, 768), (5, 640), (3, 800), (5, 640)]),
        ],
    ),
}

# A quarter of the expanded filters, rounded to 8 (18 -> 16 would be below 90 % of it).
_SQUEEZED = {72: 24, 120: 32, 480: 120, 672: 168, 960: 240}

# MobileDet-EdgeTPU: per block the filters and the layers. Inverted (i) and fused (f) bottleneck
# with expansion and kernel, Tucker (t) with its two compressed widths.
_MOBILEDET_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_MOBILEDET = [
    (16, ["t 8 16"]),  # A quarter of 32, three quarters of 16 (12, halfway, goes up).
    (16, ["f 8 3", "f 4 3", "f 8 3", "f 4 3"]),
    (40, ["f 8 5", "f 4 3", "f 4 3", "f 4 3"]),
    (72, ["i 8 3", "i 8 3", "f 4 3", "f 4 3"]),
    (96, ["i 8 5", "i 8 5", "i 8 3", "i 8 3"]),
    (120, ["i 8 5", "i 8 3", "i 4 5", "i 8 3"]),
    (384, ["i 8 5"]),
]


class _Count:
    """Multiply-adds and parameters of the layers that its methods stand for."""

    def __init__(self, size):
        self.size, self.filters = size, 3
        self.madds = self.params = 0

    def conv(self, kernel, filters, strides=1, norm=True):
        self.size = (self.size + strides - 1) // strides
        weights = kernel * kernel * self.filters * filters
        self.madds += weights * self.size**2
        self.params += weights + (2 if norm else 1) * filters
        self.filters = filters

    def depthwise(self, kernel, strides=1):
        self.size = (self.size + strides - 1) // strides
        self.madds += kernel * kernel * self.filters * self.size**2
        self.params += (kernel * kernel + 2) * self.filters

    def squeeze_and_excite(self):
        squeezed = _SQUEEZED[self.filters]
        self.madds += 2 * squeezed * self.filters
        self.params += 2 * squeezed * self.filters + squeezed + self.filters

    def bottleneck(self, kernel, expanded, filters, strides, squeeze_and_excite=False):
        self.conv(1, expanded)
        self.depthwise(kernel, strides)
        if squeeze_and_excite:
            self.squeeze_and_excite()
        self.conv(1, filters)


def _coded(count, filters, codes):
    filters, codes = ([int(number) for number in text.split()] for text in (filters, codes))
    assert (len(filters), len(codes)) == (9, 22)
    count.conv(3, filters[0], 2)
    count.depthwise((3, 5, 7)[codes[0]])
    count.conv(1, filters[1])
    layers = iter(codes[1:])
    for block, number, first_stride in zip(range(2, 8), (4, 4, 4, 4, 4, 1), (2, 2, 2, 1, 2, 1)):
        for index in range(number):
            code = next(layers)
            if code < 6:
                kernel, ratio = (3, 5, 7)[code % 3], (3, 6)[code // 3]
                strides = 1 if index else first_stride
                count.bottleneck(kernel, ratio * count.filters, filters[block], strides)
    count.conv(1, filters[8])


def _listed(name, count, stem, blocks):
    count.conv(3, stem, 2)
    if name == "mobilenet_v3_large":
        count.depthwise(3)
        count.conv(1, 16)
    for filters, squeeze_and_excite, first_stride, layers in blocks:
        for index, (kernel, expanded) in enumerate(layers):
            strides = 1 if index else first_stride
            count.bottleneck(kernel, expanded, filters, strides, squeeze_and_excite)
    count.conv(1, 960)
    count.size = 1
    count.conv(1, 1280, norm=False)


def _mobiledet(count):
    count.conv(3, 32, 2)
    for (filters, layers), first_stride in zip(_MOBILEDET, _MOBILEDET_STRIDES):
        for index, layer in enumerate(layers):
            kind, *numbers = layer.split()
            first, second = map(int, numbers)
            strides = 1 if index else first_stride
            if kind == "i":
                count.bottleneck(second, first * count.filters, filters, strides)
            elif kind == "f":
                count.conv(second, first * count.filters, strides)
                count.conv(1, filters)
            else:
                count.conv(1, first)
                count.conv(3, second, strides)
                count.conv(1, filters)
    count.conv(1, 288)


def _count(name, image_size, num_classes) -> tuple[int, int]:
    count = _Count(image_size)
    if name in _CODED:
        _coded(count, *_CODED[name])
    elif name in _LISTED:
        _listed(name, count, *_LISTED[name])
    else:
        _mobiledet(count)
    count.size = 1
    count.conv(1, num_classes, norm=False)
    return count.madds, count.params


_NAMES = (*_CODED, *_LISTED, "mobiledet_edgetpu")


def _network(name, filters_multiplier=1.0):
    return search_space.resolve(search_space.get(name, filters_multiplier), ())


def test_all_networks_are_here():
    without_choices = {
        name for name in search_space.names() if not search_space.choices_of(search_space.get(name))
    }
    assert without_choices - set(detection_networks.__all__) == set(_NAMES)
    assert set(_NAMES) == set(published_networks.NAMES)


@pytest.mark.parametrize("image_size", [224, 160, 97])
@pytest.mark.parametrize("name", _NAMES)
def test_counts_agree_with_the_published_tables(name, image_size):
    for num_classes in (1001, 10):
        expected = _count(name, image_size, num_classes)
        assert arithmetic.count(_network(name), image_size, num_classes) == expected


@pytest.mark.parametrize(
    "name, params",
    [
        # Of other implementations, with 1000 classes.
        ("mobilenet_v2", 3_504_872),
        ("mnasnet_b1", 4_383_312),
        ("proxylessnas_mobile", 4_080_512),
        ("mobilenet_v3_large", 5_483_032),
    ],
)
def test_parameters_are_those_that_everybody_has(name, params):
    assert arithmetic.count(_network(name), 224, 1000).params == params


@pytest.mark.parametrize(
    "name, filters_multiplier, params, madds",
    [
        ("mobilenet_v2", 1.0, 3.5e6, 0.30e9),
        ("mnasnet_b1", 1.0, 4.4e6, 0.315e9),
        ("proxylessnas_mobile", 1.0, 4.1e6, 0.32e9),
        ("mobilenet_v3_large", 1.0, 5.5e6, 0.217e9),
        ("mobilenet_v2", 1.4, 6.1e6, 0.582e9),
    ],
)
def test_published_sizes(name, filters_multiplier, params, madds):
    count = arithmetic.count(_network(name, filters_multiplier), 224, 1001)
    assert count.params == pytest.approx(params, rel=0.015)
    assert count.madds == pytest.approx(madds, rel=0.01)


@pytest.mark.parametrize("image_size", [224, 65])
@pytest.mark.parametrize("name", _NAMES)
def test_endpoints(name, image_size):
    shapes = table.endpoint_shapes(_network(name), image_size)
    assert shapes == published_networks.endpoints(name, image_size)


def test_activations():
    def kinds(name):
        rows = table.layer_rows(_network(name))
        return [row.get("activation") or row.get("kind") for row in rows]

    for name in _NAMES:
        if name != "mobilenet_v3_large":
            assert set(kinds(name)) == {None, "relu"}, name
    found = [kind for kind in kinds("mobilenet_v3_large") if kind]
    # Stem, separable convolution, 2 + 3 bottlenecks with relu, 4 + 2 + 3 with swish6, head.
    assert found == ["swish6"] + ["relu"] * 6 + ["swish6"] * 9 + ["swish6"] * 2
