"""The best of N random networks, against all subsets and against the truth of a distribution."""

import itertools
import math

import numpy as np
import pytest

from tunas_tf.comparison import best_of_n, intervals


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr(best_of_n, "_NUM_RESAMPLES", 500)
    monkeypatch.setattr(intervals, "NUM_RESAMPLES", 500)


def _all_subsets(validation, test) -> list[float]:
    """The definition: the mean over all subsets of N, ties shared."""
    means = []
    for number in range(1, len(test) + 1):
        values = []
        for subset in itertools.combinations(range(len(test)), number):
            best = max(validation[i] for i in subset)
            values.append(np.mean([test[i] for i in subset if validation[i] == best]))
        means.append(np.mean(values))
    return means


def test_by_hand():
    # Best on validation is the second. Pairs: (1,2) 0.5, (1,3) 0.9, (2,3) 0.5.
    found = best_of_n.best_of_n([0.1, 0.3, 0.2], [0.7, 0.5, 0.9])
    np.testing.assert_allclose(found, [0.7, (0.5 + 0.9 + 0.5) / 3, 0.5])


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_mean_over_all_subsets(seed):
    generator = np.random.default_rng(seed)
    # Few levels, so that many tie.
    validation, test = generator.integers(5, size=8) / 4, generator.random(8)
    found = best_of_n.best_of_n(validation, test)
    np.testing.assert_allclose(found, _all_subsets(validation, test))


def test_many_networks_do_not_overflow():
    values = np.arange(1500.0)
    found = best_of_n.best_of_n(values, values)
    assert found[0] == pytest.approx(values.mean())
    assert found[-1] == pytest.approx(1499)
    # The expected largest of N of the numbers 1 .. n is N (n + 1) / (N + 1).
    assert found[9] == pytest.approx(10 * 1501 / 11 - 1)


def _draw(generator, *shape):
    """Quality with noise, as validation and test: uniform, so that extremes are known."""
    quality = generator.random(shape)
    noise = 0.1 * generator.normal(size=(2, *shape))
    return quality + noise[0], quality + noise[1]


def test_is_unbiased_and_its_intervals_cover_the_truth():
    generator = np.random.default_rng(0)
    numbers = [1, 4, 8, 16]
    validation, test = _draw(generator, 40_000, 16)
    truth = [
        np.take_along_axis(test, validation[:, :n].argmax(1)[:, None], 1).mean() for n in numbers
    ]
    hits, estimates = np.zeros(4), np.zeros(4)
    repetitions = 250
    for seed in range(repetitions):
        found = best_of_n.best_of_n_intervals(*_draw(generator, 20), seed)
        chosen = [found[n - 1] for n in numbers]
        estimates += [interval.estimate for interval in chosen]
        hits += [i.low <= true <= i.high for i, true in zip(chosen, truth)]
    np.testing.assert_allclose(estimates / repetitions, truth, atol=0.02)
    assert np.all((0.90 < hits / repetitions) & (hits / repetitions <= 0.99))


def _left_out(validation, test) -> np.ndarray:
    """The jackknife by its definition, from all subsets of all networks but one."""
    left = [
        _all_subsets(np.delete(validation, number), np.delete(test, number))
        for number in range(len(test))
    ]
    return np.std(left, axis=0) * math.sqrt(len(test) - 1)


def test_errors_are_those_of_leaving_networks_out():
    validation, test = [0.5, 0.5, 0.5, 0.6, 0.6], [0.60, 0.64, 0.68, 0.62, 0.66]
    found = best_of_n._jackknife_errors(validation, test)
    np.testing.assert_allclose(found, _left_out(validation, test))
    validation, test = np.random.default_rng(3).random((2, 7))
    expected = _left_out(validation, test)
    np.testing.assert_allclose(best_of_n._jackknife_errors(validation, test), expected)
    ranked = test[np.argsort(validation)]
    np.testing.assert_allclose(best_of_n._errors_of_ranked(ranked), expected)


def test_networks_that_tie_are_not_alike():
    """Of networks that validation cannot tell apart, the test does vary."""
    found = best_of_n.best_of_n_intervals([0.5] * 5, [0.60, 0.62, 0.64, 0.66, 0.68])
    for interval in found[:-1]:
        assert interval.estimate == pytest.approx(0.64)
        assert interval.high - interval.low > 0.05


def test_one_observation_has_no_interval():
    found = best_of_n.best_of_n_intervals([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert found[-1] == (pytest.approx(0.3), -math.inf, math.inf)
    assert math.isfinite(found[0].low)
    assert best_of_n.best_of_n_intervals([0.1], [0.2]) == [(0.2, -math.inf, math.inf)]
    same = best_of_n.best_of_n_intervals([0.1, 0.2, 0.3], [0.5] * 3)
    assert same[1] == (pytest.approx(0.5),) * 3


@pytest.mark.parametrize("level, number", [(50, 1), (60, 2), (87.5, 7), (99, 99), (101, None)])
def test_catch_up(level, number):
    # The best of N of 1 .. 99 is 100 N / (N + 1) on average: 50, 66.7, 75, ..., 85.7, 87.5, ...
    values = np.arange(1.0, 100.0)
    assert best_of_n.catch_up([level], values, values).number == number


def test_interval_of_the_catch_up():
    generator = np.random.default_rng(0)
    hits = num_known = 0
    for seed in range(120):
        values = generator.random(24)
        # The best of N of a uniform distribution is N / (N + 1): 0.8 at N = 4.
        caught = best_of_n.catch_up([0.8], values, values, seed)
        hits += caught.low <= 4 and (caught.high is None or caught.high >= 4)
        num_known += caught.high is not None
    assert 0.9 < hits / 120 <= 0.99
    assert num_known > 60


def test_catch_up_never_where_validation_misleads():
    values = np.arange(10.0)
    caught = best_of_n.catch_up([8.0, 8.1, 7.9], -values, values)
    assert (caught.number, caught.high) == (None, None)


def test_uncertain_searches_widen_the_catch_up():
    values = np.arange(1.0, 100.0)
    sure = best_of_n.catch_up([80.0, 80.0, 80.0], values, values)
    unsure = best_of_n.catch_up([70.0, 80.0, 90.0], values, values)
    assert sure.number == unsure.number == 4
    assert unsure.low < sure.low and sure.high is not None
    assert unsure.high is None or unsure.high > sure.high
