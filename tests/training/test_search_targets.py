"""Targets that are refused before a search, and watched during one."""

import pytest
import small_searches

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.common.errors import InputError
from tunas_tf.training import search_job


def test_a_target_that_no_network_hits_is_refused(small_space):
    cost_model = cost_model_lib.get("madds", small_space, 16, 2)
    search_job.require_network_at(cost_model, 1.02 * small_searches.TARGET, 0.03)
    with pytest.raises(InputError, match="no network of small costs between"):
        search_job.require_network_at(cost_model, 1.02 * small_searches.TARGET, 0.01)


def test_target_watch_warns_when_the_distance_does_not_shrink():
    # 100 steps after the delay: windows of 20 steps.
    def watch(distances):
        target_watch = search_job.TargetWatch(1.0, 0.01, first_step=100, total_steps=200)
        return [
            bool(target_watch(step, {"rlcontroller/expected_cost": 1.0 + distance}))
            for step, distance in distances
        ]

    assert watch([(50, 0.5), (99, 0.5), (100, 0.5), (110, 0.5), (119, 0.5), (120, 0.5)]) == [
        *[False] * 5,
        True,
    ]
    assert watch([(100, 0.5), (120, 0.4), (140, 0.3)]) == [False] * 3
    assert watch([(100, -0.5), (120, -0.49), (130, -0.49), (140, -0.49)]) == [
        False,
        True,
        False,
        True,
    ]
    assert watch([(100, 0.005), (120, 0.009)]) == [False, False]  # Within the tolerance.


def test_target_watch_compares_no_distance_with_itself():
    # --rl_delay_steps_fraction=1: the controller never learns.
    target_watch = search_job.TargetWatch(1.0, 0.01, first_step=200, total_steps=200)
    for step in (150, 200):
        assert target_watch(step, {"rlcontroller/expected_cost": 1.5}) is None
