"""Multiply-adds and parameters against figures counted by hand."""

import pytest

from tunas_tf import search_space
from tunas_tf.search_space import arithmetic, operations, spec

# Every layer: 16 input filters, 24 output filters, input side 15 (so stride 2 gives 8).
_CASES = {
    "conv": (
        spec.Conv(3, strides=2),
        9 * 16 * 24 * 64,
        9 * 16 * 24 + 48,
    ),
    "conv with bias": (
        spec.Conv(1, batch_norm=False),
        16 * 24 * 225,
        16 * 24 + 24,
    ),
    "separable": (
        spec.SeparableConv(5, strides=2),
        25 * 16 * 64 + 16 * 24 * 64,
        (25 * 16 + 32) + (16 * 24 + 48),
    ),
    "bottleneck": (
        spec.Bottleneck(3, 48),
        16 * 48 * 225 + 9 * 48 * 225 + 48 * 24 * 225,
        (16 * 48 + 96) + (9 * 48 + 96) + (48 * 24 + 48),
    ),
    "bottleneck of expansion 1, stride 2": (  # The expand convolution is there all the same.
        spec.Bottleneck(7, 16, strides=2),
        16 * 16 * 225 + 49 * 16 * 64 + 16 * 24 * 64,
        (16 * 16 + 32) + (49 * 16 + 32) + (16 * 24 + 48),
    ),
    "bottleneck with squeeze-and-excite": (  # 0.25 * 72 = 18 -> 24 filters in between.
        spec.Bottleneck(5, 72, squeeze_and_excite=True, strides=2),
        16 * 72 * 225 + 25 * 72 * 64 + 2 * 72 * 24 + 72 * 24 * 64,
        (16 * 72 + 144) + (25 * 72 + 144) + (72 * 24 + 24) + (24 * 72 + 72) + (72 * 24 + 48),
    ),
    "residual": (spec.Residual(spec.Conv(1)), 16 * 24 * 225, 16 * 24 + 48),
    "identity": (spec.Residual(spec.Zero()), 0, 0),
    "activation": (spec.Activation("relu"), 0, 0),
    "pool": (spec.GlobalPool(), 0, 0),
    "endpoint": (spec.Endpoint(), 0, 0),
}


@pytest.mark.parametrize("name", _CASES)
def test_layer_count(name):
    layer, madds, params = _CASES[name]
    assert arithmetic.layer_count(layer, 16, 24, 15) == (madds, params)


def test_layer_count_refuses_choices():
    choice = spec.OneOf((spec.Zero(),), spec.OPERATION)
    with pytest.raises(TypeError, match="OneOf"):
        arithmetic.layer_count(choice, 16, 24, 15)


def test_output_size():
    assert operations.output_size(spec.Conv(3, strides=2), 7) == 4
    assert operations.output_size(spec.Residual(spec.Bottleneck(3, 8)), 7) == 7
    assert operations.output_size(spec.GlobalPool(), 7) == 1
    choice = spec.OneOf((spec.SeparableConv(3, strides=2),), spec.OPERATION)
    assert operations.output_size(choice, 8) == 4


def test_classifier_count():
    assert arithmetic.classifier_count(1280, 1001) == (1280 * 1001, 1280 * 1001 + 1001)
    assert arithmetic.classifier_count(1280, 0) == (0, 0)


# ProxylessNAS-Mobile, its bottlenecks written out from the published operation codes:
# (kernel, input filters, expanded filters, output filters, input side, output side).
_BOTTLENECKS = [
    (5, 16, 48, 32, 112, 56), (3, 32, 96, 32, 56, 56),
    (7, 32, 96, 40, 56, 28), (3, 40, 120, 40, 28, 28), (5, 40, 120, 40, 28, 28),
    (5, 40, 120, 40, 28, 28),
    (7, 40, 240, 80, 28, 14), (5, 80, 240, 80, 14, 14), (5, 80, 240, 80, 14, 14),
    (5, 80, 240, 80, 14, 14),
    (5, 80, 480, 96, 14, 14), (5, 96, 288, 96, 14, 14), (5, 96, 288, 96, 14, 14),
    (5, 96, 288, 96, 14, 14),
    (7, 96, 576, 192, 14, 7), (7, 192, 1152, 192, 7, 7), (7, 192, 576, 192, 7, 7),
    (7, 192, 576, 192, 7, 7),
    (7, 192, 1152, 320, 7, 7),
]  # fmt: skip


def _proxylessnas_mobile():
    space = search_space.get("proxylessnas_search")
    return search_space.resolve(space, space.reference_indices)


def test_proxylessnas_mobile_agrees_with_a_count_by_hand():
    # Stem, separable convolution, last convolution, classifier.
    madds = 9 * 3 * 32 * 112**2 + (9 * 32 + 32 * 16) * 112**2 + 320 * 1280 * 49 + 1280 * 1001
    params = (9 * 3 * 32 + 64) + (9 * 32 + 64) + (32 * 16 + 32) + (320 * 1280 + 2560)
    params += 1280 * 1001 + 1001
    for kernel, inputs, expanded, outputs, size, output_size in _BOTTLENECKS:
        madds += inputs * expanded * size**2
        madds += (kernel**2 * expanded + expanded * outputs) * output_size**2
        params += inputs * expanded + kernel**2 * expanded + expanded * outputs
        params += 2 * (expanded + expanded + outputs)
    assert (madds, params) == (320_428_864, 4_081_793)
    assert arithmetic.count(_proxylessnas_mobile(), 224, 1001) == (madds, params)


def test_madds_depend_on_the_image_and_both_counts_on_the_classes():
    network = _proxylessnas_mobile()
    full = arithmetic.count(network, 224, 1001)
    headless = arithmetic.count(network, 224, 0)
    assert full.madds - headless.madds == 1280 * 1001
    assert full.params - headless.params == 1280 * 1001 + 1001
    # At half the side every feature map has a quarter of the pixels, but 7 -> 4.
    small = arithmetic.count(network, 112, 0)
    assert small.params == headless.params
    assert headless.madds / 4 < small.madds < headless.madds / 3
