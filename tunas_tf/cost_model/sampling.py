"""Random architectures whose cost lies in a window."""

import numpy as np

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model.stages import cost_range
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space import traversal

__all__ = ["sample_architectures"]

# Networks drawn at once: part of what a seed means, so independent of the number wanted.
_BATCH_SIZE = 4096
_MAX_BATCHES_WITHOUT_HIT = 500


def sample_architectures(
    cost_model: CostModel,
    num_samples: int,
    seed: int,
    min_cost: float = -np.inf,
    max_cost: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws architectures with min_cost <= cost <= max_cost, all of them equally likely.

    Every choice is drawn independently and uniformly; networks outside the window are
    rejected. A longer list from the same seed begins with the shorter one. Lists may hold
    a network twice.

    Args:
      cost_model: prices the architectures of its space.
      num_samples: architectures wanted.
      seed: of the random numbers.
      min_cost, max_cost: the window, ends included, in the unit of the cost model.

    Returns:
      Indices [num_samples, choices] and costs [num_samples].

    Raises:
      InputError: the window lies outside the space, or nothing is found in it.
    """
    if not min_cost <= max_cost:
        raise InputError(
            f"the cost window is {min_cost:g} to {max_cost:g}; the lower end must not be above "
            "the upper end."
        )
    least, most = (float(cost) for cost in cost_range(cost_model))
    # The sums behind the range and behind a single cost differ in the last digits.
    slack = 1e-9 * max(1.0, abs(most))
    if max_cost < least - slack or min_cost > most + slack:
        raise InputError(
            f"no network of {cost_model.space.name} costs {min_cost:g} to {max_cost:g} "
            f"{cost_model.unit}: the space spans {least:.6g} to {most:.6g} {cost_model.unit}; "
            "move the window into that range."
        )

    num_options = [choice.num_options for choice in traversal.choices_of(cost_model.space)]
    generator = np.random.default_rng(seed)
    indices, costs = [], []
    num_found = batches_without_hit = 0
    while num_found < num_samples:
        drawn = generator.integers(num_options, size=(_BATCH_SIZE, len(num_options)))
        drawn_costs = cost_model.cost(drawn)
        hit = (min_cost <= drawn_costs) & (drawn_costs <= max_cost)
        indices.append(drawn[hit])
        costs.append(drawn_costs[hit])
        num_found += len(indices[-1])
        batches_without_hit = 0 if hit.any() else batches_without_hit + 1
        if batches_without_hit == _MAX_BATCHES_WITHOUT_HIT:
            raise InputError(
                f"{_BATCH_SIZE * _MAX_BATCHES_WITHOUT_HIT:,} networks drawn in a row from "
                f"{cost_model.space.name} had no cost from {min_cost:g} to {max_cost:g} "
                f"{cost_model.unit} ({num_found} of {num_samples} found before): the window "
                "looks empty; widen it, or move it towards the middle of the space, which spans "
                f"{least:.6g} to {most:.6g} {cost_model.unit}."
            )
    return np.concatenate(indices)[:num_samples], np.concatenate(costs)[:num_samples]
