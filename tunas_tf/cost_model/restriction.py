"""The figures of a space, for a space that has fewer options."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tunas_tf.cost_model.tables import CostModel, Table
from tunas_tf.search_space import spec, traversal

__all__ = ["restricted"]


def restricted(model: CostModel, space: spec.SearchSpace) -> CostModel | None:
    """`model` for a space that only leaves out options of the model's own; None for any other.

    So figures that were taken with searched filters price a space with fixed ones too.
    """
    theirs, ours = traversal.choices_of(model.space), traversal.choices_of(space)
    if len(theirs) != len(ours) or model.space.filter_base != space.filter_base:
        return None
    kept: list[Sequence[int]] = []
    for their, our in zip(theirs, ours):
        options = their.one_of.choices
        if our.num_options == their.num_options:
            kept.append(range(len(options)))
        elif all(option in options for option in our.one_of.choices):
            kept.append(list(map(options.index, our.one_of.choices)))
        else:
            return None
    remaining = iter(kept)

    def select(node):
        if not isinstance(node, spec.OneOf):
            return node
        return spec.OneOf(tuple(node.choices[i] for i in next(remaining)), node.tag)

    if traversal.map_nodes(model.space, select).blocks != space.blocks:
        return None
    tables = tuple(
        Table(table.positions, table.values[np.ix_(*(kept[p] for p in table.positions))])
        for table in model.tables
    )
    return dataclasses.replace(model, space=space, tables=tables)
