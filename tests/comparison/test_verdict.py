"""The verdict on results whose truth is known."""

import json

import numpy as np
import pytest
import synthetic

from tunas_tf.common.errors import InputError
from tunas_tf.comparison import best_of_n, intervals, verdict


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr(best_of_n, "_NUM_RESAMPLES", 1000)
    monkeypatch.setattr(intervals, "NUM_RESAMPLES", 3000)


def _results(
    advantage: float, num_searches=4, num_random=24, search_madds=3e12, search_seconds=300.0
):
    """Searches that find networks better than the mean of random ones by `advantage`."""
    generator = np.random.default_rng(7)

    def accuracies(quality):
        return {
            "validation_accuracy": quality + generator.normal(0, 0.002),
            "test_accuracy": quality + generator.normal(0, 0.002),
        }

    found = [
        synthetic.result(
            "tunas",
            number,
            search_seed=number,
            search_madds=search_madds,
            search_seconds=search_seconds,
            **accuracies(0.8 + advantage),
        )
        for number in range(num_searches)
    ]
    random = [
        synthetic.result("random", number, **accuracies(0.8 + generator.normal(0, 0.01)))
        for number in range(num_random)
    ]
    again = [synthetic.result("random", 0, seed=seed, **accuracies(0.8)) for seed in (1, 2)]
    return found + random + again


def _difference(summary, second):
    return next(d for d in summary["differences"] if d["second"] == second)


def test_a_search_that_wins():
    summary = verdict.summarize(_results(0.05))
    assert summary["verdict"][0] == "At equal compute, TuNAS beats random search."
    assert _difference(summary, "random")["significant"]
    assert _difference(summary, "random")["difference"] == pytest.approx(0.05, abs=0.006)
    # 3 x 10^12 of the search and 10^12 of the retraining, 10^12 for a random network.
    madds = summary["compute"]["training_madds"]
    assert madds["equal_n"] == pytest.approx(4)
    assert madds["compared_n"] == 4
    assert madds["best_of_compared_n"]["mean"] == summary["best_of_n"][3]["mean"]
    assert madds["difference"]["difference"] == pytest.approx(
        summary["means"]["tunas"]["mean"] - summary["best_of_n"][3]["mean"]
    )
    assert summary["catch_up"]["n"] is None
    assert any("better than random networks by" in line for line in summary["verdict"])


def test_a_search_that_is_better_than_one_but_not_at_equal_compute():
    # 20 random networks for the price of one search: their best is about 0.013 above the mean.
    summary = verdict.summarize(_results(0.011, search_madds=19e12, search_seconds=1900.0))
    assert _difference(summary, "random")["significant"]
    assert summary["compute"]["seconds"]["compared_n"] == 20
    assert not summary["compute"]["seconds"]["difference"]["significant"]
    assert "no significant difference" in summary["verdict"][0]
    assert 5 <= summary["catch_up"]["n"] <= 24


def test_a_search_that_loses():
    summary = verdict.summarize(_results(-0.04))
    assert summary["verdict"][0] == "At equal compute, random search beats TuNAS."
    assert any("TuNAS is worse than random networks by" in line for line in summary["verdict"])
    assert summary["catch_up"]["n"] == 1


def test_a_search_that_makes_no_difference():
    summary = verdict.summarize(_results(0.0, search_madds=0.0, search_seconds=0.0))
    assert "no significant difference" in summary["verdict"][0]
    assert not _difference(summary, "random")["significant"]
    text = " ".join(summary["verdict"])
    assert "No significant difference between TuNAS and random networks" in text


def test_the_answer_may_depend_on_the_compute():
    summary = verdict.summarize(_results(0.02, search_madds=0.0, search_seconds=2100.0))
    assert "depends on how compute is counted" in summary["verdict"][0]


def test_fewer_networks_than_equal_compute_pays_for():
    summary = verdict.summarize(_results(0.05, num_random=6, search_madds=30e12))
    assert summary["compute"]["training_madds"]["compared_n"] == 5
    assert any("which favours TuNAS" in line for line in summary["verdict"])


def test_noise_comes_before_every_difference():
    lines = verdict.summarize(_results(0.05))["verdict"]
    noise = next(number for number, line in enumerate(lines) if line.startswith("Noise: one"))
    assert noise < min(n for n, line in enumerate(lines) if "percentage points (95 %" in line)
    alone = verdict.summarize([synthetic.result("tunas", search_seed=0)])
    assert "noise of the metric is unknown" in alone["verdict"][0]


def test_two_searches_that_find_the_same_network_both_count():
    found = [synthetic.result("tunas", 0, 0.8 + 0.01 * seed, search_seed=seed) for seed in range(3)]
    assert verdict.summarize(found)["means"]["tunas"]["networks"] == 3
    # Trained again, it says something about noise only.
    again = synthetic.result("tunas", 0, 0.9, search_seed=0, seed=1)
    summary = verdict.summarize([*found, again])
    assert summary["means"]["tunas"]["networks"] == 3
    assert summary["means"]["tunas"]["mean"] == pytest.approx(0.81)


def test_summary_is_json_even_where_nothing_bounds():
    kinds = ("tunas", "random", "reference", "evolution")
    summary = verdict.summarize([synthetic.result(kind) for kind in kinds])
    text = json.dumps(summary, allow_nan=False)
    assert json.loads(text) == summary
    assert summary["means"]["tunas"]["low"] is None
    assert summary["verdict"][0] == "There are too few random networks to compare with."


def test_nothing_to_summarize():
    with pytest.raises(InputError, match="no results to compare"):
        verdict.summarize([])
