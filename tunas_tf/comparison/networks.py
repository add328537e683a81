"""The rivals of a search: random networks of the same cost, and scaled reference networks."""

from collections.abc import Callable
from typing import NamedTuple

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import cost_text
from tunas_tf.cost_model.sampling import sample_architectures
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space.architecture import Architecture

__all__ = ["Network", "random_networks", "scaled_reference"]

# Of the filters multiplier, in which the right one is looked for.
_LOWEST, _HIGHEST = 1 / 64, 64.0
_NUM_HALVINGS = 50
# Draws for one more network that is not there yet, before there seems to be none.
_MAX_DRAWS_PER_NETWORK = 20


class Network(NamedTuple):
    """A network to be trained.

    Attributes:
      architecture: what it consists of.
      cost: under the cost model of the comparison.
      filters_multiplier: of the space that it is a point of.
    """

    architecture: Architecture
    cost: float
    filters_multiplier: float


def random_networks(
    cost_model: CostModel,
    number: int,
    seed: int,
    min_cost: float,
    max_cost: float,
    filters_multiplier: float = 1.0,
) -> list[Network]:
    """Different networks with min_cost <= cost <= max_cost, by uniform sampling with rejection.

    A longer list from the same seed begins with the shorter one.

    Args:
      cost_model: prices the networks of its space.
      number: of networks.
      seed: of the random numbers.
      min_cost, max_cost: the window, ends included.
      filters_multiplier: of the space, to be noted.

    Raises:
      InputError: there are not so many networks in the window.
    """
    num_draws = number
    while number:
        sampled, costs = sample_architectures(cost_model, num_draws, seed, min_cost, max_cost)
        found: dict[tuple, Network] = {}
        for indices, cost in zip(sampled, costs):
            architecture = search_space.resolve(cost_model.space, indices)
            # Indices may differ where they have no effect.
            network = Network(architecture, float(cost), filters_multiplier)
            found.setdefault(architecture.blocks, network)
        if len(found) >= number:
            return list(found.values())[:number]
        if num_draws >= _MAX_DRAWS_PER_NETWORK * number:
            raise InputError(
                f"only {len(found)} different networks of {cost_model.space.name} were found "
                f"that cost {cost_text.long_number(min_cost, cost_model.unit)} to "
                f"{cost_text.long_cost(max_cost, cost_model.unit)}; ask for so many "
                "random networks at most, or allow a larger cost tolerance."
            )
        num_draws *= 2
    return []


def _at(ssd: str, filters_multiplier: float) -> Architecture:
    space = search_space.get(ssd, filters_multiplier)
    indices = space.reference_indices
    if search_space.choices_of(space) and not indices:
        raise InputError(
            f"{ssd} has choices and no reference network; name networks without choices, such as "
            "mobilenet_v2."
        )
    return search_space.resolve(space, indices)


def scaled_reference(ssd: str, price: Callable[[Architecture], float], target: float) -> Network:
    """A reference network with its filters scaled to the cost that is nearest to the target.

    Filter counts are rounded to multiples, so the cost grows in steps with the multiplier and
    may miss the target. A cost model that prices no scaled networks leaves it as it is.

    Args:
      ssd: a network, or a space that has a reference network.
      price: the cost of a network.
      target: the cost to hit.
    """

    def network(multiplier: float) -> Network:
        architecture = _at(ssd, multiplier)
        return Network(architecture, price(architecture), multiplier)

    try:
        low, high = network(_LOWEST), network(_HIGHEST)
    except InputError:
        return network(1.0)  # Fixed figures, such as latencies, price no scaled networks.
    for _ in range(_NUM_HALVINGS):
        if high.filters_multiplier / low.filters_multiplier < 1 + 1e-6:
            break
        middle = network((low.filters_multiplier * high.filters_multiplier) ** 0.5)
        low, high = (middle, high) if middle.cost <= target else (low, middle)
    nearest = min(low, high, key=lambda found: abs(found.cost - target))
    # The same network with a multiplier that can be read.
    exact = nearest.filters_multiplier
    for multiplier in (1.0, *(f(exact * n) / n for n in (10, 100, 1000) for f in (round, int))):
        if multiplier > 0:
            plain = network(multiplier)
            if plain.architecture.blocks == nearest.architecture.blocks:
                return plain
    return nearest
