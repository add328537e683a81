"""One update of the controller: the published recipe by hand, and unbiased gradients."""

import dataclasses

import nested_space
import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.controller import distribution, estimators, sampling
from tunas_tf.controller.choice_table import ChoiceTable
from tunas_tf.controller.config import ControllerConfig
from tunas_tf.controller.learner import Learner
from tunas_tf.controller.state import Replicas

TABLE = ChoiceTable.of(nested_space.nested_space())
SEED = tf.constant([1, 2])
ALONE = Replicas(1, lambda values: values)

# 256 examples per step, so that rl_learning_rate is the learning rate; no delay or warmup.
PLAIN = ControllerConfig(
    total_steps=100,
    train_batch_size=256,
    rl_learning_rate=0.1,
    use_exponential_rl_learning_rate_schedule=False,
    rl_delay_steps_fraction=0.0,
    increase_ops_warmup_steps_fraction=0.0,
    increase_filters_warmup_steps_fraction=0.0,
)


def _sample(indices) -> sampling.Sample:
    indices = np.asarray(indices)
    return sampling.Sample(
        nested_space.masks_of(indices),
        tf.constant(indices, tf.int32),
        tf.zeros(indices.shape, tf.bool),
    )


def _update(learner, state, sample, quality, step=0, replicas=ALONE):
    return learner.update(state, sample, tf.constant(quality), SEED, step, replicas)


def test_reinforce_by_hand():
    """Filters 0 of uniform logits, twice: qualities 0.4 and 0.8, with baseline 0.95."""
    learner = Learner(PLAIN, TABLE, None)
    sample = _sample([0, 0, 0, 1, 0])
    state, scalars = _update(learner, learner.initial_state(), sample, 0.4)
    # The baseline is the reward itself, so the first advantage is 0 and nothing moves.
    assert float(scalars["advantage"]) == pytest.approx(0.0, abs=1e-6)
    state, scalars = _update(learner, state._replace(logits=tf.zeros([5, 3])), sample, 0.8)
    # Baseline 0.059 / 0.0975 = 0.6051282, advantage 0.1948718, score +-0.5.
    assert float(scalars["baseline"]) == pytest.approx(0.6051282, rel=1e-5)
    assert float(scalars["advantage"]) == pytest.approx(0.1948718, rel=1e-4)
    # g = +-0.0974359 at the second update: v = 0.001 g^2, step = 0.1 sqrt(0.001999 / 0.001).
    step = 0.1 * np.sqrt(1.999)
    expected = np.zeros([5, 3])
    expected[3, :2] = [-step, step]
    expected[4, :2] = [step, -step]
    assert state.logits.numpy() == pytest.approx(expected, rel=1e-3)
    assert float(state.second_moment[4, 0]) == pytest.approx(0.001 * 0.0974359**2, rel=1e-3)
    assert float(scalars["log_prob"]) == pytest.approx(-np.log(4))


def test_cost_scalars_by_hand():
    config = dataclasses.replace(PLAIN, rl_cost_model_target=5.0, rl_cost_model_exponent=-0.2)
    costs = nested_space.TinyCosts()
    learner = Learner(config, TABLE, costs)
    _, scalars = _update(learner, learner.initial_state(), _sample([1, 0, 0, 0, 1]), 0.4)
    cost = float(costs.cost(tf.constant([1, 0, 0, 0, 1])))
    assert float(scalars["estimated_cost"]) == pytest.approx(cost, rel=1e-5)
    assert float(scalars["cost_ratio"]) == pytest.approx(cost / 5, rel=1e-5)
    adjustment = -0.2 * abs(cost / 5 - 1)
    assert float(scalars["cost_adjustment"]) == pytest.approx(adjustment, rel=1e-4)
    assert float(scalars["reward"]) == pytest.approx(0.4 + adjustment, rel=1e-5)
    assert float(scalars["quality"]) == pytest.approx(0.4)
    # Uniform logits: all 48 architectures are equally likely.
    assert float(scalars["expected_cost"]) == pytest.approx(np.mean(costs.cost_of), rel=1e-5)


def test_without_cost_model_the_reward_is_the_quality():
    learner = Learner(PLAIN, TABLE, None)
    _, scalars = _update(learner, learner.initial_state(), _sample([0] * 5), 0.4)
    assert float(scalars["reward"]) == pytest.approx(0.4)
    assert not any("cost" in name for name in scalars)


