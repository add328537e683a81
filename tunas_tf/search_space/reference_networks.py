"""Published networks under their names: search spaces without choices."""

from collections.abc import Sequence
from typing import Any

from tunas_tf.search_space import mobiledet, proxylessnas, traversal
from tunas_tf.search_space.registry import register
from tunas_tf.search_space.spec import (
    Activation,
    Block,
    Bottleneck,
    Conv,
    Endpoint,
    GlobalPool,
    Residual,
    SearchSpace,
    SeparableConv,
)

__all__ = [
    "mnasnet_b1",
    "mobiledet_edgetpu",
    "mobilenet_multi_avg",
    "mobilenet_multi_max",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "proxylessnas_cpu",
    "proxylessnas_gpu",
    "proxylessnas_mobile",
]


def _on_proxylessnas_tower(
    name: str, filters: Sequence[int], operation_codes: Sequence[int]
) -> SearchSpace:
    tower = proxylessnas.with_fixed_filters(name, filters)
    network = traversal.prune(tower, proxylessnas.proxylessnas_indices(operation_codes))
    return SearchSpace(name, network.blocks)


@register
def mobilenet_v2() -> SearchSpace:
    """MobileNetV2 (Sandler et al., 2018), with ReLU in place of ReLU6."""
    return _on_proxylessnas_tower(
        "mobilenet_v2",
        (32, 16, 24, 32, 64, 96, 160, 320, 1280),
        (0, 3, 3, 6, 6, 3, 3, 3, 6, 3, 3, 3, 3, 3, 3, 3, 6, 3, 3, 3, 6, 3),
    )


@register
def mnasnet_b1() -> SearchSpace:
    """MnasNet-B1 (Tan et al., 2019)."""
    return _on_proxylessnas_tower(
        "mnasnet_b1",
        (32, 16, 24, 40, 80, 96, 192, 320, 1280),
        (0, 0, 0, 0, 6, 1, 1, 1, 6, 4, 4, 4, 6, 3, 3, 6, 6, 4, 4, 4, 4, 3),
    )


@register
def proxylessnas_mobile() -> SearchSpace:
    """ProxylessNAS-Mobile (Cai et al., 2019), a network of `proxylessnas_search`."""
    return _on_proxylessnas_tower(
        "proxylessnas_mobile",
        (32, 16, 32, 40, 80, 96, 192, 320, 1280),
        proxylessnas.PROXYLESSNAS_MOBILE,
    )


@register
def proxylessnas_cpu() -> SearchSpace:
    """ProxylessNAS-CPU (Cai et al., 2019)."""
    return _on_proxylessnas_tower(
        "proxylessnas_cpu",
        (40, 24, 32, 48, 88, 104, 216, 360, 1432),
        (0, 3, 0, 0, 0, 3, 0, 0, 1, 3, 6, 6, 0, 4, 0, 0, 0, 4, 1, 1, 0, 4),
    )


@register
def proxylessnas_gpu() -> SearchSpace:
    """ProxylessNAS-GPU (Cai et al., 2019)."""
    return _on_proxylessnas_tower(
        "proxylessnas_gpu",
        (40, 24, 32, 56, 112, 128, 256, 432, 1728),
        (0, 1, 6, 6, 6, 2, 6, 6, 0, 5, 6, 6, 1, 4, 6, 0, 1, 5, 5, 5, 4, 5),
    )


@register
def mobiledet_edgetpu() -> SearchSpace:
    """MobileDet-EdgeTPU (Xiong et al., 2021), a network of `mobiledet_edgetpu_search`."""
    space = mobiledet.mobiledet_edgetpu_search()
    network = traversal.prune(space, space.reference_indices)
    return SearchSpace("mobiledet_edgetpu", network.blocks)


def _mobilenet_v3_tower(stem: Block, blocks, activation: str) -> tuple[Block, ...]:
    """A stem, blocks of bottlenecks and the head of MobileNetV3.

    Args:
      stem: the first block.
      blocks: of each (filters, stride of the first layer, squeeze-and-excite, activation,
        is an endpoint, (kernel size, expanded filters) of every layer).
      activation: of the head.
    """
    tower = [stem]
    for filters, first_strides, squeeze_and_excite, block_activation, is_endpoint, sizes in blocks:
        layers: list[Any] = []
        for kernel_size, expanded in sizes:
            strides = 1 if layers else first_strides
            layer = Bottleneck(kernel_size, expanded, squeeze_and_excite, strides, block_activation)
            layers.append(Residual(layer) if layers else layer)
        tower.append(Block((*layers, *((Endpoint(),) if is_endpoint else ())), filters))
    tower.append(Block((Conv(1), Activation(activation), GlobalPool()), 960))
    tower.append(Block((Conv(1, batch_norm=False), Activation(activation)), 1280))
    return tuple(tower)


@register
def mobilenet_v3_large() -> SearchSpace:
    """MobileNetV3-Large (Howard et al., 2019)."""
    stem = (
        Conv(3, strides=2),
        Activation("swish6"),
        Residual(SeparableConv(3, activation="relu")),
        Endpoint(),
    )
    blocks = (
        (24, 2, False, "relu", True, ((3, 64), (3, 72))),
        (40, 2, True, "relu", True, ((5, 72), (5, 120), (5, 120))),
        (80, 2, False, "swish6", False, ((3, 240), (3, 200), (3, 184), (3, 184))),
        (112, 1, True, "swish6", True, ((3, 480), (3, 672))),
        (160, 2, True, "swish6", True, ((5, 672), (5, 960), (5, 960))),
    )
    return SearchSpace("mobilenet_v3_large", _mobilenet_v3_tower(Block(stem, 16), blocks, "swish6"))


def _multi_hardware(name: str, blocks) -> SearchSpace:
    """A network of Chu et al., 2021: (filters, stride, is an endpoint, layers) of each block."""
    stem = Block((Conv(3, strides=2), Activation("relu"), Endpoint()), 32)
    tower = _mobilenet_v3_tower(
        stem,
        [
            (filters, strides, False, "relu", is_endpoint, sizes)
            for filters, strides, is_endpoint, sizes in blocks
        ],
        "relu",
    )
    return SearchSpace(name, tower, filter_base=32)


@register
def mobilenet_multi_avg() -> SearchSpace:
    """MobileNet-Multi-Avg: the best on average over several devices (Chu et al., 2021)."""
    blocks = (
        (32, 2, True, ((3, 96), (3, 64))),
        (64, 2, True, ((5, 160), (3, 192), (3, 128), (3, 192))),
        (128, 2, False, ((5, 384), (3, 384), (3, 384), (3, 384))),
        (160, 1, True, ((3, 768), (3, 640))),
        (192, 2, True, ((3, 960), (5, 768), (5, 768), (5, 768))),
    )
    return _multi_hardware("mobilenet_multi_avg", blocks)


@register
def mobilenet_multi_max() -> SearchSpace:
    """MobileNet-Multi-Max: the best in the worst case over several devices (Chu et al., 2021)."""
    blocks = (
        (32, 2, True, ((3, 96),)),
        (64, 2, True, ((5, 192), (3, 128), (3, 128))),
        (128, 2, False, ((5, 384), (3, 512), (3, 384), (3, 384))),
        (128, 1, True, ((3, 768), (3, 384))),
        (160, 2, True, ((3, 768), (5, 640), (3, 800), (5, 640))),
    )
    return _multi_hardware("mobilenet_multi_max", blocks)
