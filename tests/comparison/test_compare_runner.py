"""A whole comparison in one process: what it does, what it leaves, what it does not do again."""

import collections
import json
import os

import matplotlib.image
import numpy as np
import pytest
import tiny_comparison

from tunas_tf.common.errors import InputError
from tunas_tf.comparison import intervals, outcome, results
from tunas_tf.comparison.jobs import Jobs
from tunas_tf.comparison.plan import Evolution, Search, Training
from tunas_tf.comparison.runner import Runner
from tunas_tf.search_space import arithmetic
from tunas_tf.training import analysis


def compare(comparison, num_random, num_searches=1, jobs=None):
    """Returns the runner, and the items that it did."""
    extent = tiny_comparison.extent(comparison, num_random, num_searches)
    runner = Runner(comparison, extent, seed=0)
    pool = tiny_comparison.InProcess(jobs or Jobs(comparison))
    runner.run(pool, tiny_comparison.Silence())
    return runner, pool.done


@pytest.fixture(scope="module", name="compared")
def _compared(image_folder, tmp_path_factory):
    comparison = tiny_comparison.comparison(tmp_path_factory.mktemp("compared"), image_folder)
    return comparison, *compare(comparison, num_random=3)


def test_every_network_is_trained_and_noted(compared):
    comparison, runner, _ = compared
    assert runner.failures == []
    found = results.read(comparison.path("results.jsonl"))
    assert found == runner.results
    kinds = collections.Counter(result.kind for result in found)
    # Three random networks, the first of them twice.
    assert kinds == {"random": 4, "reference": 1, "tunas": 1, "evolution": 1}
    networks = {result.network for result in results.of_kind(found, "random")}
    assert len(networks) == 3
    low, high = comparison.window
    for result in found:
        assert low <= result.cost <= high
        assert result.test_accuracy * 10 == pytest.approx(round(result.test_accuracy * 10))
        assert result.validation_accuracy * 12 == pytest.approx(
            round(result.validation_accuracy * 12)
        )
        # At this cost model the cost is the number of multiply-adds: 9 steps of 8 images.
        assert result.training_madds == 3 * result.cost * 9 * 8
        assert result.seconds > 0
    assert os.listdir(comparison.path("networks")) == []


def test_searches_are_ordinary_runs(compared):
    comparison, runner, _ = compared
    result = analysis.analyze(comparison.path("searches", "seed0"), "feasible")
    assert result.step == 9
    (tunas,) = results.of_kind(runner.results, "tunas")
    assert tunas.indices == ":".join(map(str, result.selections["feasible"].indices))
    found = runner.found["seed0"]
    assert (tunas.search_seconds, tunas.search_madds) == (found.seconds, found.madds)
    assert found.costs["argmax"] == result.selections["argmax"].cost
    # Evolution comes on top of its search.
    (evolved,) = results.of_kind(runner.results, "evolution")
    assert evolved.search_seconds > found.seconds
    count = comparison.supernet_count
    assert evolved.search_madds >= found.madds + 6 * 12 * count.network((0, 0, 1, 0, 0, 1))