@pytest.mark.parametrize("estimator", ["reinforce", "control_variate"])
def test_delay_moves_nothing_but_gathers_the_second_moment(estimator):
    config = dataclasses.replace(
        PLAIN, rl_delay_steps_fraction=0.25, rl_estimator=estimator, rl_cost_model_target=5.0
    )
    learner = Learner(config, TABLE, nested_space.TinyCosts())
    state = learner.initial_state()
    for step, quality in ((0, 0.1), (24, 0.9)):
        state, scalars = _update(learner, state, _sample([0] * 5), quality, step)
        assert float(scalars["learning_rate"]) == 0
    assert np.all(state.logits == 0.0)
    assert np.any(state.second_moment > 0)
    state, scalars = _update(learner, state, _sample([0] * 5), 0.5, step=25)
    assert float(scalars["learning_rate"]) == pytest.approx(0.1)
    assert np.any(state.logits != 0.0)


def test_warmup_samples_teach_only_what_was_not_replaced():
    warmup = dataclasses.replace(
        PLAIN,
        rl_delay_steps_fraction=0.5,
        increase_ops_warmup_steps_fraction=0.5,
        rl_cost_model_target=5.0,
    )
    costs = nested_space.TinyCosts()
    learner = Learner(warmup, TABLE, costs)
    replaced = tf.constant([False, False, True, True, False])
    masks = tf.where(replaced[:, None], TABLE.warmup_masks, nested_space.masks_of([0] * 5))
    sample = sampling.Sample(masks, tf.zeros([5], tf.int32), replaced)
    state = learner.initial_state()
    for quality in (0.1, 0.9):
        state, scalars = _update(learner, state, sample, quality, step=10)
    moments = state.second_moment.numpy()
    assert np.all(moments[[2, 3]] == 0)
    assert np.all(moments[[0, 1, 4]][:, :2] > 0)
    # At step 10 of 50, p = 0.8. Kernel log(0.2 / 3), expansion log(1/2), two replaced
    # operations log 0.8 each, filters log(1/2).
    assert float(scalars["increase_ops_prob"]) == pytest.approx(0.8)
    assert float(scalars["log_prob"]) == pytest.approx(
        np.log(0.2 / 3 * 0.5 * 0.8**2 * 0.5), rel=1e-5
    )
    # Kernel 3, expansion 0, filters 0 are fixed; type and layer are averaged.
    averaged = [[0, 0, kind, layer, 0] for kind in (0, 1) for layer in (0, 1)]
    mean_cost = np.mean(costs.cost(tf.constant(averaged)))
    assert float(scalars["estimated_cost"]) == pytest.approx(mean_cost, rel=1e-5)


def test_entropy_is_a_step_of_its_own():
    """Not scaled by Adam: logits += learning rate * weight * d entropy / d logits."""
    logits = nested_space.random_logits(0)
    results = []
    for weight in (0.0, 0.3):
        config = dataclasses.replace(PLAIN, rl_entropy_regularization=weight)
        learner = Learner(config, TABLE, None)
        state = learner.initial_state()._replace(logits=logits)
        results.append(_update(learner, state, _sample([0] * 5), 0.4)[0])
    change = results[1].logits - results[0].logits
    expected = 0.1 * 0.3 * distribution.entropy_gradient(logits, TABLE)
    assert change.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert np.array_equal(results[0].second_moment, results[1].second_moment)


