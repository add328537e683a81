"""What a comparison does: its settings, and the items of work that it consists of. No TensorFlow.

config.json          the command, its flags, what was derived from them
search_space.json, cost_model.json
results.jsonl        one line per trained network
fidelity.jsonl       accuracies with shared weights
searches/NAME/       run directories of searches, with what came out in outcome.json
evolution/NAME.csv   the candidates of an evolution on the weights of a search
networks/NAME/       run directories of trainings, until their line is written
workers.log          what the processes print
summary.json, *.png  the outcome
"""

import dataclasses
import functools
import os
from typing import Any

from tunas_tf.comparison import compute
from tunas_tf.comparison.evolution import EvolutionSettings
from tunas_tf.comparison.networks import Network
from tunas_tf.comparison.results import Result
from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space import arithmetic, spec, traversal

__all__ = [
    "Comparison",
    "Evolution",
    "Fidelity",
    "Found",
    "Item",
    "Search",
    "Training",
    "decisive",
]

# Where things lie, what is noted elsewhere, and the cadence: may change when a run is resumed.
_FREE_TO_CHANGE = (
    "checkpoint_interval",
    "cost_model",
    "dataset_dir",
    "iterations_per_loop",
    "on_nan",
    "space_module",
    "strict",
)


def decisive(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of the settings that decide what comes out."""
    return {name: value for name, value in settings.items() if name not in _FREE_TO_CHANGE}


@dataclasses.dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
      name: of its directory below searches/.
      seed: of all its random numbers.
      changes: of the settings that all searches share, (name, value).
    """

    name: str
    seed: int
    changes: tuple[tuple[str, Any], ...] = ()


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search has found, or evolution on its weights.

    Attributes:
      seconds, madds: that it took.
      indices, costs: of the network by each rule that names one.
    """

    seconds: float
    madds: float
    indices: dict[str, tuple[int, ...]]
    costs: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Training:
    """A network to be trained from scratch and evaluated.

    Attributes:
      kind: how it was found, one of `results.KINDS`.
      network: what is trained.
      seed: of weights and data.
      search_seed, search_seconds, search_madds: of the search that found it.
    """

    kind: str
    network: Network
    seed: int
    search_seed: int | None = None
    search_seconds: float = 0.0
    search_madds: float = 0.0

    @property
    def name(self) -> str:
        """Of its directory below networks/."""
        return f"{self.kind}_seed{self.seed}"

    def is_result(self, result: Result) -> bool:
        """Whether `result` is that of this training."""
        architecture = self.network.architecture
        network = (
            architecture.ssd,
            self.network.filters_multiplier,
            traversal.format_indices(architecture.indices),
        )
        return (result.kind, result.network, result.seed, result.search_seed) == (
            self.kind,
            network,
            self.seed,
            self.search_seed,
        )


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """Random networks to be evaluated with the shared weights of a search.

    Attributes:
      search: whose weights.
      networks: indices.
    """

    search: Search
    networks: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Evolution:
    """An evolution on the shared weights of a search.

    Attributes:
      search: whose weights.
      search_seconds, search_madds: of that search.
    """

    search: Search
    search_seconds: float = 0.0
    search_madds: float = 0.0


Item = Search | Training | Fidelity | Evolution


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What all items of a comparison share.

    Attributes:
      directory: of the comparison.
      space, cost_model, target: what is searched, by which costs, to hit which cost.
      settings: of all searches, by the names of the flags of the search command.
      derived: what searches derive from settings and data.
      train_settings, train_derived: the same for trainings.
      evolution: settings of evolution.
      execution: of the supernets, and whether they rematerialise.
      eval_batch_size: images per step of an evaluation.
      versions: of the libraries.
      defaults, train_defaults: of the settings, for directories from before one was there.
    """

    directory: str
    space: spec.SearchSpace
    cost_model: CostModel
    target: float
    settings: dict[str, Any]
    derived: dict[str, Any]
    train_settings: dict[str, Any]
    train_derived: dict[str, Any]
    evolution: EvolutionSettings
    execution: tuple[str, bool]
    eval_batch_size: int
    versions: dict[str, str]
    defaults: dict[str, Any] = dataclasses.field(default_factory=dict)
    train_defaults: dict[str, Any] = dataclasses.field(default_factory=dict)

    def path(self, *names: str) -> str:
        return os.path.join(self.directory, *names)

    @property
    def window(self) -> tuple[float, float]:
        """Lowest and highest cost that counts as the target."""
        tolerance = self.settings["cost_tolerance"]
        return self.target * (1 - tolerance), self.target * (1 + tolerance)

    @property
    def num_validation_images(self) -> int:
        return self.derived["search_validation"]

    @property
    def reward_batch_size(self) -> int:
        multiplier = self.settings["rl_batch_size_multiplier"]
        return round(self.settings["train_batch_size"] * multiplier)

    @functools.cached_property
    def supernet_count(self) -> compute.SupernetCount:
        return compute.SupernetCount(
            self.space,
            self.settings["image_size"],
            self.derived["num_classes"],
            self.execution[0],
        )

    def search_madds(self, search: Search, probabilities=None) -> float:
        """Multiply-adds of a search, by the probabilities at its end or, before, uniform ones."""
        settings = {**self.settings, **dict(search.changes)}
        if probabilities is None:
            probabilities = [
                [1 / choice.num_options] * choice.num_options
                for choice in traversal.choices_of(self.space)
            ]
        return compute.search_madds(
            self.supernet_count,
            probabilities,
            total_steps=self.derived["total_steps"],
            train_batch_size=settings["train_batch_size"],
            reward_batch_size=self.reward_batch_size,
            **{
                name: settings[name]
                for name in (
                    "rl_delay_steps_fraction",
                    "increase_ops_warmup_steps_fraction",
                    "increase_filters_warmup_steps_fraction",
                )
            },
        )

    def training_madds(self, network: Network) -> float:
        """Multiply-adds of the training of a network."""
        madds = arithmetic.count(
            network.architecture, self.settings["image_size"], self.derived["num_classes"]
        ).madds
        return compute.training_madds(
            madds, self.train_derived["total_steps"], self.train_settings["train_batch_size"]
        )

    def evaluation_madds(self, networks) -> float:
        """Multiply-adds of evaluations of networks, by indices, with shared weights."""
        count = self.supernet_count
        return float(self.num_validation_images * sum(map(count.network, networks)))
