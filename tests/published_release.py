"""The published cost model, written independently: its formula, and a file like the release's."""

import base64
import dataclasses
import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from tunas_tf.search_space import spec, traversal


def _layer_features(node, masks: Iterator[np.ndarray]) -> np.ndarray:
    """Features of a layer; `masks` yields the masks of its choices in traversal order."""
    if isinstance(node, spec.OneOf):
        options = [_layer_features(option, masks) for option in node.choices]
        return np.concatenate([weight * f for weight, f in zip(next(masks), options)])
    features = np.ones(1)
    if dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            features = np.kron(features, _layer_features(getattr(node, field.name), masks))
    return features


def features(space: spec.SearchSpace, masks: Sequence[np.ndarray]) -> np.ndarray:
    """The published 0/1 vector, densely by numpy.kron, for one mask per choice."""
    remaining = iter(masks)
    pieces = []
    input_mask = np.ones(1)  # The first layer of all has no input factor.
    for block in space.blocks:
        layers = [_layer_features(layer, remaining) for layer in block.layers]
        has_choice = isinstance(block.filters, spec.OneOf)
        output_mask = np.asarray(next(remaining)) if has_choice else np.ones(1)
        for layer in layers:
            pieces.append(np.kron(np.kron(output_mask, input_mask), layer))
            input_mask = output_mask
    return np.concatenate([piece for piece in pieces if len(piece) > 1])


def one_hot(space: spec.SearchSpace, indices: Sequence[int]) -> list[np.ndarray]:
    """The masks of one architecture."""
    return [
        np.eye(choice.num_options)[index]
        for choice, index in zip(traversal.choices_of(space), indices)
    ]


def encode(numbers) -> bytes:
    """Base64 of big-endian float32."""
    return base64.b64encode(np.asarray(numbers, dtype=">f4").tobytes())


def source(figures: dict[str, tuple[bytes, bytes]]) -> str:
    """A Python file in the form of the release's.

    Args:
      figures: base64 of the coefficients and of the bias by name of the search space.
    """
    lines = ['"""Serialized cost models."""', "from __future__ import division", ""]
    dictionaries: dict[str, list[str]] = {"KERNEL_DATA": [], "BIAS_DATA": []}
    for number, (ssd, texts) in enumerate(figures.items()):
        for (dictionary, entries), text in zip(dictionaries.items(), texts):
            name = f"_{dictionary}_{number}"
            pieces = textwrap.wrap(text.decode("ascii"), 80) or [""]
            lines += [f"{name} = (", *(f"    b'{piece}'" for piece in pieces), ")"]
            entries.append(f"    '{ssd}': {name},  # In milliseconds.")
    for dictionary, entries in dictionaries.items():
        lines += [f"{dictionary} = {{", *entries, "}"]
    return "\n".join([*lines, "SERIALIZATION_DTYPE = '>f4'", ""])
