"""What N random networks are worth, when the best of them is taken."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from tunas_tf.comparison.intervals import CONFIDENCE, Interval, mean_resamples

__all__ = ["CatchUp", "best_of_n", "best_of_n_intervals", "catch_up"]

_NUM_RESAMPLES = 4000


def _weights(size: int) -> np.ndarray:
    """[N - 1, rank]: probability that the value of this rank is the best of N drawn of `size`.

    C(rank, N - 1) / C(size, N), ranks from 0: the other N - 1 are among those below.
    """
    number = np.arange(1, size + 1)[:, None]
    rank = np.arange(size)[None, :]

    def log_binomial(n, k):
        below = np.maximum(n - k, 0)  # Whatever is there, where k > n.
        logs = (scipy.special.gammaln(x + 1) for x in (n, k, below))
        of_n, of_k, of_rest = logs
        return np.where(k <= n, of_n - of_k - of_rest, -np.inf)

    return np.exp(log_binomial(rank, number - 1) - log_binomial(size, number))


def _ranked(validation, test) -> np.ndarray:
    """[networks] test values from the worst on validation to the best; ties share their mean."""
    _, groups = np.unique(validation, return_inverse=True)
    shared = np.bincount(groups, test) / np.bincount(groups)
    return shared[np.sort(groups)]


def best_of_n(validation: ArrayLike, test: ArrayLike) -> np.ndarray:
    """What choosing the best of N networks by validation gives on the test, for N = 1 .. all.

    The mean over all subsets of N networks, without replacement: exact for this sample, and an
    unbiased estimate for other networks drawn in the same way. Of networks that tie on
    validation each is taken equally often.

    Args:
      validation: [networks] what they are chosen by.
      test: [networks] what is reported.

    Returns:
      [networks] expected test value of the best of 1, 2, ...
    """
    ranked = _ranked(np.asarray(validation), np.asarray(test, np.float64))
    return _weights(len(ranked)) @ ranked


def _jackknife_errors(validation, test) -> np.ndarray:
    """[N - 1] standard errors of `best_of_n` of all N but the last: each network is left out once.

    What ties share changes with the one that is left out, so this is no matter of ranks.
    """
    left = [
        best_of_n(np.delete(validation, number), np.delete(test, number))
        for number in range(len(test))
    ]
    return np.std(left, axis=0) * math.sqrt(len(test) - 1)


def _errors_of_ranked(ranked: np.ndarray) -> np.ndarray:
    """The same for [..., networks] test values by rank, where nothing ties: [..., N - 1]."""
    size = ranked.shape[-1]
    weights = _weights(size - 1)
    none = np.zeros_like(ranked[..., :1])
    errors = []
    for row in weights:
        # With one network left out, those above it move one rank down.
        below = np.concatenate([none, np.cumsum(row * ranked[..., :-1], axis=-1)], axis=-1)
        from_top = np.cumsum((row * ranked[..., 1:])[..., ::-1], axis=-1)[..., ::-1]
        left = below + np.concatenate([from_top, none], axis=-1)
        errors.append(left.std(axis=-1) * math.sqrt(size - 1))
    return np.stack(errors, axis=-1)


def _t_of_resamples(validation, test, seed: int) -> np.ndarray:
    """[resamples, N - 1] Student's t of `best_of_n` in resamples; see `intervals`.

    Smoothed like there, with normal noise of the pairs' own correlation.
    """
    generator = np.random.default_rng(seed)
    size = len(test)
    pairs = np.stack([validation - np.mean(validation), test - np.mean(test)], axis=-1)
    drawn = pairs[generator.integers(size, size=(_NUM_RESAMPLES, size))]
    drawn += (
        1.06
        * size**-0.2
        * generator.multivariate_normal([0.0, 0.0], np.cov(pairs.T), drawn.shape[:2], method="svd")
    )
    order = np.argsort(drawn[..., 0], axis=1)
    ranked = np.take_along_axis(drawn[..., 1], order, axis=1)
    estimates = ranked @ _weights(size)[:-1].T
    # Their mean is the true value of what the resamples are drawn from.
    return (estimates - estimates.mean(0)) / _errors_of_ranked(ranked)


def best_of_n_intervals(
    validation: Sequence[float], test: Sequence[float], seed: int = 0
) -> list[Interval]:
    """`best_of_n` with symmetric bootstrap-t intervals, for N = 1 .. all.

    The last is infinite: of the best of all networks there is one observation only.
    """
    estimates = best_of_n(validation, test)
    halves = np.full(len(test), math.inf)
    if len(test) > 1:
        errors = _jackknife_errors(validation, test)
        if np.ptp(test) == 0:
            halves[:-1] = 0.0
        else:
            t = np.abs(_t_of_resamples(validation, test, seed))
            halves[:-1] = np.quantile(t, CONFIDENCE, axis=0) * errors
    return [
        Interval(float(estimate), float(estimate - half), float(estimate + half))
        for estimate, half in zip(estimates, halves)
    ]


class CatchUp(NamedTuple):
    """The number of random networks whose best is as good as a search; None: more than there are.

    `low` and `high` are the ends of its 95 % interval.
    """

    number: int | None
    low: int | None
    high: int | None


def catch_up(
    found: Sequence[float], validation: Sequence[float], test: Sequence[float], seed: int = 0
) -> CatchUp:
    """The smallest N at which the best of N random networks reaches the mean of `found`.

    Args:
      found: [searches] test values of the networks that searches found.
      validation, test: [networks] of random networks.
      seed: of the resamples behind the interval.
    """
    estimates = best_of_n(validation, test)
    beyond = len(test) + 1

    def first(curves, level) -> np.ndarray:
        level = np.asarray(level)[..., None]
        reached = curves >= level - 1e-9 * np.abs(level)  # Rounding may lose that much.
        return np.where(reached.any(-1), reached.argmax(-1) + 1, beyond)

    def known(number) -> int | None:
        return int(number) if number < beyond else None

    number = known(first(estimates, np.mean(found)))
    if len(test) < 2:
        return CatchUp(number, 1, None)
    curves = np.broadcast_to(estimates[:-1], (_NUM_RESAMPLES, len(test) - 1))
    if np.ptp(test):
        errors = _jackknife_errors(validation, test)
        curves = curves - _t_of_resamples(validation, test, seed) * errors
    numbers = first(curves, mean_resamples(found, seed + 1)[:_NUM_RESAMPLES])
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(numbers, [outside, 1 - outside], method="inverted_cdf")
    return CatchUp(number, known(low), known(high))
