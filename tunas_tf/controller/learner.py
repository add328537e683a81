"""One update of the controller, as a pure function of its state.

The tensors of a state may carry leading axes, for many searches at once. What differs
between replicas (samples, qualities, gradients) meets in `Replicas.mean` only.
"""

import dataclasses
from typing import Any

import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.controller import baseline, distribution, estimators, rewards, sampling, schedules
from tunas_tf.controller.choice_table import ChoiceTable
from tunas_tf.controller.config import ControllerConfig
from tunas_tf.controller.optimizer import adam_step
from tunas_tf.controller.state import ControllerState, Replicas

__all__ = ["Learner"]

# Part of a search that the regression of quality remembers: the shared weights move on.
_MEMORY_FRACTION = 0.1


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
    cost_evaluator: Any | None

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
        config = self.config
        num_updates = state.num_updates + 1
        # Of the architecture, or in warmup of a mixture: the cost is multilinear in the masks.
        cost = (
            None if self.cost_evaluator is None else self.cost_evaluator.expected_cost(sample.masks)
        )
        reward = self._reward(quality, cost)
        mean_reward, mean_quality = replicas.mean([reward, quality])
        reward_average, quality_average = (
            baseline.update_average(average, value, config.rl_baseline_momentum)
            for average, value in (
                (state.reward_average, mean_reward),
                (state.quality_average, mean_quality),
            )
        )
        # As published, the baseline already knows the reward that it is subtracted from.
        reward_baseline = baseline.debias(reward_average, num_updates, config.rl_baseline_momentum)
        advantage = reward - reward_baseline

        score = distribution.score(state.logits, self.table, sample.masks, sample.replaced)
        if config.rl_estimator == "reinforce":
            gradient, regression = _scale(advantage, score), state.regression
        else:
            usual_quality = self._usual_quality(state, mean_quality)
            difference = reward - self._reward(usual_quality, cost)
            gradient, regression = self._control_variate(
                state, difference, score, usual_quality, seed, replicas
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
                * distribution.entropy_gradient(state.logits, self.table)
            )
        new_state = ControllerState(
            logits=state.logits + change,
            second_moment=second_moment,
            reward_average=reward_average,
            quality_average=quality_average,
            regression=regression,
            num_updates=num_updates,
        )
        scalars = {
            "quality": quality,
            "reward": reward,
            "step_baseline": mean_reward,
            "baseline": reward_baseline,
            "advantage": advantage,
            "learning_rate": learning_rate,
            **self._sample_scalars(state.logits, sample, step),
        }
        if cost is not None:
            scalars["estimated_cost"] = cost
            scalars["cost_ratio"] = cost / config.rl_cost_model_target
            scalars["cost_adjustment"] = reward - quality
        return new_state, dict(zip(scalars, replicas.mean(list(scalars.values()))))

    def _sample_scalars(
        self, logits: tf.Tensor, sample: sampling.Sample, step
    ) -> dict[str, tf.Tensor]:
        """What there is to say about a sample before its quality is known."""
        operation_warmup, filters_warmup = self.warmup_probabilities(step)
        scalars = {
            "increase_ops_prob": operation_warmup,
            "increase_filters_prob": filters_warmup,
            "log_prob": distribution.log_prob(
                logits,
                self.table,
                sample.masks,
                sample.replaced,
                sampling.replacement_probabilities(self.table, operation_warmup, filters_warmup),
            ),
        }
        if self.cost_evaluator is not None:
            scalars["expected_cost"] = self.cost_evaluator.expected_cost(
                distribution.probabilities(logits, self.table)
            )
        return scalars

    def _control_variate(
        self,
        state: ControllerState,
        difference: tf.Tensor,
        score: tf.Tensor,
        usual_quality: tf.Tensor,
        seed: tf.Tensor,
        replicas: Replicas,
    ) -> tuple[tf.Tensor, estimators.Regression]:
        """This replica's gradient, and the regression that has learned from all of them."""
        residual = difference - estimators.predict(state.regression, score)
        gradient = (
            self._known_gradient(state.logits, usual_quality, seed)
            + estimators.regression_gradient(state.regression, state.logits, self.table)
            + self.config.rl_residual_weight * _scale(residual, score)
        )
        # The gradient uses the slopes of earlier samples only, which keeps it free of bias.
        regression = estimators.fit(
            state.regression,
            residual,
            score,
            prior=estimators.prior_evidence(self.table),
            memory=max(1.0, _MEMORY_FRACTION * self.config.total_steps),
            num_replicas=replicas.count,
            replica_mean=replicas.mean,
        )
        return gradient, regression

    def _reward(self, quality: tf.Tensor, cost: tf.Tensor | None) -> tf.Tensor:
        target = self.config.rl_cost_model_target
        if cost is None or target is None:
            return quality
        return rewards.reward(
            quality,
            cost,
            target,
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

    def _known_gradient(self, logits: tf.Tensor, quality: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Gradient of the expected reward if every architecture had this quality."""
        evaluator = self.cost_evaluator
        if evaluator is None:
            return tf.zeros_like(logits)
        return estimators.known_gradient(
            logits,
            self.table,
            lambda indices: self._reward(quality[..., tf.newaxis], evaluator.cost(indices)),
            self.config.rl_cost_samples,
            seed,
        )