@pytest.mark.parametrize("kind", ["abs", "mnas", "mnas_hard", None])
def test_control_variate_is_unbiased(kind):
    """The mean gradient over every architecture equals the exact one, for any slopes.

    Axis 0 repeats all 48 architectures, equally likely at uniform logits; the samples of the
    known part differ from row to row.
    """
    repeats = 200
    config = dataclasses.replace(
        PLAIN, rl_estimator="control_variate", rl_residual_weight=1.0, rl_cost_samples=16
    )
    costs = None
    if kind is not None:
        costs = nested_space.TinyCosts()
        config = dataclasses.replace(
            config,
            rl_reward_function=kind,
            rl_cost_model_target=4.2,
            rl_cost_model_exponent=-3.0,
        )
    learner = Learner(config, TABLE, costs)
    indices = np.tile(nested_space.all_indices(), [repeats, 1])
    qualities = 0.6 + 0.3 * nested_space.random_values(3)
    slopes = np.random.default_rng(4).normal(scale=0.1, size=[5, 3]).astype(np.float32)
    zeros = tf.zeros([len(indices), 5, 3])
    state = learner.initial_state((len(indices),))._replace(
        # Late enough that the average of earlier qualities is 0.55 without debiasing.
        quality_average=tf.fill([len(indices)], 0.55),
        regression=estimators.Regression(zeros + slopes, zeros),
        num_updates=tf.constant(1000),
    )
    state, _ = _update(
        learner, state, _sample(indices), np.tile(qualities, repeats).astype(np.float32)
    )
    # From zeros, v = 0.001 g^2, and the logits moved in the direction of g.
    gradients = np.sign(state.logits) * np.sqrt(state.second_moment.numpy() / 0.001)

    rewards = qualities
    if kind is not None:
        ratio = costs.cost_of.numpy() / 4.2
        factor = ratio**-3.0
        rewards = {
            "abs": qualities - 3.0 * np.abs(ratio - 1),
            "mnas": qualities * factor,
            "mnas_hard": qualities * np.minimum(factor, 1),
        }[kind]
    expected = nested_space.exact_gradient(tf.zeros([5, 3]), rewards)
    errors = gradients.std(axis=0) / np.sqrt(len(indices))
    assert np.all(np.abs(gradients.mean(axis=0) - expected) <= 4 * errors + 1e-5)
    assert np.abs(expected).max() > 5 * errors.max()


def test_residual_weight_by_hand():
    """Qualities 0.4 and 0.8: the first teaches the regression nothing, D = 0 then 0.4."""
    config = dataclasses.replace(PLAIN, rl_estimator="control_variate", rl_residual_weight=0.2)
    learner = Learner(config, TABLE, None)
    sample = _sample([0, 0, 0, 1, 0])
    state, _ = _update(learner, learner.initial_state(), sample, 0.4)
    assert np.all(state.second_moment == 0.0)
    state, _ = _update(learner, state, sample, 0.8)
    # g = 0.2 * 0.4 * score, with a score of +-0.5 for layer and filters.
    expected = np.zeros([5, 3])
    expected[3:, :2] = 0.001 * 0.04**2
    assert state.second_moment.numpy() == pytest.approx(expected, rel=1e-3)
    # Each sample has evidence 2 * 0.25; the first has decayed by 1 - 1 / 10. The prior is
    # 37 / 24: slope 0.4 * 0.5 / (37 / 24 + 0.9 * 0.5 + 0.5).
    slope = 0.2 / (37 / 24 + 0.95)
    assert state.regression.slopes[3].numpy() == pytest.approx([-slope, slope, 0.0], rel=1e-4)


def test_control_variate_finds_the_best_network_of_noisy_qualities():
    """With the default residual weight; one measurement is as noisy as networks differ.

    Without interactions, which would leave the objective more than one local optimum.
    """
    config = dataclasses.replace(
        PLAIN, total_steps=800, rl_learning_rate=0.02, rl_estimator="control_variate"
    )
    learner = Learner(config, TABLE, None)
    effects = np.random.default_rng(5).normal(size=[5, 3])
    masks = nested_space.masks_of(nested_space.all_indices())
    reached = distribution.activity(masks, TABLE).numpy()
    values = np.sum(reached[..., None] * masks * effects, axis=(1, 2))
    values /= values.std()
    of_index = tf.constant(values.reshape(nested_space.NUM_OPTIONS), tf.float32)

    @tf.function
    def search():
        state = learner.initial_state()
        for step in tf.range(config.total_steps):
            seed = tf.stack([step, 7])
            sample = learner.sample(state.logits, seed, step)
            noise = tf.random.stateless_normal([], seed + 1000)
            quality = tf.gather_nd(of_index, sample.indices) + noise
            state, _ = learner.update(state, sample, quality, seed, step, ALONE)
        return state.logits

    p = nested_space.architecture_probabilities(search()).numpy()
    assert np.sum(p * values) > np.max(values) - 0.1


def test_target_and_cost_model_come_together():
    with pytest.raises(InputError, match="rl_cost_model_target has no effect"):
        Learner(dataclasses.replace(PLAIN, rl_cost_model_target=5.0), TABLE, None)
    with pytest.raises(InputError, match="needs a target"):
        Learner(PLAIN, TABLE, nested_space.TinyCosts())
