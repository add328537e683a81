"""Networks that were published as backbones of detectors only."""

import dataclasses

from tunas_tf.search_space import reference_networks, spec, traversal
from tunas_tf.search_space.registry import register

__all__ = ["mobilenet_v3_large_detection"]


@register
def mobilenet_v3_large_detection() -> spec.SearchSpace:
    """MobileNetV3-Large with half the channels behind C4 (Howard et al., 2019, section 6.3).

    Its last blocks were made for 1,000 classes; detectors lose nothing with half of them.
    """
    space = reference_networks.mobilenet_v3_large()
    *blocks, last_bottlenecks, convolution, hidden = space.blocks

    def halve(node):
        # The first bottleneck expands C4 itself, which stays as it is.
        if isinstance(node, spec.Bottleneck) and node.strides == 1:
            return dataclasses.replace(node, expansion=node.expansion // 2)
        if isinstance(node, spec.Block):
            return dataclasses.replace(node, filters=node.filters // 2)
        return node

    halved = traversal.map_nodes((last_bottlenecks, convolution), halve)
    return spec.SearchSpace("mobilenet_v3_large_detection", (*blocks, *halved, hidden))