def test_the_outcome(compared):
    comparison, runner, _ = compared
    text = outcome.write(comparison, runner.results, {}, {"seed": 0})
    assert "noise of one training" in text and "rank correlation" in text
    with open(comparison.path("summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    assert list(summary)[:2] == ["version", "noise"]
    assert summary["noise"]["trainings"] >= 2
    assert summary["fidelity"]["seed0"]["networks"] == 3
    assert summary["evolution"]["seed0"]["candidates"] == 6
    assert summary["machine"]["cores"] == os.cpu_count()
    assert comparison.directory not in json.dumps(summary)
    pictures = {name for name in os.listdir(comparison.directory) if name.endswith(".png")}
    assert pictures == {
        "best_of_random_networks.png",
        "evolution_on_shared_weights.png",
        "one_shot_fidelity.png",
        "test_accuracy_over_cost.png",
    }
    for name in pictures:
        pixels = matplotlib.image.imread(comparison.path(name))[..., :3]
        assert np.mean(np.any(pixels < 0.9, axis=-1)) > 0.005, name


def test_what_is_there_is_not_done_again(compared):
    comparison, before, _ = compared
    runner, done = compare(comparison, num_random=3)
    assert done == []
    assert runner.results == before.results and runner.found == before.found


def test_what_is_missing_is_to_be_done(compared, image_folder, tmp_path):
    """After a kill, or when more is asked for; and nothing else."""
    comparison, runner, _ = compared
    extent = tiny_comparison.extent(comparison, 5)
    # Two more random networks: their trainings and their accuracies with shared weights.
    assert Runner(comparison, extent, 0).counts() == {"fidelity": 1, "training (random)": 2}
    content = open(comparison.path("results.jsonl"), encoding="utf-8").read().splitlines()
    copy = tiny_comparison.comparison(tmp_path, image_folder)
    os.symlink(comparison.path("searches"), copy.path("searches"))
    with open(copy.path("results.jsonl"), "w", encoding="utf-8") as file:
        file.write("\n".join(content[:2]) + "\n" + content[2][:40])  # Killed in mid-line.
    again = Runner(copy, tiny_comparison.extent(copy, 3), 0)
    assert sum(n for name, n in again.counts().items() if "training" in name) == len(
        [result for result in runner.results[2:] if result.kind != "evolution"]
    )
    assert again.counts()["evolution"] == 1


class _Failing:
    """Makes up results; one training cannot be done."""

    def __init__(self, comparison, error):
        self.comparison = comparison
        self.error = error

    def __call__(self, item):
        if isinstance(item, (Search, Evolution)) or item.seed == 1:
            raise self.error
        architecture = item.network.architecture
        return results.Result(
            kind=item.kind,
            ssd=architecture.ssd,
            indices=":".join(map(str, architecture.indices)),
            cost=item.network.cost,
            seed=item.seed,
            validation_accuracy=0.5,
            test_accuracy=0.5,
            seconds=1.0,
            training_madds=1.0,
        )


@pytest.mark.parametrize("error, is_defect", [(InputError("no."), False), (KeyError("x"), True)])
def test_after_a_failure_the_others_go_on(image_folder, tmp_path, error, is_defect):
    comparison = tiny_comparison.comparison(tmp_path, image_folder)
    runner, done = compare(comparison, 3, jobs=_Failing(comparison, error))
    # The search, and a random network; what the search would have brought is left out.
    assert len(runner.failures) == 2 and runner.has_defect == is_defect
    assert "search seed0 failed" in runner.failures[0]
    assert len(results.read(comparison.path("results.jsonl"))) == len(done) - 2 == 4
    assert outcome.write(comparison, runner.results, {}, {})
    # What failed is tried again.
    again = Runner(comparison, tiny_comparison.extent(comparison, 3), 0)
    assert again.counts() == {"search": 1, "training (random)": 1}


def test_seeds_of_trainings_differ(image_folder, tmp_path):
    comparison = tiny_comparison.comparison(tmp_path, image_folder)
    trainings = tiny_comparison.extent(comparison, 6).trainings(seed=4)
    assert all(isinstance(training, Training) for training in trainings)
    assert len({training.name for training in trainings}) == len(trainings) == 6 + 1 + 1
    madds = [comparison.training_madds(training.network) for training in trainings]
    expected = [
        3 * 9 * 8 * arithmetic.count(training.network.architecture, 16, 2).madds
        for training in trainings
    ]
    assert madds == expected


def test_a_rounding_error_is_no_difference():
    nothing = intervals.Difference(intervals.Interval(-2e-16, -2e-16, -2e-16), None)
    little = intervals.Difference(intervals.Interval(-2e-4, -3e-4, -1e-4), None)
    assert not nothing.significant and little.significant
