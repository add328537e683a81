"""Does the items of a comparison: what is there already is not done again."""

import os
import shutil
from typing import Any, Protocol

from tunas_tf import search_space
from tunas_tf.comparison import ablations, fidelity, search_outcome
from tunas_tf.comparison import results as results_lib
from tunas_tf.comparison.extent import Extent
from tunas_tf.comparison.networks import Network
from tunas_tf.comparison.plan import (
    Comparison,
    Evolution,
    Fidelity,
    Found,
    Item,
    Search,
    Training,
)
from tunas_tf.comparison.progress import Progress, Work
from tunas_tf.comparison.workers import Outcome
from tunas_tf.search_space import traversal

__all__ = ["Pool", "Runner"]

_SECONDS_BETWEEN_LOOKS = 1.0


class Pool(Protocol):
    """Who does the items; see `workers.Workers`."""

    number: int

    @property
    def has_idle(self) -> bool: ...

    def start(self, item: Item) -> None: ...

    def wait(self, timeout: float | None = None) -> list[Outcome]: ...


class Runner:
    """Does a comparison, item by item.

    Attributes:
      found: of searches, by name.
      failures: texts, in order.
      has_defect: whether one of them is a mistake of the program.
    """

    def __init__(self, comparison: Comparison, extent: Extent, seed: int):
        """
        Args:
          comparison: what its items share.
          extent: what is to be done.
          seed: of the first training of each kind.
        """
        self.comparison = comparison
        self.extent = extent
        self.found: dict[str, Found] = {}
        self.failures: list[str] = []
        self.has_defect = False
        self._pending: list[Item] = []
        self._running: list[Item] = []
        self._work: dict[Item, Work] = {}
        results_path = comparison.path("results.jsonl")
        if not os.path.lexists(results_path):
            with open(results_path, "x", encoding="utf-8"):
                pass  # From the start on, the directory is that of a comparison.
        self._results = results_lib.read(results_path)
        self._clear_trained()
        for search in extent.all_searches:
            if (found := self._outcome(search)) is None:
                self._pending.append(search)
            else:
                self.found[search.name] = found
                self._pending += self._after_search(search, found)
        self._pending += [t for t in extent.trainings(seed) if not self._is_trained(t)]

    @property
    def results(self) -> list[results_lib.Result]:
        """Of all trainings so far."""
        return list(self._results)

    def counts(self) -> dict[str, int]:
        """How many items of each kind are to be done now; searches bring more."""
        names = [self._describe_kind(item) for item in self._pending]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def remaining(self) -> list[Work]:
        """Work that is to be done, with what searches bring."""
        return [
            work
            for item in (*self._pending, *self._running)
            for work in (self._work_of(item), *self._brings(item))
        ]

    def run(self, pool: Pool, progress: Progress) -> None:
        """Does everything that can be done."""
        while self._pending or self._running:
            while self._pending and pool.has_idle:
                item = self._pending.pop(0)
                self._running.append(item)
                progress.start(item)
                pool.start(item)
            for outcome in pool.wait(_SECONDS_BETWEEN_LOOKS):
                self._finish(outcome, progress)
            progress.show(self.remaining())

    def _finish(self, outcome: Outcome, progress: Progress) -> None:
        item = outcome.item
        self._running.remove(item)
        if outcome.error is not None:
            progress.fail(item)
            self.failures.append(f"{self._describe(item)} failed: {outcome.error}")
            self.has_defect |= outcome.is_defect
            progress.say(self.failures[-1])
            return
        progress.finish(item, self._work_of(item))
        text = self._record(item, outcome.value)
        minutes = progress.minutes_left(self.remaining())
        progress.say(f"{self._describe(item)}: {text}; about {minutes:.1f} minutes to go")

    def _record(self, item: Item, value: Any) -> str:
        """Keeps what came out, adds what follows; returns it in words."""
        if isinstance(item, Search):
            self.found[item.name] = value
            self._pending += self._after_search(item, value)
            off = {rule: cost / self.comparison.target - 1 for rule, cost in value.costs.items()}
            distances = ", ".join(f"{rule} {distance:+.2%}" for rule, distance in off.items())
            return f"{value.seconds:.0f} s, cost from the target: {distances}"
        if isinstance(item, Fidelity):
            names = map(traversal.format_indices, item.networks)
            fidelity.append(
                self.comparison.path("fidelity.jsonl"), item.search.name, dict(zip(names, value))
            )
            return f"{len(value)} networks with shared weights"
        if isinstance(item, Evolution):
            training = self._of_found("evolution", item.search, value, "evolution")
            if not self._is_trained(training):
                self._pending.append(training)
            return f"{value.seconds:.0f} s with its search"
        results_lib.append(self.comparison.path("results.jsonl"), value)
        self._results.append(value)
        shutil.rmtree(self.comparison.path("networks", item.name), ignore_errors=True)
        return (
            f"validation {value.validation_accuracy:.1%}, test {value.test_accuracy:.1%}, "
            f"{value.seconds:.0f} s"
        )

    def _after_search(self, search: Search, found: Found) -> list[Item]:
        items: list[Item] = []
        if search in self.extent.searches:
            training = self._of_found("tunas", search, found, "feasible")
            if not self._is_trained(training):
                items.append(training)
            has_evolved = any(
                result.kind == "evolution" and result.search_seed == search.seed
                for result in self._results
            )
            if self.extent.evolution and not has_evolved:
                items.append(Evolution(search, found.seconds, found.madds))
        if search in self.extent.fidelity_searches:
            known = fidelity.read(self.comparison.path("fidelity.jsonl")).get(search.name, {})
            networks = [network.architecture.indices for network in self.extent.random]
            missing = [n for n in networks if traversal.format_indices(n) not in known]
            if missing:
                items.append(Fidelity(search, tuple(missing)))
        return items

    def _of_found(self, kind: str, search: Search, found: Found, rule: str) -> Training:
        architecture = search_space.resolve(self.comparison.space, found.indices[rule])
        network = Network(
            architecture, found.costs[rule], self.comparison.settings["filters_multiplier"]
        )
        return Training(kind, network, search.seed, search.seed, found.seconds, found.madds)

    def _outcome(self, search: Search) -> Found | None:
        path = self.comparison.path("searches", search.name, "outcome.json")
        if not os.path.lexists(path):
            return None
        return search_outcome.read(path, self.comparison.space)

    def _is_trained(self, training: Training) -> bool:
        return any(map(training.is_result, self._results))

    def _clear_trained(self) -> None:
        """Removes what a kill has left of trainings whose line is written."""
        for result in self._results:
            name = f"{result.kind}_seed{result.seed}"
            shutil.rmtree(self.comparison.path("networks", name), ignore_errors=True)

    def _work_of(self, item: Item) -> Work:
        if item not in self._work:
            comparison = self.comparison
            if isinstance(item, Search):
                work = "search", comparison.search_madds(item)
            elif isinstance(item, Training):
                work = "training", comparison.training_madds(item.network)
            elif isinstance(item, Fidelity):
                work = "evaluation", comparison.evaluation_madds(item.networks)
            else:
                work = "evaluation", self._evolution_madds()
            self._work[item] = work
        return self._work[item]

    def _evolution_madds(self) -> float:
        settings = self.comparison.evolution
        number = settings.population_size * (settings.num_generations + 1)
        some = [(0,) * len(traversal.choices_of(self.comparison.space))]
        return number * self.comparison.evaluation_madds(some)

    def _typical_training(self) -> Work:
        known = [*self.extent.random, *self.extent.references]
        if known:
            return "training", self.comparison.training_madds(known[0])
        indices = (0,) * len(traversal.choices_of(self.comparison.space))
        architecture = search_space.resolve(self.comparison.space, indices)
        return "training", self.comparison.training_madds(Network(architecture, 0.0, 1.0))

    def _brings(self, item: Item) -> list[Work]:
        """What will follow an item."""
        work: list[Work] = []
        if isinstance(item, Evolution):
            work.append(self._typical_training())
        if isinstance(item, Search):
            if item in self.extent.searches:
                work.append(self._typical_training())
                if self.extent.evolution:
                    work += [("evaluation", self._evolution_madds()), self._typical_training()]
            if item in self.extent.fidelity_searches:
                networks = [network.architecture.indices for network in self.extent.random]
                work.append(("evaluation", self.comparison.evaluation_madds(networks)))
        return work

    def ablations(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of each ablation, from the searches that are done."""
        tables = {}
        for name, rows in self.extent.ablations.items():
            variants = ablations.variants(name, self.comparison.settings)
            costs: dict[str, dict[str, list[float]]] = {}
            for variant, searches in zip(variants, rows):
                done = [self.found[s.name].costs for s in searches if s.name in self.found]
                if done:
                    costs[variant.value] = {rule: [c[rule] for c in done] for rule in done[0]}
            if costs:
                tables[name] = ablations.summarize(
                    costs, self.comparison.target, self.comparison.settings["cost_tolerance"]
                )
        return tables

    @staticmethod
    def _describe_kind(item: Item) -> str:
        if isinstance(item, Training):
            return f"training ({item.kind})"
        return {Search: "search", Fidelity: "fidelity", Evolution: "evolution"}[type(item)]

    def _describe(self, item: Item) -> str:
        if isinstance(item, Training):
            return f"{item.kind} network, seed {item.seed}"
        search = item if isinstance(item, Search) else item.search
        return f"{self._describe_kind(item)} {search.name}"
