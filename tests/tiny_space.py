"""A search space of 25 networks that train in seconds. Whoever imports it registers it."""

from tunas_tf.search_space import register, spec
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf

__all__ = ["tiny_search"]


@register
def tiny_search() -> spec.SearchSpace:
    bottleneck = spec.Bottleneck(
        OneOf((3, 5), OPERATION), OneOf((spec.Expansion(1), spec.Expansion(2)), FILTERS)
    )
    layer = spec.Residual(OneOf((bottleneck, spec.Zero()), OPERATION))
    blocks = (
        spec.Block((spec.Conv(3, 2), spec.Activation("relu")), 8),
        spec.Block((layer, layer, spec.GlobalPool()), 8),
    )
    return spec.SearchSpace("tiny_search", blocks, reference_indices=(0,) * 6)
