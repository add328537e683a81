"""Cost as a sum of small tables, each indexed by the choices that it depends on.

    cost(architecture) = bias + sum over tables t of t[indices of t's choices]

Every cost model compiles to this form: published coefficients, multiply-adds,
parameters, and latencies measured on a device.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.slots import LayerSlot

__all__ = ["CostModel", "Table", "compile_tables"]


@dataclasses.dataclass(frozen=True)
class Table:
    """Costs of one layer.

    Attributes:
      positions: the choices that decide, as positions of `indices`.
      values: [options of the first choice, options of the second, ...] costs.
    """

    positions: tuple[int, ...]
    values: np.ndarray


@dataclasses.dataclass(frozen=True)
class CostModel:
    """The cost of every architecture of one search space.

    Attributes:
      name: "pixel1", "x86_litert", "madds", "params", or what its file calls it.
      unit: of the cost, e.g. "ms".
      space: the space that the tables belong to.
      tables: the costs that depend on choices.
      bias: the cost that does not.
      image_size: side of the images, in pixels, that the figures were taken at; None if they
        follow from the definition of the layers at any size.
    """

    name: str
    unit: str
    space: spec.SearchSpace
    tables: tuple[Table, ...]
    bias: float
    image_size: int | None = None

    def cost(self, indices: ArrayLike) -> np.ndarray:
        """Costs of architectures: [..., choices] integers -> [...] float64."""
        chosen = np.asarray(indices)
        total = np.full(chosen.shape[:-1], self.bias)
        for table in self.tables:
            total += table.values[tuple(chosen[..., p] for p in table.positions)]
        return total

    def expected_cost(self, probabilities: Sequence[np.ndarray]) -> float:
        """Mean cost when every choice is drawn independently.

        Args:
          probabilities: for each choice a vector over its options (longer vectors, padded
            by zeros, are allowed). A 0/1 mask gives the cost of one architecture, an
            averaging mask the cost of a warmup sample: the cost is multilinear in them.
        """
        total = self.bias
        for table in self.tables:
            value = table.values
            for position in table.positions:
                value = np.tensordot(probabilities[position][: value.shape[0]], value, axes=1)
            total += float(value)
        return float(total)

    def reference_cost(self) -> float | None:
        """Cost of the space's reference network, the default target; None if it has none."""
        if not self.space.reference_indices:
            return None
        return float(self.cost(self.space.reference_indices))


# Cost of one entry: (slot, own indices, layer without choices, input option, output option).
EntryCost = Callable[[LayerSlot, tuple, Any, int, int], float]


def compile_tables(
    space: spec.SearchSpace,
    slots: Iterable[LayerSlot],
    entry_cost: EntryCost,
    bias: float = 0.0,
) -> tuple[tuple[Table, ...], float]:
    """Evaluates `entry_cost` for every option of every layer.

    Args:
      space: the search space.
      slots: its layers, by `layer_slots` or `unit_slots`.
      entry_cost: the cost of a layer once its choices are made.
      bias: the cost of no layer.

    Returns:
      The tables that hold more than one value, and `bias` plus all the others.
    """
    tables = []
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    for slot in slots:
        filter_positions = dict.fromkeys(
            p for p in (slot.inputs.position, slot.outputs.position) if p is not None
        )
        positions = slot.positions + tuple(filter_positions)
        values = np.zeros([num_options[p] for p in positions])
        for own in itertools.product(*(range(num_options[p]) for p in slot.positions)):
            layer = traversal.prune(slot.layer, own)
            for filter_indices in np.ndindex(*values.shape[len(own) :]):
                chosen: dict[int | None, int] = dict(zip(filter_positions, filter_indices))
                values[own + filter_indices] = entry_cost(
                    slot,
                    own,
                    layer,
                    chosen.get(slot.inputs.position, 0),
                    chosen.get(slot.outputs.position, 0),
                )
        if np.all(values == values.flat[0]):
            bias += float(values.flat[0])
        else:
            tables.append(Table(positions, values))
    return tuple(tables), bias
