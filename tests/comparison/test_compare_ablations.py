"""Which settings an ablation compares, and how many searches until one hits the target."""

import dataclasses

import matplotlib.image
import numpy as np
import pytest
import tiny_comparison

from tunas_tf.comparison import ablations, pictures
from tunas_tf.comparison.plan import Found, Search
from tunas_tf.comparison.runner import Runner

SETTINGS = {
    "increase_filters_warmup_steps_fraction": 0.0,
    "increase_ops_warmup_steps_fraction": 0.25,
    "rl_cost_model_exponent": -0.07,
    "rl_delay_steps_fraction": 0.5,
    "rl_reward_function": "mnas",
    "use_exponential_rl_learning_rate_schedule": True,
}


@pytest.mark.parametrize(
    "hits, needed",
    [
        ([True, True, True], 1.0),
        # From the first seed: 2 searches, from the second: 1, from the third: 3.
        ([False, True, False], 2.0),
        # 1, 4, 3, 2.
        ([True, False, False, False], 2.5),
        ([False, False], None),
    ],
)
def test_searches_needed(hits, needed):
    assert ablations.searches_needed(hits) == needed


def test_summary_and_table():
    costs = {
        "abs": {"argmax": [100.0, 101.0], "feasible": [99.5, 100.5]},
        "mnas": {"argmax": [90.0, 110.0], "feasible": [99.0, 101.0]},
    }
    rows = ablations.summarize(costs, target=100.0, tolerance=0.01)
    found = {(row["value"], row["rule"]): row for row in rows}
    assert len(rows) == 4
    assert found["abs", "argmax"]["distances"] == pytest.approx([0.0, 0.01])
    assert found["abs", "argmax"]["mean_distance"] == pytest.approx(0.005)
    assert (found["abs", "argmax"]["needed"], found["abs", "argmax"]["one_search"]) == (1.0, 1.0)
    assert found["mnas", "argmax"]["mean_distance"] == pytest.approx(0.1)
    assert found["mnas", "argmax"]["needed"] is None
    assert found["mnas", "argmax"]["one_search"] == 0.0
    assert found["mnas", "feasible"]["needed"] == 1.0
    text = ablations.to_text({"reward": rows}, 0.01)
    assert "within 1.0%" in text.splitlines()[0]
    (line,) = [line for line in text.splitlines() if "mnas" in line and "argmax" in line]
    assert "10.00%" in line and "none hits" in line and "0% of seeds" in line


def test_variants_name_what_differs_from_the_search():
    def changes(name):
        return {v.value: dict(v.changes) for v in ablations.variants(name, SETTINGS)}

    assert changes("reward") == {
        "abs": {"rl_reward_function": "abs"},
        "mnas": {},
        "mnas_hard": {"rl_reward_function": "mnas_hard"},
    }
    assert changes("operation_warmup") == {
        "on": {},
        "off": {"increase_ops_warmup_steps_fraction": 0.0},
    }
    assert changes("filter_warmup") == {
        "on": {"increase_filters_warmup_steps_fraction": 0.5},
        "off": {},
    }
    assert list(changes("exponent")) == ["-0.05", "-0.07", "-0.1", "-0.2"]
    assert changes("schedule")["constant"] == {"use_exponential_rl_learning_rate_schedule": False}


def test_the_unchanged_search_is_that_of_the_comparison():
    _, mnas, hard = ablations.variants("reward", SETTINGS)
    assert ablations.search_of("reward", mnas, 3) == Search("seed3", 3)
    assert ablations.search_of("reward", hard, 3) == Search(
        "reward=mnas_hard_seed3", 3, (("rl_reward_function", "mnas_hard"),)
    )


def test_tables_and_pictures_of_the_searches_that_are_done(image_folder, tmp_path):
    comparison = tiny_comparison.comparison(tmp_path, image_folder)
    searches = tuple(
        tuple(ablations.search_of("reward", variant, seed) for seed in range(3))
        for variant in ablations.variants("reward", comparison.settings)
    )
    nothing_else = dataclasses.replace(
        tiny_comparison.extent(comparison, 0, 0), references=(), ablations={"reward": searches}
    )
    runner = Runner(comparison, nothing_else, seed=0)
    # Those of the usual reward are searches of the comparison, no others are needed.
    assert [search.name for search in searches[0]] == ["seed0", "seed1", "seed2"]
    assert runner.counts() == {"search": 9}
    assert runner.ablations() == {}
    target = comparison.target
    for name, cost in (("seed0", 1.2), ("seed1", 2.0), ("reward=mnas_seed2", 0.5)):
        costs = {"argmax": cost * target, "feasible": target}
        runner.found[name] = Found(1.0, 1.0, {}, costs)
    rows = runner.ablations()["reward"]
    found = {(row["value"], row["rule"]): row for row in rows}
    assert set(found) == {(v, r) for v in ("abs", "mnas") for r in ("argmax", "feasible")}
    # Within 30 %: the first of two.
    assert found["abs", "argmax"]["needed"] == 1.5
    assert found["mnas", "argmax"]["distances"] == pytest.approx([-0.5])

    path = str(tmp_path / "ablation.png")
    pictures.ablation("reward", rows, 0.3, path)
    pixels = matplotlib.image.imread(path)[..., :3]
    assert np.mean(np.any(pixels < 0.9, axis=-1)) > 0.005
