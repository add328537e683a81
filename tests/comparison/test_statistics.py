"""Noise, distinct networks, equal compute."""

import math

import numpy as np
import pytest
import synthetic

from tunas_tf.comparison import statistics
from tunas_tf.comparison.intervals import Interval


def test_noise_by_hand():
    results = [
        synthetic.result("random", 0, 0.80, seed=0),
        synthetic.result("random", 0, 0.84, seed=1),
        synthetic.result("random", 1, 0.70, seed=0),
        synthetic.result("random", 1, 0.70, seed=1),
        synthetic.result("random", 1, 0.76, seed=2),
        synthetic.result("random", 2, 0.1, seed=0),  # Once: tells nothing.
    ]
    noise = statistics.noise(results)
    # Squares about the means: 2 x 0.02^2 and 2 x 0.02^2 + 0.04^2, with 1 + 2 degrees of freedom.
    assert noise.deviation.estimate == pytest.approx(math.sqrt((0.0008 + 0.0024) / 3))
    assert (noise.num_networks, noise.num_trainings) == (2, 5)


def test_the_same_seed_twice_is_no_noise():
    results = [synthetic.result(seed=5), synthetic.result(accuracy=0.9, seed=5)]
    assert statistics.noise(results) == (None, 0, 0)


def test_noise_interval_covers_the_truth():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        results = [
            synthetic.result("random", network, 0.8 + generator.normal(0, 0.01), seed=seed)
            for network in range(4)
            for seed in range(3)
        ]
        interval = statistics.noise(results).deviation
        hits += interval.low <= 0.01 <= interval.high
    assert 0.91 < hits / 300 < 0.985


def test_noise_of_another_metric():
    results = [
        synthetic.result(seed=seed, validation_accuracy=0.5 + 0.1 * seed) for seed in range(2)
    ]
    assert statistics.noise(results).deviation == Interval(0, 0, 0)
    noise = statistics.noise(results, "validation_accuracy")
    assert noise.deviation.estimate == pytest.approx(0.1 / math.sqrt(2))


def test_distinct_networks_count_once():
    results = [
        synthetic.result("random", 0, 0.9, seed=1),
        synthetic.result("random", 1),
        synthetic.result("random", 0, 0.8, seed=0),
        synthetic.result("random", 0, filters_multiplier=2.0),
    ]
    assert statistics.distinct(results) == [results[1], results[2], results[3]]


def test_equal_compute():
    found = [
        synthetic.result("tunas", 0, search_seconds=300.0, search_madds=1e12),
        synthetic.result("tunas", 1, search_seconds=500.0, search_madds=2e12, seconds=200.0),
    ]
    random = [synthetic.result("random", n, seconds=50.0 * (n + 1)) for n in range(3)]
    seconds = statistics.compute_of(found, random, "seconds")
    assert (seconds.search, seconds.retraining, seconds.network) == (400, 150, 100)
    assert seconds.equal_n == 5.5
    madds = statistics.compute_of(found, random)
    assert madds.equal_n == pytest.approx(2.5)
