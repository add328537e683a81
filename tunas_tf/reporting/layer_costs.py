"""Where the cost of a network goes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tunas_tf.cost_model import CostModel, Table
from tunas_tf.search_space import slots, spec, traversal

__all__ = ["LayerCosts", "layer_costs"]


class LayerCosts(NamedTuple):
    """The cost of a network, split up.

    Attributes:
      by_row: [rows] of each layer; their sum and `rest` make the cost of the network.
      rest: what all networks share, under cost models that do not tell layers apart there.
      total: of the network.
      unit: of all of them.
    """

    by_row: list[float]
    rest: float
    total: float
    unit: str


def _baseline(table: Table, own: Sequence[int], choices, indices: Sequence[int]) -> float:
    """What of a table's values is no cost of the layer that has the choices `own`."""
    entry: list = [indices[position] for position in table.positions]
    for axis, position in enumerate(table.positions):
        options = choices[position].one_of.choices
        if position in own and spec.Zero() in options:
            entry[axis] = options.index(spec.Zero())
            return float(table.values[tuple(entry)])
    for axis, position in enumerate(table.positions):
        if position in own:
            entry[axis] = slice(None)
    return min(0.0, float(table.values[tuple(entry)].min()))


def layer_costs(
    cost_model: CostModel, indices: Sequence[int], rows: Sequence[dict[str, Any]]
) -> LayerCosts:
    """Splits the cost of a network among its layers.

    Counts (madds, params) are those of each layer. Other cost models know differences between
    networks only: a layer that may be skipped costs what skipping it would save, another one
    what its cheapest option would save where the model has centred its figures around 0.

    Args:
      cost_model: of the search.
      indices: the network.
      rows: its layers, by `search_space.table.layer_rows`, for the same images.
    """
    total = float(cost_model.cost(indices))
    if cost_model.name in ("madds", "params"):
        counts = [float(row[cost_model.name]) for row in rows]
        return LayerCosts(counts, max(0.0, total - sum(counts)), total, cost_model.unit)

    row_of = {
        f"blocks/{row['block']}/layers/{row['layer']}": number for number, row in enumerate(rows)
    }
    choices = traversal.choices_of(cost_model.space)
    layers = [slot for slot in slots.layer_slots(cost_model.space) if slot.positions]
    costs = [0.0] * len(rows)
    for table in cost_model.tables:
        # By its own choices a table belongs to a layer; with filters alone it may be any.
        owner = next((s for s in layers if set(s.positions) & set(table.positions)), None)
        if owner is not None:
            value = float(table.values[tuple(indices[p] for p in table.positions)])
            value -= _baseline(table, owner.positions, choices, indices)
            costs[row_of[owner.path]] += value
    return LayerCosts(costs, total - sum(costs), total, cost_model.unit)
