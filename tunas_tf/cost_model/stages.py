"""A search space as a chain of small decisions, with the cost and the score of each.

Along the tower, later layers depend on earlier ones only through the filters of the
last blocks. So a space is a chain of stages: "choose the filters of this block", then
one stage per layer. Anything that is a sum over layers (cost, log-probability) can be
optimised along the chain instead of over the product of all choices.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model.tables import CostModel, Table
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.slots import layer_slots

__all__ = [
    "INITIAL_STATE",
    "Stage",
    "State",
    "Transition",
    "chain",
    "check_tables",
    "cost_range",
]

# What later stages need to know: the options of the filters of (the block before, this block).
State = tuple[int, int]
INITIAL_STATE: State = (0, 0)


@dataclasses.dataclass(frozen=True)
class Transition:
    """Decisions of one stage that lead to the same state.

    Attributes:
      state: the state after them.
      options: [n, positions of the stage] what is chosen. Choices that an option leaves
        without effect stand at their highest-scoring value.
      costs: [n] costs that the decisions settle.
      scores: [n] sums of the scores of all their choices, those without effect included.
    """

    state: State
    options: np.ndarray
    costs: np.ndarray
    scores: np.ndarray


@dataclasses.dataclass(frozen=True)
class Stage:
    """One decision of the chain: which choices it makes, and from each state where it leads."""

    positions: tuple[int, ...]
    transitions: dict[State, tuple[Transition, ...]]


class _Plan(NamedTuple):
    """What a stage is about.

    Attributes:
      positions: the choices that it makes.
      inputs, outputs: the choices of the filters before and after; None where they are fixed.
      is_filters: whether it chooses the filters of a block, rather than a layer.
    """

    positions: tuple[int, ...]
    inputs: int | None
    outputs: int | None
    is_filters: bool


def _plan(space: spec.SearchSpace) -> list[_Plan]:
    plan = []
    block = -1
    for slot in layer_slots(space):
        inputs, outputs = slot.inputs.position, slot.outputs.position
        if slot.block != block:
            block = slot.block
            # Fixed filters make a stage too: it forgets those of the block before the last.
            plan.append(_Plan((outputs,) if outputs is not None else (), inputs, outputs, True))
        if slot.positions:
            plan.append(_Plan(slot.positions, inputs, outputs, False))
    return plan


def _tables_by_stage(cost_model: CostModel, plan: Sequence[_Plan]) -> list[list[Table]]:
    """A table belongs to the stage that makes the last of its choices."""
    stage_of = {p: i for i, stage in enumerate(plan) for p in stage.positions}
    tables_of: list[list[Table]] = [[] for _ in plan]
    for table in cost_model.tables:
        index = max(stage_of[p] for p in table.positions)
        stage = plan[index]
        if not set(table.positions) <= {*stage.positions, stage.inputs, stage.outputs}:
            raise InputError(
                f"a table of the cost model {cost_model.name} depends on the choices "
                f"{table.positions}, which belong to layers that are not neighbours; "
                "cost models must be sums over layers."
            )
        tables_of[index].append(table)
    return tables_of


def check_tables(cost_model: CostModel) -> None:
    """Raises InputError unless the cost is a sum over layers, and one for each network.

    Every table must depend on one layer and the filters around it only, and not on choices
    below an option that is not selected, such as the kernel size of a skipped layer.
    """
    _tables_by_stage(cost_model, _plan(cost_model.space))
    choices = traversal.choices_of(cost_model.space)
    for table in cost_model.tables:
        for axis, position in enumerate(table.positions):
            parent = choices[position].parent
            while parent is not None:
                above, option = parent
                without_effect = table.values
                if above in table.positions:
                    without_effect = np.delete(
                        table.values, option, axis=table.positions.index(above)
                    )
                if np.any(without_effect != without_effect.take([0], axis=axis)):
                    raise InputError(
                        f"a table of the cost model {cost_model.name} depends on choice "
                        f"{position} where choice {above} leaves it without effect; one network "
                        "must have one cost."
                    )
                parent = choices[above].parent


def _effective_options(choices, positions, scores) -> tuple[np.ndarray, np.ndarray]:
    """All decisions of one layer that differ in effect: [n, positions] and their scores [n]."""
    rows, totals = [], []
    best = {p: int(np.argmax(scores[p][: choices[p].num_options])) for p in positions}
    for row in itertools.product(*(range(choices[p].num_options) for p in positions)):
        chosen = dict(zip(positions, row))
        selected: dict[int, bool] = {}
        for position in reversed(positions):  # A choice stands behind those nested in it.
            parent = choices[position].parent
            selected[position] = parent is None or (
                selected[parent[0]] and chosen[parent[0]] == parent[1]
            )
        if all(selected[p] or chosen[p] == best[p] for p in positions):
            rows.append(row)
            totals.append(sum(scores[p][chosen[p]] for p in positions))
    return np.array(rows, dtype=np.int64), np.array(totals, dtype=np.float64)


def _option_costs(tables: Sequence[Table], positions, options, filters: dict) -> np.ndarray:
    """[n] cost of each decision, given the filters {position: option} around the layer."""
    costs = np.zeros(len(options))
    for table in tables:
        entry = tuple(
            options[:, positions.index(p)] if p in positions else filters[p]
            for p in table.positions
        )
        costs = costs + table.values[entry]
    return costs


def chain(cost_model: CostModel, scores: Sequence[np.ndarray] | None = None) -> list[Stage]:
    """The stages of the cost model's space.

    Args:
      cost_model: its tables must each depend on one layer and the filters around it.
      scores: for each choice the scores of its options, e.g. log-probabilities; default 0.
    """
    choices = traversal.choices_of(cost_model.space)
    if scores is None:
        scores = [np.zeros(choice.num_options) for choice in choices]

    plan = _plan(cost_model.space)
    tables_of = _tables_by_stage(cost_model, plan)
    stages = []
    states = {INITIAL_STATE}
    for (positions, inputs, outputs, is_filters), tables in zip(plan, tables_of):
        if is_filters:
            num_options = choices[positions[0]].num_options if positions else 1
            options = np.arange(num_options)[:, None][:, : len(positions)]
            option_scores = np.asarray(scores[positions[0]] if positions else [0.0], np.float64)
        else:
            options, option_scores = _effective_options(choices, positions, scores)
        transitions = {}
        for state in states:
            if is_filters:
                costs = _option_costs(tables, positions, options, {inputs: state[1]})
                transitions[state] = tuple(
                    Transition((state[1], n), options[n : n + 1], costs[[n]], option_scores[[n]])
                    for n in range(num_options)
                )
            else:
                # Within a block both are the block's, which stand last.
                filters = {inputs: state[0], outputs: state[1]}
                costs = _option_costs(tables, positions, options, filters)
                # Only a block's first layer sees the filters of the block before.
                after = (0, state[1])
                transitions[state] = (Transition(after, options, costs, option_scores),)
        stages.append(Stage(positions, transitions))
        states = {t.state for group in transitions.values() for t in group}
    return stages


def cost_range(cost_model: CostModel) -> tuple[float, float]:
    """The exact lowest and highest cost in the cost model's space."""
    lowest, highest = {INITIAL_STATE: 0.0}, {INITIAL_STATE: 0.0}
    for stage in chain(cost_model):
        next_lowest: dict[State, float] = {}
        next_highest: dict[State, float] = {}
        for state, transitions in stage.transitions.items():
            for transition in transitions:
                low = lowest[state] + transition.costs.min()
                high = highest[state] + transition.costs.max()
                after = transition.state
                next_lowest[after] = min(low, next_lowest.get(after, low))
                next_highest[after] = max(high, next_highest.get(after, high))
        lowest, highest = next_lowest, next_highest
    return cost_model.bias + min(lowest.values()), cost_model.bias + max(highest.values())
