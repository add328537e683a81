"""Walking a search space: its choices in the published order, counts, pruning.

Order: blocks, within a block its layers and then its filters, within a layer its
fields. A nested choice comes before the choice that contains it, and a choice with
one option takes a position too. An architecture is written as `indices`, one
integer per choice: "0:2:1".
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tunas_tf.common.errors import InputError, brief
from tunas_tf.search_space import spec

__all__ = [
    "Choice",
    "children",
    "choices_of",
    "format_indices",
    "join",
    "map_nodes",
    "num_architectures",
    "num_distinct",
    "parse_indices",
    "prune",
    "validate_indices",
]


@dataclasses.dataclass(frozen=True)
class Choice:
    """One position of `indices`.

    Attributes:
      path: where the choice stands in the tree, e.g. "blocks/2/layers/1/layer".
      one_of: the choice itself.
      parent: (position, option) of the nearest choice around it, None at the top.
        The choice only matters in architectures that select that option.
    """

    path: str
    one_of: spec.OneOf
    parent: tuple[int, int] | None

    @property
    def num_options(self) -> int:
        return len(self.one_of.choices)

    @property
    def tag(self) -> str:
        return self.one_of.tag


def children(node: Any) -> list[tuple[str, Any]]:
    """The (name, child) pairs of a node that is no `OneOf`, in traversal order."""
    if isinstance(node, spec.SearchSpace):
        return [("blocks", node.blocks)]
    if dataclasses.is_dataclass(node):
        return [(f.name, getattr(node, f.name)) for f in dataclasses.fields(node)]
    if isinstance(node, tuple):
        return [(str(i), item) for i, item in enumerate(node)]
    return []


def join(path: str, name: str) -> str:
    """The path of the child `name` of the node at `path`; the root is at ""."""
    return f"{path}/{name}" if path else name


def choices_of(node: Any) -> tuple[Choice, ...]:
    """Every choice of a space (or of any sub-tree) in traversal order."""
    found: list[Choice] = []

    def walk(node, path) -> list[int]:
        """Records the choices below `node`; returns the positions of the outermost ones."""
        if not isinstance(node, spec.OneOf):
            return [
                position
                for name, child in children(node)
                for position in walk(child, join(path, name))
            ]
        below = [walk(option, join(path, f"choices/{i}")) for i, option in enumerate(node.choices)]
        for option, positions in enumerate(below):
            for position in positions:
                found[position] = dataclasses.replace(found[position], parent=(len(found), option))
        found.append(Choice(path=path, one_of=node, parent=None))
        return [len(found) - 1]

    walk(node, "")
    return tuple(found)


def num_architectures(node: Any) -> int:
    """The product of all option counts: the published size of a space."""
    product = 1
    for choice in choices_of(node):
        product *= choice.num_options
    return product


def num_distinct(node: Any) -> int:
    """The number of architectures that differ in a choice that they select.

    Choices below an option that is not selected do not count, so a skipped layer is
    one possibility, whatever its kernel size and expansion would have been.
    """
    if isinstance(node, spec.OneOf):
        return sum(num_distinct(option) for option in node.choices)
    product = 1
    for _, child in children(node):
        product *= num_distinct(child)
    return product


def parse_indices(text: str) -> tuple[int, ...]:
    """Reads "0:2:1" (the empty string is the network of a space without choices)."""
    text = text.strip()
    if not text:
        return ()
    try:
        return tuple(int(part) for part in text.split(":"))
    except ValueError:
        raise InputError(
            f"indices {brief(text)} cannot be read; write one integer per choice, separated by "
            'colons, like "0:2:1".'
        ) from None


def format_indices(indices: Sequence[int]) -> str:
    return ":".join(str(int(index)) for index in indices)


def validate_indices(space: spec.SearchSpace, indices: Sequence[int]) -> tuple[int, ...]:
    """Returns `indices` as a tuple of integers; raises InputError if they do not fit `space`."""
    choices = choices_of(space)
    if len(indices) != len(choices):
        given = "1 index was" if len(indices) == 1 else f"{len(indices)} indices were"
        raise InputError(
            f"{given} given, but {space.name} has {len(choices) or 'no'} choices; "
            + ("give one index for each choice." if choices else "give none.")
        )
    for position, (index, choice) in enumerate(zip(indices, choices)):
        if not 0 <= index < choice.num_options:
            raise InputError(
                f"index {brief(index)} at position {position} ({choice.path}) is out of range; "
                f"{space.name} allows 0 to {choice.num_options - 1} there."
            )
    return tuple(int(index) for index in indices)


def map_nodes(node: Any, function: Callable[[Any], Any]) -> Any:
    """Rebuilds a tree bottom-up, with `function` applied to every rebuilt node but tuples."""
    if isinstance(node, tuple):
        return tuple(map_nodes(item, function) for item in node)
    if isinstance(node, spec.SearchSpace):
        return dataclasses.replace(node, blocks=map_nodes(node.blocks, function))
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        changes = {
            f.name: map_nodes(getattr(node, f.name), function) for f in dataclasses.fields(node)
        }
        return function(dataclasses.replace(node, **changes))
    return function(node)


def prune(node: Any, indices: Sequence[int]) -> Any:
    """The sub-tree that `indices` select: `node` without any `OneOf`.

    Args:
      node: a space or any sub-tree of one.
      indices: one index for each choice of `node`, in traversal order.
    """
    remaining = iter(indices)

    def select(node):
        return node.choices[next(remaining)] if isinstance(node, spec.OneOf) else node

    return map_nodes(node, select)
