"""Choosing the network after a search, from the controller's probabilities.

`argmax` is the published rule: the most probable option of every choice, whatever that
costs. `feasible` takes the most probable network among those whose cost is within a
tolerance of the target: best-first search along the chain of layers, with bounds that
never underestimate, so the first complete network that it reaches is the best.
"""

import dataclasses
import heapq
import itertools
from collections.abc import Sequence

import numpy as np

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import stages as stages_lib
from tunas_tf.cost_model.cost_text import long_cost, long_number
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space import traversal

__all__ = ["Selection", "select_argmax", "select_feasible"]

# Bins per window and stage in the table of bounds: more bins, tighter bounds.
_BINS_PER_STAGE = 4
_MAX_BINS = 100_000  # Tiny windows in large ranges share bins.
_MAX_EXPANSIONS = 200_000


@dataclasses.dataclass(frozen=True)
class Selection:
    """A chosen network.

    Attributes:
      indices: the network.
      cost: under the cost model.
      log_prob: log-probability of `indices` under independent choices.
      proven: whether no network that satisfies the rule is more probable. Choices without effect,
        as those within a layer that is skipped, count with their most probable option.
    """

    indices: tuple[int, ...]
    cost: float
    log_prob: float
    proven: bool


def _log(probabilities: Sequence[np.ndarray]) -> list[np.ndarray]:
    # Probability 0 becomes very unlikely instead of -inf, so that sums stay ordered.
    return [np.log(np.maximum(np.asarray(p, np.float64), 1e-300)) for p in probabilities]


def _log_prob(probabilities: Sequence[np.ndarray], indices: Sequence[int]) -> float:
    return float(sum(row[index] for row, index in zip(_log(probabilities), indices)))


def select_argmax(cost_model: CostModel, probabilities: Sequence[np.ndarray]) -> Selection:
    """The most probable option of every choice, by itself (the published rule)."""
    choices = traversal.choices_of(cost_model.space)
    indices = tuple(
        int(np.argmax(p[: choice.num_options])) for p, choice in zip(probabilities, choices)
    )
    log_prob = _log_prob(probabilities, indices)
    return Selection(indices, float(cost_model.cost(indices)), log_prob, proven=True)


class _Bounds:
    """Upper bounds on the score of completing the chain at a given remaining cost.

    `table[stage][state][k]` is the best score of any completion whose costs, each rounded
    down to whole bins, add up to k bins. A completion of n stages with true cost r has
    k in (r / width - n, r / width], so looking at all of these never misses one.
    Costs are shifted to be non-negative, stage by stage; `offset` is the sum of the shifts.
    """

    def __init__(self, chain: list[stages_lib.Stage], lowest: float, highest: float):
        self.shifts = [
            min(t.costs.min() for group in stage.transitions.values() for t in group)
            for stage in chain
        ]
        self.lowest = lowest - sum(self.shifts)
        self.highest = highest - sum(self.shifts)
        self.width = (highest - lowest) / (_BINS_PER_STAGE * len(chain))
        self.width = max(self.width, self.highest / _MAX_BINS)
        num_bins = max(0, int(np.floor(self.highest / self.width))) + 1

        done = np.full(num_bins, -np.inf)
        done[0] = 0.0
        after: dict = {t.state: done for group in chain[-1].transitions.values() for t in group}
        self.table = [after]
        for stage, shift in zip(reversed(chain), reversed(self.shifts)):
            before = {}
            for state, transitions in stage.transitions.items():
                best = np.full(num_bins, -np.inf)
                for transition in transitions:
                    completion = after[transition.state]
                    for cost, score in zip(transition.costs - shift, transition.scores):
                        bins = int(np.floor(cost / self.width))
                        if bins < num_bins:
                            np.maximum(
                                best[bins:], score + completion[: num_bins - bins], out=best[bins:]
                            )
                before[state] = best
            after = before
            self.table.insert(0, after)

    def bound(self, stage: int, state: stages_lib.State, cost: float) -> float:
        """Best score of completing from `stage` on, `cost` (shifted) spent so far."""
        num_left = len(self.table) - 1 - stage
        first = int(np.floor((self.lowest - cost) / self.width)) - num_left
        # One bin more at both ends, for sums that rounding puts across an edge.
        last = int(np.floor((self.highest - cost) / self.width)) + 1
        window = self.table[stage][state][max(0, first - 1) : max(0, last + 1)]
        return float(window.max()) if window.size else -np.inf


