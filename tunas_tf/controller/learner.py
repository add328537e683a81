"""One update of the controller, as a pure function of its state.

The tensors of a state may carry leading axes, for many searches at once. What differs
between replicas (samples, qualities, gradients) meets in `Replicas.mean` only.
"""

import dataclasses
from typing import Any, Callable, NamedTuple, Optional

import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.controller import baseline, distribution, estimators, rewards, sampling, schedules
from tunas_tf.controller.choice_table import ChoiceTable
from tunas_tf.controller.config import ControllerConfig
from tunas_tf.controller.optimizer import adam_step

__all__ = ["ControllerState", "Learner", "Replicas"]

# Part of a search that the regression of quality remembers: the shared weights move on.
_MEMORY_FRACTION = 0.1


class ControllerState(NamedTuple):
    """Everything that changes while the controller learns.

    Attributes:
      logits: float32 [..., C, K], zeros at the start.
      second_moment: float32 [..., C, K], of Adam.
      reward_average, quality_average: float32 [...], not debiased.
      regression: of the measured part of the reward; only "control_variate" learns it.
      num_updates: int32 [].
    """

    logits: Any
    second_moment: Any
    reward_average: Any
    quality_average: Any
    regression: estimators.Regression
    num_updates: Any


@dataclasses.dataclass(frozen=True)
class Replicas:
    """The replicas that learn together.

    Attributes:
      count: how many there are.
      mean: from a list of tensors of one replica to the list of their means over replicas.
    """

    count: int
    mean: Callable[[list], list]


