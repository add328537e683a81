"""Evolution within a cost window: what it finds, what it asks for, resuming."""

import csv
import dataclasses

import example_spaces
import numpy as np
import pytest

from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.comparison import evolution
from tunas_tf.search_space import traversal

_SETTINGS = evolution.EvolutionSettings(
    population_size=12, num_generations=5, num_parents=4, mutation_probability=0.2, seed=1
)


@pytest.fixture(name="pixel1", scope="module")
def _pixel1():
    return cost_model.get("pixel1", search_space.get("proxylessnas_search"))


class _Quality:
    """Similarity to one network; counts how often it is asked, and can break down."""

    def __init__(self, wanted, calls_left=10**9):
        self.wanted = wanted
        self.calls_left = calls_left
        self.asked = []

    def __call__(self, indices):
        if not self.calls_left:
            raise KeyboardInterrupt
        self.calls_left -= 1
        self.asked.append(indices)
        return float(np.mean(np.equal(indices, self.wanted))) / 3


def _wanted(pixel1):
    return pixel1.space.reference_indices


def _evolve(pixel1, quality, path, settings=_SETTINGS):
    return evolution.evolve(pixel1, quality, settings, 80.0, 90.0, str(path))


def test_candidates_lie_in_the_window_and_are_logged(pixel1, tmp_path):
    quality = _Quality(_wanted(pixel1))
    found = _evolve(pixel1, quality, tmp_path / "candidates.csv")
    assert len(found) == 6 * 12
    assert all(80 <= candidate.cost <= 90 for candidate in found)
    assert len({candidate.indices for candidate in found}) == len(found) == len(quality.asked)
    assert [c.quality for c in found] == sorted((c.quality for c in found), reverse=True)
    with open(tmp_path / "candidates.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    by_number = sorted(found, key=lambda candidate: candidate.number)
    for row, candidate, asked in zip(rows, by_number, quality.asked, strict=True):
        assert search_space.parse_indices(row["indices"]) == candidate.indices == asked
        assert float(row["quality"]) == candidate.quality == _Quality(_wanted(pixel1))(asked)
        assert float(row["cost"]) == pytest.approx(float(pixel1.cost(asked)), abs=1e-9)
    origins = [candidate.origin for candidate in by_number]
    assert origins == ["random"] * 12 + (["mutation"] * 6 + ["crossover"] * 6) * 5


def test_it_beats_random_search(pixel1, tmp_path):
    settings = dataclasses.replace(_SETTINGS, population_size=20, num_generations=15)
    best = _evolve(pixel1, _Quality(_wanted(pixel1)), tmp_path / "a.csv", settings)[0]
    random = dataclasses.replace(_SETTINGS, population_size=20 * 16, num_generations=0)
    rival = _evolve(pixel1, _Quality(_wanted(pixel1)), tmp_path / "b.csv", random)[0]
    assert best.quality > rival.quality + 0.05


def test_it_finds_the_best_network_of_a_small_space(tmp_path):
    space = example_spaces.mixed_space()
    model = cost_model.get("madds", space)
    everything = example_spaces.all_indices(space)
    costs = model.cost(everything)
    low, high = np.quantile(costs, [0.4, 0.7])
    weights = np.random.default_rng(5).normal(size=everything.shape[1])
    inside = everything[(low <= costs) & (costs <= high)]

    def has_effect(row):
        # All choices of the space but the kernel of the layer that may be skipped.
        return [
            c.parent is None or row[c.parent[0]] == c.parent[1] for c in traversal.choices_of(space)
        ]

    def quality(indices):
        return float(np.dot(weights * has_effect(indices), indices))

    settings = evolution.EvolutionSettings(30, 12, 10, 0.2, 0.3)
    found = evolution.evolve(model, quality, settings, low, high, str(tmp_path / "c.csv"))
    assert found[0].quality == pytest.approx(max(map(quality, inside)))


@pytest.mark.parametrize("calls", [0, 5, 12, 40])
def test_resumed_search_has_the_same_outcome(pixel1, tmp_path, calls):
    whole = _Quality(_wanted(pixel1))
    expected = _evolve(pixel1, whole, tmp_path / "whole.csv")
    path = tmp_path / "stopped.csv"
    with pytest.raises(KeyboardInterrupt):
        _evolve(pixel1, _Quality(_wanted(pixel1), calls), path)
    with open(path, "a", encoding="utf-8") as file:
        file.write("999,3,muta")  # A kill in the middle of a line.
    rest = _Quality(_wanted(pixel1))
    assert _evolve(pixel1, rest, path) == expected
    assert rest.asked == whole.asked[calls:]
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_more_generations_continue_a_finished_search(pixel1, tmp_path):
    path = tmp_path / "candidates.csv"
    short = _evolve(pixel1, _Quality(_wanted(pixel1)), path)
    longer = dataclasses.replace(_SETTINGS, num_generations=7)
    quality = _Quality(_wanted(pixel1))
    found = _evolve(pixel1, quality, path, longer)
    assert len(quality.asked) == 2 * 12
    assert set(short) <= set(found)


def test_file_of_another_search(pixel1, tmp_path):
    path = tmp_path / "candidates.csv"
    _evolve(pixel1, _Quality(_wanted(pixel1)), path)
    other = dataclasses.replace(_SETTINGS, seed=2)
    with pytest.raises(InputError, match="candidate 0 in .* is another network"):
        _evolve(pixel1, _Quality(_wanted(pixel1)), path, other)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is no file of candidates"):
        _evolve(pixel1, _Quality(_wanted(pixel1)), path)
    with pytest.raises(InputError, match="cannot be used"):
        _evolve(pixel1, _Quality(_wanted(pixel1)), tmp_path / "no" / "where.csv")


def test_small_space_runs_dry(tmp_path):
    space = example_spaces.random_space(1, max_architectures=200)
    model = cost_model.get("madds", space)
    settings = evolution.EvolutionSettings(200, 2, 10, 0.5, 0.0)
    found = evolution.evolve(model, lambda i: 0.0, settings, 0, np.inf, str(tmp_path / "c.csv"))
    assert len(found) == search_space.num_distinct(space)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"population_size": 0}, "population_size is 0"),
        ({"num_parents": 0}, "num_parents is 0"),
        ({"num_generations": -1}, "num_generations is -1"),
        ({"mutation_probability": 0.0}, "mutation_probability is 0"),
        ({"crossover_fraction": 1.5}, "crossover_fraction is 1.5"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(_SETTINGS, **change)
