"""What results say beside their means: the noise of the metric, and what they took."""

import collections
import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

from tunas_tf.comparison.intervals import CONFIDENCE, Interval
from tunas_tf.comparison.results import Result

__all__ = ["Compute", "Noise", "compute_of", "distinct", "noise"]


class Noise(NamedTuple):
    """What the seed of a training alone does to a metric.

    Attributes:
      deviation: standard deviation between trainings of one network, pooled over networks; its
        interval assumes normal noise. None if no network was trained twice.
      num_networks: that were trained more than once.
      num_trainings: of these networks.
    """

    deviation: Interval | None
    num_networks: int
    num_trainings: int


def noise(results: Sequence[Result], metric: str = "test_accuracy") -> Noise:
    """The noise of `metric`, from all networks that were trained with several seeds."""
    by_network: dict[tuple, dict[int, float]] = collections.defaultdict(dict)
    for result in results:
        by_network[result.network][result.seed] = getattr(result, metric)
    groups = [list(group.values()) for group in by_network.values() if len(group) > 1]
    num_trainings = sum(map(len, groups))
    freedom = num_trainings - len(groups)
    if not freedom:
        return Noise(None, 0, 0)
    squares = sum(float(np.var(group)) * len(group) for group in groups)
    outside = (1 - CONFIDENCE) / 2
    low, high = squares / scipy.stats.chi2.ppf([1 - outside, outside], freedom)
    deviation = Interval(math.sqrt(squares / freedom), math.sqrt(low), math.sqrt(high))
    return Noise(deviation, len(groups), num_trainings)


def distinct(results: Sequence[Result]) -> list[Result]:
    """One result of each network, that of the lowest seed: networks count once."""
    first: dict[tuple, Result] = {}
    for result in sorted(results, key=lambda result: result.seed):
        first.setdefault(result.network, result)
    return [result for result in results if first[result.network] is result]


@dataclasses.dataclass(frozen=True)
class Compute:
    """What a search costs, in random networks.

    Attributes:
      search: mean compute of a search.
      retraining: mean compute of training the network that it found.
      network: mean compute of training a random network.
    """

    search: float
    retraining: float
    network: float

    @property
    def equal_n(self) -> float:
        """Random networks trained for the compute of one search and its retraining."""
        return (self.search + self.retraining) / self.network if self.network else math.inf


def compute_of(
    found: Sequence[Result], random: Sequence[Result], unit: str = "training_madds"
) -> Compute:
    """Compares what the two ways took; `unit` is "seconds" or "training_madds"."""
    search = {"seconds": "search_seconds", "training_madds": "search_madds"}[unit]

    def mean(results, name) -> float:
        return float(np.mean([getattr(result, name) for result in results]))

    return Compute(mean(found, search), mean(found, unit), mean(random, unit))
