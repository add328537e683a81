"""Multiply-adds and parameters of detectors, and their cost in a search.

Counted as in `search_space.arithmetic`: convolutions, one image, trainable parameters. What
follows the raw outputs (decoding, non-maximum suppression) has neither.
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from object_detection.modeling import definitions, feature_maps
from object_detection.modeling.definitions import Definition, RetinaNet, SSDLite
from tunas_tf.cost_model import analytic, tables
from tunas_tf.search_space import arithmetic, operations, spec
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.search_space.arithmetic import Count

__all__ = ["cost_model", "count", "head_count"]


def _ssdlite_operations(
    definition: SSDLite, filters: Mapping[int, int], image_size: int, num_classes: int
) -> list:
    sides = definitions.sides(definition, image_size)
    convolution = functools.partial(operations.Convolution, 1, 1)
    found, filters = [], dict(filters)
    for level, output in zip(definition.levels[2:], definition.extra_filters):
        before, side = sides[level - 1], sides[level]
        found += [
            convolution(filters[level - 1], output // 2, before, before),
            operations.Depthwise(3, 2, output // 2, before, side),
            convolution(output // 2, output, side, side),
        ]
        filters[level] = output
    for level, side in sides.items():
        for values in (num_classes, 4):
            outputs = definition.anchors_per_location(level) * values
            found += [
                operations.Depthwise(3, 1, filters[level], side, side),
                convolution(filters[level], outputs, side, side, batch_norm=False),
            ]
    return found


def _retinanet_count(
    definition: RetinaNet, filters: Mapping[int, int], image_size: int, num_classes: int
) -> Count:
    sides = definitions.sides(definition, image_size)
    width = definition.num_filters

    def convolution(kernel_size: int, inputs: int, outputs: int, at: Sequence[int]) -> Count:
        """One convolution with bias, used on maps of several sides."""
        weights = kernel_size**2 * inputs * outputs
        if definition.separable:
            weights = kernel_size**2 * inputs + inputs * outputs
        return Count(weights * sum(side**2 for side in at), weights + outputs)

    def batch_norms(number: int) -> Count:
        return Count(0, number * 2 * width)

    every_side = list(sides.values())
    total = batch_norms(len(sides))
    for level, side in sides.items():
        if level in filters:
            total += convolution(1, filters[level], width, [side])
        total += convolution(3, width, width, [side])
    for values in (num_classes, 4):
        for _ in range(definition.num_convolutions):
            total += convolution(3, width, width, every_side) + batch_norms(len(sides))
        outputs = definition.anchors_per_location(definition.levels[0]) * values
        total += convolution(3, width, outputs, every_side)
    return total


def head_count(
    definition: Definition, filters: Mapping[int, int], image_size: int, num_classes: int
) -> Count:
    """Counts of all behind the backbone.

    Args:
      definition: the detector.
      filters: level -> channels of the feature maps that it is built on.
      image_size: side of the square images in pixels.
      num_classes: class 0, which is no object, included.
    """
    definitions.check_image_size(definition, image_size)
    if isinstance(definition, RetinaNet):
        return _retinanet_count(definition, filters, image_size, num_classes)
    return arithmetic.operations_count(
        _ssdlite_operations(definition, filters, image_size, num_classes)
    )


def count(
    definition: Definition, architecture: Architecture, image_size: int, num_classes: int
) -> Count:
    """Counts of the whole detector: backbone, up to the last feature map in use, and head.

    Arguments as for `head_count`.

    Raises:
      InputError: the network lacks an endpoint, or the size does not suit the detector.
    """
    levels = definition.input_levels
    if definition.expanded_features:
        backbone, maps = feature_maps.expanded_feature_maps(architecture, levels)
        filters = {level: feature_map.filters for level, feature_map in maps.items()}
    else:
        backbone = feature_maps.trim(architecture, levels)
        counts = feature_maps.feature_filters(architecture, levels)
        filters = {level: options.largest for level, options in counts.items()}
    head = head_count(definition, filters, image_size, num_classes)
    return arithmetic.count(backbone, image_size, num_classes=0) + head


def cost_model(
    quantity: str,
    definition: Definition,
    space: spec.SearchSpace,
    image_size: int,
    num_classes: int,
) -> tables.CostModel:
    """The cost of every detector whose backbone is in a search space.

    The counts of a head are a sum over the feature maps that it is built on, and each of
    them depends on the filters of one block, so the head adds a table per searched width.

    Args:
      quantity: "madds" or "params", also the name and unit of the cost model.
      space: the search space; the cost model is that of the trimmed one.
      definition, image_size, num_classes: as for `head_count`.
    """
    levels = definition.input_levels
    counts = feature_maps.feature_filters(space, levels)
    first = {level: options.options[0] for level, options in counts.items()}

    def head_cost(filters: Mapping[int, int]) -> int:
        return getattr(head_count(definition, filters, image_size, num_classes), quantity)

    backbone = analytic.analytic(
        quantity, feature_maps.trim(space, levels), image_size, num_classes=0
    )
    found, bias = list(backbone.tables), backbone.bias + head_cost(first)
    for level, options in counts.items():
        if options.position is not None:
            costs = [head_cost({**first, level: filters}) for filters in options.options]
            values = np.array(costs, np.float64) - head_cost(first)
            found.append(tables.Table((options.position,), values))
    return tables.CostModel(quantity, quantity, backbone.space, tuple(found), bias)
