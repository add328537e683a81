"""Intervals cover what they promise, and the test rejects as often as it promises."""

import math

import numpy as np
import pytest
import scipy.stats

from tunas_tf.comparison import intervals


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    # Less exact each time, but right on average.
    monkeypatch.setattr(intervals, "NUM_RESAMPLES", 1000)


def _coverage(make_interval, truth: float, repetitions: int) -> float:
    made = [make_interval() for _ in range(repetitions)]
    return float(np.mean([interval.low <= truth <= interval.high for interval in made]))


@pytest.mark.parametrize("size", [3, 5, 24])
def test_mean_interval_covers_the_mean(size):
    generator = np.random.default_rng(size)
    coverage = _coverage(
        lambda: intervals.mean_interval(generator.normal(0.8, 0.01, size)), 0.8, 600
    )
    # 0.95, and three standard deviations of 600 trials.
    assert 0.92 < coverage < 0.98


def test_mean_interval_of_many_values_is_the_textbook_one():
    values = np.random.default_rng(0).exponential(size=400)
    interval = intervals.mean_interval(values)
    half = 1.966 * values.std(ddof=1) / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.high - interval.estimate == pytest.approx(half, rel=0.1)
    assert interval.estimate - interval.low == pytest.approx(half, rel=0.1)


def test_mean_interval_of_too_few_values():
    assert intervals.mean_interval([0.7]) == (0.7, -math.inf, math.inf)
    assert intervals.mean_interval([0.7, 0.7, 0.7]) == (pytest.approx(0.7),) * 3


def test_mean_resamples_are_spread_like_the_interval():
    values = [0.70, 0.72, 0.75, 0.71]
    resamples = intervals.mean_resamples(values)
    interval = intervals.mean_interval(values)
    inside = (interval.low <= resamples) & (resamples <= interval.high)
    assert inside.mean() == pytest.approx(0.95, abs=0.002)


def test_permutation_test_by_hand():
    # Of the 10 pairs out of 5 values, (9, 8) alone differs as much: one, and none the other way.
    assert intervals.difference([9.0, 8.0], [1.0, 2.0, 3.0]).p_value == pytest.approx(0.1)
    # (1, 2) is at both ends: it and its complement are all that is as extreme of 6.
    assert intervals.difference([1.0, 2.0], [3.0, 4.0]).p_value == pytest.approx(2 / 6)


def test_permutation_test_agrees_with_scipy():
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=4), generator.normal(0.9, 1, size=7)
    known = scipy.stats.permutation_test(
        (first, second),
        lambda a, b, axis: abs(a.mean(axis) - b.mean(axis)),
        alternative="greater",
        n_resamples=np.inf,
        vectorized=True,
    )
    found = intervals.difference(first, second)
    assert found.p_value == pytest.approx(known.pvalue)
    assert found.interval.estimate == pytest.approx(first.mean() - second.mean())


@pytest.mark.parametrize("sizes", [(3, 24), (10, 10)])
def test_difference_covers_the_truth_and_keeps_its_level(sizes):
    generator = np.random.default_rng(1)
    covered = rejected = 0
    repetitions = 150
    for seed in range(repetitions):
        second = generator.normal(size=sizes[1])
        noise = generator.normal(size=sizes[0])
        shifted = intervals.difference(noise + 0.7, second, seed)
        covered += shifted.interval.low <= 0.7 <= shifted.interval.high
        same = intervals.difference(noise, second, seed)
        rejected += same.significant
        assert same.significant == (same.p_value <= 0.05)
        assert not same.significant or not same.interval.low <= 0 <= same.interval.high
    assert 0.89 < covered / repetitions < 0.99
    assert 0 < rejected / repetitions < 0.11


def test_three_against_three_can_show_nothing():
    difference = intervals.difference([0.9, 0.91, 0.92], [0.1, 0.11, 0.12])
    assert difference.p_value == pytest.approx(0.1)
    assert (difference.interval.low, difference.interval.high) == (-math.inf, math.inf)
    assert not difference.significant


def test_equal_groups_do_not_differ():
    difference = intervals.difference([0.5] * 4, [0.5] * 6)
    assert difference.p_value == 1
    assert not difference.significant
    assert difference.interval.low == pytest.approx(0, abs=1e-8)


def test_difference_of_intervals_by_hand():
    first = intervals.Interval(0.85, 0.85 - 0.03, 0.85 + 0.04)
    second = intervals.Interval(0.80, 0.80 - 0.03, 0.80 + 0.04)
    difference = intervals.difference_of_intervals(first, second)
    # Ends add like errors: of the first below and of the second above, 0.03 and 0.04.
    assert difference.interval == pytest.approx((0.05, 0.0, 0.1))
    assert difference.p_value is None


def test_rank_correlations():
    order = np.arange(20)
    same = intervals.rank_correlations(order, order**3)
    assert same["spearman"].estimate == pytest.approx(1)
    assert same["kendall"].estimate == pytest.approx(1)
    # Of 6 pairs one is turned round: (5 - 1) / 6; the squares of the rank differences add to 2.
    almost = intervals.rank_correlations([1, 2, 3, 4], [1, 2, 4, 3])
    assert almost["kendall"].estimate == pytest.approx(4 / 6)
    assert almost["spearman"].estimate == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert almost["kendall"].low == -math.inf
    assert math.isnan(intervals.rank_correlations([1, 1, 1], [1, 2, 3])["kendall"].estimate)


def test_the_same_order_of_few_pairs_is_not_certain():
    for name, found in intervals.rank_correlations([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]).items():
        assert found.estimate == pytest.approx(1), name
        assert 0 < found.low < 0.7 and found.high >= found.estimate, name
    turned = intervals.rank_correlations([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])["spearman"]
    assert turned.low <= turned.estimate == pytest.approx(-1) and -0.7 < turned.high < 0


def test_rank_correlation_intervals_cover_the_truth():
    generator = np.random.default_rng(2)
    rho = 0.6
    truth = {"spearman": 6 / math.pi * math.asin(rho / 2), "kendall": 2 / math.pi * math.asin(rho)}
    hits = dict.fromkeys(truth, 0)
    for _ in range(500):
        first = generator.normal(size=24)
        second = rho * first + math.sqrt(1 - rho**2) * generator.normal(size=24)
        found = intervals.rank_correlations(first, second)
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    assert all(0.91 < number / 500 < 0.98 for number in hits.values())