def select_feasible(
    cost_model: CostModel,
    probabilities: Sequence[np.ndarray],
    target: float,
    tolerance: float = 0.01,
) -> Selection:
    """The most probable network with |cost / target - 1| <= tolerance.

    Args:
      cost_model: the cost of every network of its space.
      probabilities: for each choice, a vector over its options (zero padding allowed).
      target: the cost to hit, in the unit of the cost model.
      tolerance: relative distance that is allowed, above 0.

    Returns:
      The selection. `proven` is False if the search was cut short, which takes a
      distribution with very many equally probable networks; the network is feasible then
      too, but a more probable one may exist.

    Raises:
      InputError: no network of the space has such a cost.
    """
    if tolerance <= 0 or target <= 0:
        raise InputError(
            f"the cost target is {target:g} and the tolerance {tolerance:g}; both must be above 0."
        )
    low, high = target * (1 - tolerance), target * (1 + tolerance)
    chain = stages_lib.chain(cost_model, _log(probabilities))
    bounds = _Bounds(chain, low - cost_model.bias, high - cost_model.bias)

    serial = itertools.count()  # Breaks ties in the heap before it would compare decisions.
    start = stages_lib.INITIAL_STATE
    # (-bound on the total score, -stages done, serial, state, shifted cost, score, decisions)
    heap: list[tuple] = [(-bounds.bound(0, start, 0.0), 0, next(serial), start, 0.0, 0.0, None)]
    expansions = 0
    while heap:
        expansions += 1
        if expansions > _MAX_EXPANSIONS:
            # Drop all but the most advanced branches: no longer a proof, soon a network.
            heap = heapq.nsmallest(1000, heap, key=lambda node: (node[1], node[0]))
            heapq.heapify(heap)
        bound, negative_depth, _, state, cost, score, decisions = heapq.heappop(heap)
        if bound == np.inf:
            break
        depth = -negative_depth
        if depth == len(chain):
            indices = _to_indices(cost_model, probabilities, chain, decisions)
            total = float(cost_model.cost(indices))
            if low <= total <= high:
                return Selection(indices, total, score, proven=expansions <= _MAX_EXPANSIONS)
            continue
        for transition in chain[depth].transitions[state]:
            shifted = cost + transition.costs - bounds.shifts[depth]
            for number in range(len(transition.options)):
                after_score = score + transition.scores[number]
                completion = bounds.bound(depth + 1, transition.state, shifted[number])
                if completion > -np.inf:
                    heapq.heappush(
                        heap,
                        (
                            # Rounded, so that equally good branches tie and the deeper wins.
                            -round(after_score + completion, 9),
                            negative_depth - 1,
                            next(serial),
                            transition.state,
                            shifted[number],
                            after_score,
                            (decisions, transition.options[number]),
                        ),
                    )
    least, most = stages_lib.cost_range(cost_model)
    costs = "was found that costs" if expansions > _MAX_EXPANSIONS else "costs"
    unit = cost_model.unit
    raise InputError(
        f"no network of {cost_model.space.name} {costs} between "
        f"{long_number(low, unit)} and {long_cost(high, unit)}; the space spans "
        f"{long_number(least, unit)} to {long_cost(most, unit)}: choose a target in "
        "that range, or a larger tolerance."
    )


def _to_indices(cost_model, probabilities, chain, decisions) -> tuple[int, ...]:
    """Unwinds the linked list of decisions, last stage first."""
    indices = np.zeros(len(probabilities), dtype=np.int64)
    for stage in reversed(chain):
        decisions, option = decisions
        indices[list(stage.positions)] = option
    return tuple(int(index) for index in indices)