def _scale(factor: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """factor [...] times matrix [..., C, K]."""
    return factor[..., tf.newaxis, tf.newaxis] * matrix


@dataclasses.dataclass(frozen=True)
class Learner:
    """What stays the same while the controller learns.

    Attributes:
      config: settings.
      table: the choices.
      cost_evaluator: None, or an object with `cost(indices [..., C]) -> [...]` and
        `expected_cost(masks [C, K]) -> []`, multilinear in the masks.
    """

    config: ControllerConfig
    table: ChoiceTable
    cost_evaluator: Optional[Any]

    def __post_init__(self):
        has_target = self.config.rl_cost_model_target is not None
        if has_target and self.cost_evaluator is None:
            raise InputError(
                "rl_cost_model_target has no effect without a cost model; leave it out, or "
                "enable the cost model."
            )
        if self.cost_evaluator is not None and not has_target:
            raise InputError("a cost model needs a target; give rl_cost_model_target.")

    def initial_state(self, leading_shape: tuple = ()) -> ControllerState:
        matrix = tf.zeros([*leading_shape, *self.table.valid.shape])
        scalar = tf.zeros(leading_shape)
        return ControllerState(
            logits=matrix,
            second_moment=matrix,
            reward_average=scalar,
            quality_average=scalar,
            regression=estimators.Regression(slopes=matrix, evidence=matrix),
            num_updates=tf.constant(0),
        )

    def learning_rate(self, step) -> tf.Tensor:
        return schedules.controller_learning_rate(
            step,
            self.config.total_steps,
            self.config.base_learning_rate,
            self.config.rl_delay_steps_fraction,
            self.config.use_exponential_rl_learning_rate_schedule,
        )

    def warmup_probabilities(self, step) -> tuple[tf.Tensor, tf.Tensor]:
        """Of operation and of filter choices."""
        return tuple(
            schedules.warmup_probability(step, self.config.total_steps, fraction)
            for fraction in (
                self.config.increase_ops_warmup_steps_fraction,
                self.config.increase_filters_warmup_steps_fraction,
            )
        )

    def sample(self, logits: tf.Tensor, seed: tf.Tensor, step) -> sampling.Sample:
        """Draws one architecture, with the warmups of `step`."""
        return sampling.sample(logits, self.table, seed, *self.warmup_probabilities(step))

    def update(
        self,
        state: ControllerState,
        sample: sampling.Sample,
        quality: tf.Tensor,
        seed: tf.Tensor,
        step,
        replicas: Replicas,
    ) -> tuple[ControllerState, dict[str, tf.Tensor]]:
        """Learns from one sample of every replica.

        Args:
          state: the same on all replicas.
          sample: what this replica drew from `state.logits` at this step.
          quality: float32 [...], its measured quality.
          seed: int [2], of this replica at this step, for "control_variate".
          step: of the search, for the schedules.
          replicas: the replicas.

        Returns:
          The new state, and scalars for TensorBoard, means over the replicas.
        """
        config, table = self.config, self.table
        num_updates = state.num_updates + 1
        cost = None if self.cost_evaluator is None else self.cost_evaluator.expected_cost(
            sample.masks  # The cost of the architecture, or of a mixture in warmup.
        )
        reward = self._reward(quality, cost)
        step_baseline, mean_quality = replicas.mean([reward, quality])
        averages = [
            baseline.update_average(average, value, config.rl_baseline_momentum)
            for average, value in (
                (state.reward_average, step_baseline),
                (state.quality_average, mean_quality),
            )
        ]
        # As published: the baseline knows the reward that it is subtracted from.
        reward_baseline = baseline.debias(averages[0], num_updates, config.rl_baseline_momentum)
        advantage = reward - reward_baseline
        score = distribution.score(state.logits, table, sample.masks, sample.replaced)

        regression = state.regression
        if config.rl_estimator == "reinforce":
            gradient = _scale(advantage, score)
        else:
            usual_quality = self._usual_quality(state, mean_quality)
            difference = reward - self._reward(usual_quality, cost)
            residual = difference - estimators.predict(regression, score)
            gradient = (
                self._known_gradient(state.logits, usual_quality, seed)
                + estimators.regression_gradient(regression, state.logits, table)
                + config.rl_residual_weight * _scale(residual, score)
            )
            # Only now: the slopes of this step come from earlier samples, free of bias.
            regression = estimators.fit(
                regression,
                residual,
                score,
                estimators.prior_evidence(table),
                max(1.0, _MEMORY_FRACTION * config.total_steps),
                replicas.count,
                replicas.mean,
            )

        mean_gradient, mean_square = replicas.mean([gradient, tf.square(gradient)])
        learning_rate = self.learning_rate(step)
        change, second_moment = adam_step(
            mean_gradient, mean_square, state.second_moment, num_updates, learning_rate
        )
        if config.rl_entropy_regularization:
            change += (
                learning_rate
                * config.rl_entropy_regularization
                * _entropy_gradient(state.logits, table)
            )
        new_state = ControllerState(
            state.logits + change, second_moment, *averages, regression, num_updates
        )

        operation_warmup, filters_warmup = self.warmup_probabilities(step)
        log_prob = distribution.log_prob(
            state.logits,
            table,
            sample.masks,
            sample.replaced,
            sampling.replacement_probabilities(table, operation_warmup, filters_warmup),
        )
        of_replica = {"advantage": advantage, "log_prob": log_prob}
        scalars = {
            "validation_accuracy": mean_quality,
            "reward": step_baseline,
            "step_baseline": step_baseline,
            "baseline": reward_baseline,
            "learning_rate": learning_rate,
            "increase_ops_prob": operation_warmup,
            "increase_filters_prob": filters_warmup,
        }
        if cost is not None:
            of_replica["estimated_cost"] = cost
            of_replica["cost_ratio"] = cost / config.rl_cost_model_target
            of_replica["cost_adjustment"] = reward - quality
            scalars["expected_cost"] = self.cost_evaluator.expected_cost(
                distribution.probabilities(state.logits, table)
            )
        scalars.update(zip(of_replica, replicas.mean(list(of_replica.values()))))
        return new_state, scalars

    def _reward(self, quality: tf.Tensor, cost: Optional[tf.Tensor]) -> tf.Tensor:
        if cost is None:
            return quality
        return rewards.reward(
            quality,
            cost,
            self.config.rl_cost_model_target,
            self.config.rl_cost_model_exponent,
            self.config.rl_reward_function,
        )

    def _usual_quality(self, state: ControllerState, mean_quality: tf.Tensor) -> tf.Tensor:
        """The average quality of earlier steps; in the first step, of this one."""
        num_updates = tf.maximum(state.num_updates, 1)
        earlier = baseline.debias(
            state.quality_average, num_updates, self.config.rl_baseline_momentum
        )
        return tf.where(state.num_updates == 0, mean_quality, earlier)

    def _known_gradient(
        self, logits: tf.Tensor, quality: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Gradient of the expected reward if every architecture had this quality."""
        if self.cost_evaluator is None:
            return tf.zeros_like(logits)
        indices = sampling.sample_many(logits, self.table, self.config.rl_cost_samples, seed)
        known_rewards = self._reward(
            quality[..., tf.newaxis], self.cost_evaluator.cost(indices)
        )
        masks = tf.one_hot(indices, self.table.valid.shape[-1])
        scores = distribution.score(logits[..., tf.newaxis, :, :], self.table, masks)
        return estimators.leave_one_out_gradient(known_rewards, scores)


def _entropy_gradient(logits: tf.Tensor, table: ChoiceTable) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(logits)
        entropy = distribution.entropy(logits, table)
    return tape.gradient(entropy, logits)
