"""The published latency model: a linear function of a 0/1 feature vector.

Per layer the features are output filters (x) input filters (x) layer features, where
(x) is the Kronecker product of one-hot vectors; layer features are the product over a
layer's fields, and a choice concatenates the features of its options. Layers with a
single feature are left out. For one architecture all factors are one-hot, so each
layer contributes exactly one coefficient (or none), and the model is a sum of tables.
"""

import dataclasses
import importlib.resources
import json
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import tables
from tunas_tf.search_space import registry, slots, spec

__all__ = ["from_coefficients", "num_features", "pixel1"]

# The published figures were measured at this resolution.
_IMAGE_SIZE = 224


def _num_layer_features(node) -> int:
    if isinstance(node, spec.OneOf):
        return sum(_num_layer_features(option) for option in node.choices)
    product = 1
    if dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            product *= _num_layer_features(getattr(node, field.name))
    return product


def _layer_feature(node, indices: Iterator[int]) -> int:
    """Position of the one nonzero feature of a layer at `indices` (in traversal order)."""
    if isinstance(node, spec.OneOf):
        features = [_layer_feature(option, indices) for option in node.choices]
        selected = next(indices)
        return (
            sum(_num_layer_features(option) for option in node.choices[:selected])
            + (features[selected])
        )
    position = 0
    if dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            child = getattr(node, field.name)
            position = position * _num_layer_features(child) + _layer_feature(child, indices)
    return position


def _slot_shape(slot: slots.LayerSlot) -> tuple[int, int, int]:
    """(output, input, layer) features of a slot. The image, the first input, is one option."""
    return len(slot.outputs.options), len(slot.inputs.options), _num_layer_features(slot.layer)


def num_features(space: spec.SearchSpace) -> int:
    """Length of the feature vector: 144 for proxylessnas_search."""
    sizes = [math.prod(_slot_shape(slot)) for slot in slots.layer_slots(space)]
    return sum(size for size in sizes if size > 1)


def from_coefficients(
    name: str, unit: str, space: spec.SearchSpace, coefficients: ArrayLike, bias: float
) -> tables.CostModel:
    """Compiles published coefficients (float [num_features(space)]) into tables."""
    coefficients = np.asarray(coefficients, dtype=np.float64)
    expected = num_features(space)
    if coefficients.shape != (expected,):
        raise InputError(
            f"the cost model {name} has {coefficients.size} coefficients, but {space.name} has "
            f"{expected} features; use the coefficients of this search space."
        )
    if not (np.all(np.isfinite(coefficients)) and np.isfinite(bias)):
        raise InputError(f"the cost model {name} holds values that are not finite numbers.")

    pieces = {}  # Path of a layer: its coefficients [output, input, layer features].
    position = 0
    for slot in slots.layer_slots(space):
        shape = _slot_shape(slot)
        size = math.prod(shape)
        if size > 1:
            pieces[slot.path] = coefficients[position : position + size].reshape(shape)
            position += size
    # Walking a layer takes longer than all else here, and every filter count asks for it again.
    features: dict[tuple, int] = {}

    def entry_cost(slot, own, layer, input_option, output_option):
        if slot.path not in pieces:
            return 0.0
        key = slot.path, own
        if key not in features:
            features[key] = _layer_feature(slot.layer, iter(own))
        return pieces[slot.path][output_option, input_option, features[key]]

    compiled, bias = tables.compile_tables(space, slots.layer_slots(space), entry_cost, bias)
    return tables.CostModel(name, unit, space, compiled, bias, _IMAGE_SIZE)


def pixel1() -> tables.CostModel:
    """Milliseconds on one CPU core of a Pixel 1, batch 1, 224 x 224 (TuNAS, section 6.2).

    Of proxylessnas_search; the figures of the other spaces are imported from the release.
    """
    file = importlib.resources.files("tunas_tf.cost_model") / "pixel1_proxylessnas_search.json"
    figures = json.loads(file.read_text(encoding="utf-8"))
    space = registry.get(figures["ssd"])
    return from_coefficients(
        "pixel1", figures["unit"], space, figures["coefficients"], figures["bias"]
    )
