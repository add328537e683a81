"""Estimates from few values with intervals that keep their level.

Intervals and tests keep it with three values of a kind; where that few can show nothing,
they say so by being infinitely wide.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

__all__ = [
    "CONFIDENCE",
    "NUM_RESAMPLES",
    "Difference",
    "Interval",
    "difference",
    "difference_of_intervals",
    "mean_interval",
    "mean_resamples",
    "rank_correlations",
]

CONFIDENCE = 0.95
NUM_RESAMPLES = 10_000
_ROUNDING = 1e-9


class Interval(NamedTuple):
    """An estimate and its 95 % interval; the ends are infinite where the data bound nothing."""

    estimate: float
    low: float
    high: float


def _t_of_resamples(values: np.ndarray, seed: int) -> np.ndarray:
    """[resamples] Student's t of the mean of resamples of `values`, whose mean counts as true.

    A smoothed bootstrap: a little normal noise on every value drawn, by the rule of thumb of
    kernel density estimation. Of three values alone, a ninth of the resamples would have no
    spread.
    """
    generator = np.random.default_rng(seed)
    size = len(values)
    bandwidth = 1.06 * values.std(ddof=1) * size**-0.2
    drawn = generator.integers(size, size=(NUM_RESAMPLES, size))
    resamples = (values - values.mean())[drawn]
    resamples += bandwidth * generator.standard_normal(resamples.shape)
    return resamples.mean(1) / (resamples.std(1, ddof=1) / math.sqrt(size))


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def mean_resamples(values: Sequence[float], seed: int = 0) -> np.ndarray:
    """[resamples] means that may be the true one, spread as `mean_interval` is wide."""
    array = np.asarray(values, np.float64)
    if len(array) < 2 or not np.ptp(array):
        return np.full(NUM_RESAMPLES, array.mean())
    return array.mean() - _t_of_resamples(array, seed) * _standard_error(array)


def mean_interval(values: Sequence[float], seed: int = 0) -> Interval:
    """The mean with its symmetric bootstrap-t interval (Hall, 1988), from resamples of `values`.

    The simple percentile interval of three values would cover the true mean in three cases of
    four, not in 95 %. One value alone gives an infinite interval.
    """
    array = np.asarray(values, np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Interval(mean, -math.inf, math.inf)
    if np.ptp(array) == 0:
        return Interval(mean, mean, mean)
    quantile = np.quantile(np.abs(_t_of_resamples(array, seed)), CONFIDENCE)
    half = float(quantile) * _standard_error(array)
    return Interval(mean, mean - half, mean + half)


class Difference(NamedTuple):
    """A difference of two means, first minus second.

    Attributes:
      interval: of the difference.
      p_value: of equality; None where only the interval is known.
    """

    interval: Interval
    p_value: float | None

    @property
    def significant(self) -> bool:
        """Whether chance alone is excluded at the level of 5 %."""
        # Where values are equal, the interval may be nothing but a rounding error.
        return self.interval.low > _ROUNDING or self.interval.high < -_ROUNDING


def _groupings(first: int, second: int, seed: int) -> np.ndarray:
    """[groupings, first] which of all values may be called the first group; [0] as it is."""
    total = first + second
    if math.comb(total, first) <= NUM_RESAMPLES:
        return np.array(list(itertools.combinations(range(total), first)))
    keys = np.random.default_rng(seed).random((NUM_RESAMPLES, total))
    keys[0] = np.arange(total)
    return np.argsort(keys, axis=1)[:, :first]


def difference(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Difference:
    """The permutation test of two means, and the interval of all differences it does not reject.

    Assumes that the groups are distributed alike but for a shift. With so few values that no
    grouping of them could be significant the interval is infinite.
    """
    groupings = _groupings(len(first), len(second), seed)
    values = np.array([*first, *second], np.float64)
    # Of each grouping's first group: the sum, and how many are truly of the first.
    sums = values[groupings].sum(1)
    counts = (groupings < len(first)).sum(1)

    def p_value(shift: float) -> float:
        """That of equality, once all of the first group are lower by `shift`."""
        shifted = sums - shift * counts
        total = values.sum() - shift * len(first)
        differences = np.abs(shifted / len(first) - (total - shifted) / len(second))
        slack = 1e-9 * max(1e-3, abs(differences[0]))
        return float(np.mean(differences >= differences[0] - slack))

    estimate = float(np.mean(first) - np.mean(second))

    def end(direction: int) -> float:
        """Where in this direction shifts begin to be rejected."""
        step = max(float(np.ptp(values)), 1e-9)
        for _ in range(20):
            if p_value(estimate + direction * step) <= 1 - CONFIDENCE:
                break
            step *= 2
        else:
            return direction * math.inf
        inside, outside = 0.0, step
        for _ in range(50):
            middle = (inside + outside) / 2
            if p_value(estimate + direction * middle) <= 1 - CONFIDENCE:
                outside = middle
            else:
                inside = middle
        return estimate + direction * outside

    return Difference(Interval(estimate, end(-1), end(1)), p_value(0.0))


def difference_of_intervals(first: Interval, second: Interval) -> Difference:
    """The difference of two independent estimates by their intervals (Zou and Donner, 2008)."""
    estimate = first.estimate - second.estimate
    low = math.hypot(first.estimate - first.low, second.high - second.estimate)
    high = math.hypot(first.high - first.estimate, second.estimate - second.low)
    return Difference(Interval(estimate, estimate - low, estimate + high), None)


def rank_correlations(first: Sequence[float], second: Sequence[float]) -> dict[str, Interval]:
    """Spearman's and Kendall's (tau-b) rank correlation: {"spearman": ..., "kendall": ...}.

    Intervals by Fisher's transformation with the variances of Fieller, Hartley and Pearson
    (1957). Fewer than 5 pairs, or a side without any difference, give infinite ones.
    """
    size = len(first)
    unknown = Interval(math.nan, -math.inf, math.inf)
    if size < 2 or not np.ptp(first) or not np.ptp(second):
        return {"spearman": unknown, "kendall": unknown}
    quantile = scipy.stats.norm.ppf((1 + CONFIDENCE) / 2)

    def interval(estimate: float, variance: float, step: float) -> Interval:
        """`step`: from a perfect order to the next one."""
        if size < 5:
            return Interval(estimate, -math.inf, math.inf)
        # A perfect order of few pairs stands for all that round to it: the transformation would
        # be infinite, and the interval a point.
        z = math.atanh(np.clip(estimate, -1 + step / 2, 1 - step / 2))
        half = quantile * math.sqrt(variance)
        low, high = math.tanh(z - half), math.tanh(z + half)
        return Interval(estimate, min(low, estimate), max(high, estimate))

    spearman = float(scipy.stats.spearmanr(first, second).statistic)
    kendall = float(scipy.stats.kendalltau(first, second).statistic)
    return {
        "spearman": interval(spearman, 1.06 / max(1, size - 3), 12 / (size * (size**2 - 1))),
        "kendall": interval(kendall, 0.437 / max(1, size - 4), 4 / (size * (size - 1))),
    }
