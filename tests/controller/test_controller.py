"""The controller as it is used in a search: reproducible, checkpointed, traceable."""

import nested_space
import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.controller import Controller, ControllerConfig


def _controller(**changes) -> Controller:
    settings = {
        "total_steps": 40,
        "train_batch_size": 256,
        "rl_learning_rate": 0.05,
        "rl_cost_model_target": 4.2,
        "rl_estimator": "control_variate",
        "rl_cost_samples": 8,
    }
    config = ControllerConfig(**{**settings, **changes})
    return Controller(nested_space.nested_space(), config, nested_space.TinyCosts())


def _run(controller, first, last, seed=5):
    """Steps `first` to `last - 1` of a search on a quality without noise."""

    @tf.function
    def step_function(step):
        sample = controller.sample(seed, step)
        return controller.update(sample, tf.reduce_sum(sample.masks[:, 0]) / 10, seed, step)

    for step in range(first, last):
        scalars = step_function(tf.constant(step, tf.int64))
    return {name: float(value) for name, value in scalars.items()}


def _state(controller) -> list[np.ndarray]:
    return [variable.numpy() for variable in tf.nest.flatten(controller.state)]


def test_starts_uniform():
    controller = _controller()
    p = controller.probabilities().numpy()
    assert p.tolist() == [[pytest.approx(1 / 3)] * 3] + [[0.5, 0.5, 0.0]] * 4


def test_samples_depend_on_seed_and_step_only():
    controller, other = _controller(), _controller()

    def draw(controller, seed, step):
        return tf.nest.map_structure(np.array, controller.sample(seed, step))

    for step in range(12):
        first, second = draw(controller, 3, step), draw(other, 3, tf.constant(step, tf.int64))
        assert all(np.array_equal(a, b) for a, b in zip(first, second))
    distinct = {
        draw(controller, seed, step).indices.tobytes() for seed in (1, 2) for step in range(20)
    }
    assert len(distinct) > 15


def test_warmup_follows_the_step():
    controller = _controller()
    assert np.all(controller.sample(1, 0).replaced)
    assert not any(np.any(controller.sample(1, step).replaced) for step in range(10, 40))


def test_scalars():
    scalars = _run(_controller(), 0, 30)
    assert set(scalars) == {
        "quality",
        "reward",
        "step_baseline",
        "baseline",
        "advantage",
        "log_prob",
        "estimated_cost",
        "expected_cost",
        "cost_ratio",
        "cost_adjustment",
        "learning_rate",
        "increase_ops_prob",
        "increase_filters_prob",
    }
    assert all(np.isfinite(value) for value in scalars.values())


@pytest.mark.parametrize("estimator", ["reinforce", "control_variate"])
def test_resumed_search_continues_as_if_it_had_not_stopped(tmp_path, estimator):
    whole = _controller(rl_estimator=estimator)
    _run(whole, 0, 30)
    first = _controller(rl_estimator=estimator)
    _run(first, 0, 17)
    path = tf.train.Checkpoint(controller=first).write(str(tmp_path / "checkpoint"))
    second = _controller(rl_estimator=estimator)
    tf.train.Checkpoint(controller=second).read(path).assert_consumed()
    _run(second, 17, 30)
    for expected, value in zip(_state(whole), _state(second)):
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert np.any(whole.state.logits.numpy() != 0)


def test_nothing_is_trained_by_the_optimizer_of_the_weights():
    assert _controller().trainable_variables == ()


def test_the_expected_cost_approaches_the_target():
    costs = nested_space.TinyCosts()
    for target in (float(np.min(costs.cost_of)) + 0.1, float(np.max(costs.cost_of)) - 0.1):
        controller = _controller(
            total_steps=150, rl_cost_model_target=target, rl_cost_model_exponent=-10.0
        )
        distance = abs(float(costs.expected_cost(controller.probabilities())) / target - 1)
        _run(controller, 0, 150)
        final = abs(float(costs.expected_cost(controller.probabilities())) / target - 1)
        assert final < distance / 3
