"""A single network: what a search space becomes once every choice is made.

An `Architecture` holds the same blocks and layers as its space, with every `OneOf`
decided and every expansion turned into a filter count. It carries all that is needed
to build the network, so it outlives the space that it came from.
"""

import dataclasses
import json
from typing import Any, Iterator, Sequence

from tunas_tf.common.errors import InputError
from tunas_tf.search_space import spec, traversal

__all__ = ["Architecture", "PlacedLayer", "from_json", "load", "resolve", "to_json"]

_NODE_TYPES = {
    node_type.__name__: node_type
    for node_type in (
        spec.Activation,
        spec.Block,
        spec.Bottleneck,
        spec.Conv,
        spec.Endpoint,
        spec.Expansion,
        spec.FusedBottleneck,
        spec.GlobalPool,
        spec.OneOf,
        spec.Residual,
        spec.SearchSpace,
        spec.SeparableConv,
        spec.TuckerBottleneck,
        spec.Zero,
    )
}


@dataclasses.dataclass(frozen=True)
class PlacedLayer:
    """A layer together with what its place in the tower says about it.

    Attributes:
      block: index of the block.
      index: index of the layer within the block.
      layer: the layer, as in `spec`.
      input_filters, filters: channels before and after it.
    """

    block: int
    index: int
    layer: Any
    input_filters: int
    filters: int

    @property
    def name(self) -> str:
        """What the layer is called in a stand-alone network, e.g. "block2_layer1"."""
        return f"block{self.block}_layer{self.index}"


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network without choices.

    Attributes:
      ssd: name of the space that it is a point of.
      indices: its position there.
      blocks: the resolved tower: block filters and expansions are integers.
    """

    ssd: str
    indices: tuple
    blocks: tuple

    def layers(self, image_channels: int = 3) -> Iterator[PlacedLayer]:
        """The layers in order; `image_channels` is the input of the first."""
        input_filters = image_channels
        for block_index, block in enumerate(self.blocks):
            for layer_index, layer in enumerate(block.layers):
                yield PlacedLayer(block_index, layer_index, layer, input_filters, block.filters)
                input_filters = block.filters

    @property
    def output_filters(self) -> int:
        """Channels that the classifier sees."""
        return self.blocks[-1].filters


def resolve(space: spec.SearchSpace, indices: Sequence[int]) -> Architecture:
    """The architecture at `indices` of `space`; raises InputError if they do not fit."""
    indices = traversal.validate_indices(space, indices)
    pruned = traversal.prune(space, indices)
    blocks = []
    input_filters = 3  # No expansion ratio refers to the image: a stem is a plain convolution.
    for block in pruned.blocks:
        layers = []
        for layer in block.layers:
            layers.append(
                resolve_layer(layer, input_filters, block.filters, space.filter_base)
            )
            input_filters = block.filters
        blocks.append(spec.Block(tuple(layers), block.filters))
    return Architecture(space.name, indices, tuple(blocks))


def resolve_layer(layer, input_filters: int, filters: int, base: int):
    """`layer` (without choices) with its expansion as a number of filters."""

    def to_filters(node):
        if isinstance(node, spec.Expansion):
            return node.filters(input_filters, filters, base)
        return node

    return traversal.map_nodes(layer, to_filters)


def to_json(node) -> Any:
    """A tree (space, architecture or part) as JSON values; `from_json` reads it back."""
    if isinstance(node, Architecture):
        return {
            "ssd": node.ssd,
            "indices": traversal.format_indices(node.indices),
            "blocks": to_json(node.blocks),
        }
    if dataclasses.is_dataclass(node):
        fields = {f.name: to_json(getattr(node, f.name)) for f in dataclasses.fields(node)}
        return {"type": type(node).__name__, **fields}
    if isinstance(node, tuple):
        return [to_json(item) for item in node]
    return node


def from_json(value) -> Any:
    """Reads what `to_json` wrote. Raises KeyError or TypeError for anything else."""
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        indices = traversal.parse_indices(value["indices"])
        return Architecture(value["ssd"], indices, from_json(value["blocks"]))
    fields = {name: from_json(item) for name, item in value.items() if name != "type"}
    return _NODE_TYPES[value["type"]](**fields)


def _check_is_network(value) -> None:
    """Raises TypeError for what `from_json` may also return, but is no single network."""
    if not isinstance(value, Architecture):
        raise TypeError(f"it holds a {type(value).__name__}")
    blocks = value.blocks
    if not isinstance(value.ssd, str) or not blocks or not isinstance(blocks, tuple):
        raise TypeError("ssd and blocks are missing")
    for block in blocks:
        if not isinstance(block, spec.Block) or not isinstance(block.filters, int):
            raise TypeError("every block needs layers and a number of filters")
    if traversal.choices_of(blocks):
        raise TypeError("it still has choices")


def load(path: str) -> Architecture:
    """Reads the architecture of an architecture.json, without looking at its space."""
    try:
        with open(path, encoding="utf-8") as file:
            architecture = from_json(json.load(file))
        _check_is_network(architecture)
        return architecture
    except OSError as error:
        raise InputError(
            f"the architecture file {path} cannot be read ({error.strerror}); give the "
            "architecture.json that analyze_search wrote."
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not an architecture file ({type(error).__name__}: {error}); give the "
            "architecture.json that analyze_search wrote."
        ) from None
