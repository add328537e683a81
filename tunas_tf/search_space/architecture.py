"""A single network: what a search space becomes once every choice is made.

An `Architecture` holds the same blocks and layers as its space, with every `OneOf`
decided and every expansion turned into a filter count. It carries all that is needed
to build the network, so it outlives the space that it came from.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from tunas_tf.common import checks
from tunas_tf.common.errors import InputError, one_line
from tunas_tf.common.json_files import VERSIONS, check_version, parse_json, read_bytes
from tunas_tf.search_space import spec, traversal, validation

__all__ = [
    "Architecture",
    "PlacedLayer",
    "file_json",
    "from_json",
    "load",
    "network_from_json",
    "resolve",
    "space_from_json",
    "to_json",
]

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

    def layers(self) -> Iterator[PlacedLayer]:
        """The layers in order; the input of the first is an image of three channels."""
        input_filters = 3
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
            layers.append(resolve_layer(layer, input_filters, block.filters, space.filter_base))
            input_filters = block.filters
        blocks.append(spec.Block(tuple(layers), block.filters))
    return Architecture(space.name, indices, tuple(blocks))


def resolve_layer(layer: Any, input_filters: int, filters: int, base: int) -> Any:
    """`layer` (without choices) with its expansion as a number of filters."""

    def to_filters(node):
        if isinstance(node, spec.Expansion):
            return node.filters(input_filters, filters, base)
        return node

    return traversal.map_nodes(layer, to_filters)


def to_json(node: Any) -> Any:
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


def file_json(architecture: Architecture) -> dict[str, Any]:
    """The content of an architecture.json, which `load` reads."""
    return {"version": VERSIONS["architecture"], **to_json(architecture)}


def from_json(value: Any) -> Any:
    """Reads what `to_json` wrote: a tree of the right form, whatever its values are.

    Raises AttributeError, KeyError, TypeError or ValueError for anything else. What comes from
    outside is read by `network_from_json` or `space_from_json`.
    """
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        indices = traversal.parse_indices(value["indices"])
        return Architecture(value["ssd"], indices, from_json(value["blocks"]))
    fields = {name: from_json(item) for name, item in value.items() if name != "type"}
    return _NODE_TYPES[value["type"]](**fields)


def _tree(value) -> Any:
    """What `from_json` returns, with one exception for all that may be wrong."""
    try:
        return from_json(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(one_line(f"{type(error).__name__}: {error}".rstrip("."))) from None


def _require_sound(space: spec.SearchSpace) -> None:
    try:
        validation.check(space)
    except InputError as error:
        raise ValueError(str(error).rstrip(".")) from None


def space_from_json(value: Any) -> spec.SearchSpace:
    """The search space that `to_json` wrote, all of whose networks can be built.

    Raises:
      ValueError: it is none; the message is a clause, without a full stop.
    """
    space = _tree(value)
    if not isinstance(space, spec.SearchSpace):
        raise ValueError(f"it is a {type(space).__name__}")
    _require_sound(space)
    return space


def network_from_json(value: Any) -> Architecture:
    """The network that `to_json` wrote; other entries beside it do not matter.

    Raises:
      ValueError: it is none that can be built; the message is a clause, without a full stop.
    """
    network = _tree(value)
    if not isinstance(network, Architecture):
        raise ValueError(f"it holds a {type(network).__name__}")
    checks.text(network.ssd, "ssd")
    # A network is a space without choices.
    _require_sound(spec.SearchSpace(network.ssd, network.blocks))
    if traversal.choices_of(network.blocks):
        raise ValueError("it still has choices")
    if any(isinstance(node, spec.Expansion) for node in _nodes(network.blocks)):
        raise ValueError("it has an Expansion where a number of filters belongs")
    return network


def _nodes(node) -> Iterator[Any]:
    """All parts of a tree."""
    yield node
    for _, child in traversal.children(node):
        yield from _nodes(child)


def load(path: str) -> Architecture:
    """Reads the architecture of an architecture.json, without looking at its space."""
    remedy = "give the architecture.json that analyze_search wrote"
    try:
        value = parse_json(read_bytes(path))
        check_version(path, value, "architecture")
        return network_from_json(value)
    except OSError as error:
        raise InputError(
            f"the architecture file {path} cannot be read ({error.strerror}); {remedy}."
        ) from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is not an architecture file ({error}); {remedy}.") from None
