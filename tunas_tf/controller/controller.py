"""The controller of a search: a distribution over architectures that learns from rewards."""

from typing import Any

import tensorflow as tf

from tunas_tf.controller import distribution
from tunas_tf.controller.choice_table import ChoiceTable
from tunas_tf.controller.config import ControllerConfig
from tunas_tf.controller.learner import Learner
from tunas_tf.controller.sampling import Sample
from tunas_tf.controller.state import ControllerState, Replicas
from tunas_tf.search_space import spec

__all__ = ["Controller"]

# Independent random numbers for the two uses in a step.
_SAMPLE, _UPDATE = 0, 1


def _replica_seed(seed: int, step, purpose: int) -> tf.Tensor:
    """int32 [2], different for every (seed, step, replica, purpose)."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    result = tf.constant([seed % 2**31, purpose], tf.int32)
    for number in (step, replica):
        result = tf.random.experimental.stateless_fold_in(result, tf.cast(number, tf.int32))
    return result


class Controller(tf.Module):
    """Samples architectures and learns which ones are good (TuNAS, section 3).

    Variables are float32 [choices, options], padded, or scalars; `tf.train.Checkpoint` saves
    and restores them. Under tf.distribute, create the controller in the strategy's scope and
    call `sample` and `update` in replica context: every replica draws its own architecture,
    and all of them apply the same update.

    Attributes:
      config: settings.
      table: the choices of the space.
      state: the variables, a `ControllerState`.
    """

    def __init__(
        self, space: spec.SearchSpace, config: ControllerConfig, cost_evaluator: Any | None
    ):
        """
        Args:
          space: the search space.
          config: settings.
          cost_evaluator: a `TensorFlowCostModel`, or None to search for quality only.

        Raises:
          InputError: the space has no choices, or only one of target and cost evaluator is given.
        """
        super().__init__(name="controller")
        self.config = config
        self.table = ChoiceTable.of(space)
        self._learner = Learner(config, self.table, cost_evaluator)

        def variable(value):
            # All replicas compute the same new values, so one of them can speak for all.
            return tf.Variable(
                value,
                trainable=False,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )

        self.state: ControllerState = tf.nest.map_structure(variable, self._learner.initial_state())

    def probabilities(self) -> tf.Tensor:
        """float32 [choices, options] of all options, 0 for padding."""
        return distribution.probabilities(tf.convert_to_tensor(self.state.logits), self.table)

    def sample(self, seed: int, step) -> Sample:
        """This replica's architecture of a step; the same arguments give the same one."""
        logits = tf.convert_to_tensor(self.state.logits)
        return self._learner.sample(logits, _replica_seed(seed, step, _SAMPLE), step)

    def update(self, sample: Sample, quality: tf.Tensor, seed: int, step) -> dict[str, tf.Tensor]:
        """Learns from the quality of this replica's sample.

        Args:
          sample: from `sample` with the same seed and step.
          quality: float32 scalar, e.g. the accuracy of the sample on its validation batch.
          seed, step: as for `sample`.

        Returns:
          Scalars for TensorBoard, means over the replicas: quality, reward, step_baseline,
          baseline, advantage, log_prob, learning_rate, increase_ops_prob and
          increase_filters_prob; with a cost model also estimated_cost, cost_ratio,
          cost_adjustment (what the cost adds to the reward) and expected_cost (exact, under
          the controller's distribution).
        """
        context = tf.distribute.get_replica_context()
        replicas = Replicas(
            context.num_replicas_in_sync,
            lambda values: context.all_reduce(tf.distribute.ReduceOp.MEAN, values),
        )
        new_state, scalars = self._learner.update(
            tf.nest.map_structure(tf.convert_to_tensor, self.state),
            sample,
            tf.cast(quality, tf.float32),
            _replica_seed(seed, step, _UPDATE),
            step,
            replicas,
        )
        tf.nest.map_structure(lambda old, new: old.assign(new), self.state, new_state)
        return scalars
