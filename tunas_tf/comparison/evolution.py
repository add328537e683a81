"""Evolutionary search over a quality that is cheap to ask for, within a window of costs.

As once-for-all (Cai et al., 2020) and DetNAS (Chen et al., 2019) search the shared weights of
a trained supernet: a population of random networks; then, generation by generation, the best
networks so far are parents, and children are their mutations and crossovers. Networks outside
of the window are thrown away before anything is evaluated.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

from tunas_tf.common.errors import InputError
from tunas_tf.comparison.candidates import Candidate, CandidateLog
from tunas_tf.cost_model.sampling import sample_architectures
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space import traversal

__all__ = ["EvolutionSettings", "evolve"]

# Children drawn at once, and draws without a new network in the window before giving up.
_BATCH_SIZE = 64
_MAX_DRAWS = 50


@dataclasses.dataclass(frozen=True)
class EvolutionSettings:
    """How evolution proceeds.

    Attributes:
      population_size: networks of a generation.
      num_generations: after the random one.
      num_parents: the best networks of all generations so far, which have children.
      mutation_probability: of each choice of a mutated child to be drawn anew.
      crossover_fraction: of the children that take each choice from one of two parents; the
        others are mutations.
      seed: of all random numbers.
    """

    population_size: int = 50
    num_generations: int = 20
    num_parents: int = 10
    mutation_probability: float = 0.1
    crossover_fraction: float = 0.5
    seed: int = 0

    def __post_init__(self):
        for name in ("population_size", "num_parents"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.num_generations < 0:
            raise InputError(f"num_generations is {self.num_generations}; it must not be negative.")
        if not 0 < self.mutation_probability <= 1:
            raise InputError(
                f"mutation_probability is {self.mutation_probability:g}; it must be above 0 and "
                "at most 1."
            )
        if not 0 <= self.crossover_fraction <= 1:
            raise InputError(
                f"crossover_fraction is {self.crossover_fraction:g}; it must be from 0 to 1."
            )


def _canonical(choices: Sequence[traversal.Choice], indices: np.ndarray) -> np.ndarray:
    """[networks, choices] the networks with choices without effect, as in skipped layers, at 0."""
    has_effect = np.ones(indices.shape, bool)
    for position in reversed(range(len(choices))):  # A choice stands behind those within it.
        if (parent := choices[position].parent) is not None:
            above, option = parent
            has_effect[:, position] = has_effect[:, above] & (indices[:, above] == option)
    return np.where(has_effect, indices, 0)


class _Breeder:
    """Draws children: distinct networks in the window that were not there before."""

    def __init__(self, cost_model: CostModel, settings: EvolutionSettings, window):
        self.cost_model = cost_model
        self.settings = settings
        self.window = window
        self.choices = traversal.choices_of(cost_model.space)
        self.num_options = np.array([choice.num_options for choice in self.choices])
        self.generator = np.random.default_rng([settings.seed, 1])
        self.seen: set[tuple[int, ...]] = set()

    def _new(self, networks: np.ndarray) -> Iterator[tuple[int, ...]]:
        """The networks that were not there before."""
        for indices in map(tuple, _canonical(self.choices, networks).tolist()):
            if indices not in self.seen:
                self.seen.add(indices)
                yield indices

    def random(self) -> Iterator[tuple[int, ...]]:
        """The first generation."""
        sampled, _ = sample_architectures(
            self.cost_model, self.settings.population_size, self.settings.seed, *self.window
        )
        return self._new(sampled)

    def _draw(self, origin: str, parents: np.ndarray) -> np.ndarray:
        """[batch, choices] children of random parents."""
        shape = (_BATCH_SIZE, len(self.num_options))
        first = parents[self.generator.integers(len(parents), size=_BATCH_SIZE)]
        if origin == "crossover":
            second = parents[self.generator.integers(len(parents), size=_BATCH_SIZE)]
            return np.where(self.generator.random(shape) < 0.5, first, second)
        drawn = self.generator.integers(self.num_options, size=shape)
        mutated = self.generator.random(shape) < self.settings.mutation_probability
        return np.where(mutated, drawn, first)

    def child(self, origin: str, parents: np.ndarray) -> tuple[int, ...] | None:
        """A new network in the window, None if none comes."""
        low, high = self.window
        for _ in range(_MAX_DRAWS):
            children = self._draw(origin, parents)
            costs = self.cost_model.cost(children)
            inside = children[(low <= costs) & (costs <= high)]
            if (indices := next(self._new(inside), None)) is not None:
                return indices
        return None


def evolve(
    cost_model: CostModel,
    quality: Callable[[tuple[int, ...]], float],
    settings: EvolutionSettings,
    min_cost: float,
    max_cost: float,
    path: str,
) -> list[Candidate]:
    """Searches the network of the highest quality with min_cost <= cost <= max_cost.

    Every candidate is appended to a CSV file as soon as it is evaluated. Called again with the
    same file and settings, goes on where it stopped, with the same outcome as if it had not; a
    larger `num_generations` continues a search that was finished.

    Args:
      cost_model: prices the networks of its space.
      quality: of a network given by its indices; called once per network.
      settings: of the search.
      min_cost, max_cost: the window, ends included.
      path: of the CSV file.

    Returns:
      All candidates, the best first. Where quality ties, the earlier one.

    Raises:
      InputError: the file belongs to another search, or no network lies in the window.
    """
    log = CandidateLog(path)
    breeder = _Breeder(cost_model, settings, (min_cost, max_cost))
    candidates: list[Candidate] = []
    num_crossovers = round(settings.crossover_fraction * settings.population_size)
    origins = ["mutation"] * (settings.population_size - num_crossovers)
    origins += ["crossover"] * num_crossovers
    bar = tqdm.tqdm(
        total=settings.population_size * (settings.num_generations + 1),
        unit="network",
        dynamic_ncols=True,
        disable=not sys.stderr.isatty(),
    )

    def evaluate(generation: int, origin: str, indices: tuple[int, ...]) -> None:
        number = len(candidates)
        value = log.quality(number, traversal.format_indices(indices), lambda: quality(indices))
        cost = float(cost_model.cost(indices))
        candidates.append(Candidate(number, generation, origin, cost, value, indices))
        log.append(candidates[-1])
        bar.update()

    def best_first() -> list[Candidate]:
        return sorted(candidates, key=lambda c: (-c.quality, c.number))

    with bar:
        for drawn in breeder.random():
            evaluate(0, "random", drawn)
        for generation in range(1, settings.num_generations + 1):
            parents = np.array([c.indices for c in best_first()[: settings.num_parents]])
            bar.set_postfix_str(f"best {best_first()[0].quality:.4f}")
            for origin in origins:
                indices = breeder.child(origin, parents)
                if indices is None and origin == "crossover":  # The parents are too alike.
                    origin = "mutation"
                    indices = breeder.child(origin, parents)
                if indices is None:  # All that is near has been seen.
                    break
                evaluate(generation, origin, indices)
    return best_first()
