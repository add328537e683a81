"""Steps whose numbers are not finite: noticed where they happen, and left out if that is wanted.

A loop of many steps is looked at from outside only when it is over. So variables remember its
first bad step, and with what sample it was.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from tunas_tf.training.recipe import NAN_POLICIES

__all__ = ["BadStep", "StepGuard", "are_finite", "slot_variables"]


class BadStep(NamedTuple):
    """A step, from 1, and the architecture that it sampled; () if nothing is sampled."""

    step: int
    indices: tuple[int, ...]


def are_finite(scalars: dict[str, tf.Tensor]) -> tf.Tensor:
    """1 if all scalars of a replica are finite numbers, else 0: int32 []."""
    finite = tf.reduce_all(tf.math.is_finite(tf.stack(list(scalars.values()))))
    return tf.cast(finite, tf.int32)


def slot_variables(optimizer: tf_keras.optimizers.legacy.Optimizer) -> list[tf.Variable]:
    """What an optimiser remembers of its variables, without the number of its steps."""
    return [v for v in optimizer.variables() if v is not optimizer.iterations]


class StepGuard(tf.Module):
    """Watches the steps of a trainer, in cross-replica context.

    With "skip", a step is bad too if it leaves a variable with numbers that are not finite; then
    all variables get back the values that they had before. That takes memory for a second copy
    of them, and a small part of the time of a step; "stop" takes neither.

    Attributes:
      skips: whether the policy is "skip".
      skipped_steps: int64 variable, steps left out since the start of the run; to be saved.
    """

    def __init__(self, policy: str, variables: Sequence[tf.Variable], num_choices: int = 0):
        """
        Args:
          policy: one of `recipe.NAN_POLICIES`.
          variables: all that a step changes and that a bad one shall not.
          num_choices: length of the sampled indices.
        """
        super().__init__(name="step_guard")
        if policy not in NAN_POLICIES:
            raise ValueError(
                f"there is no policy {policy!r}; use one of {', '.join(NAN_POLICIES)}."
            )
        self.skips = policy == "skip"
        self._strategy = tf.distribute.get_strategy()
        self._guarded = list(variables) if self.skips else []

        def variable(value, dtype):
            aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
            return tf.Variable(value, trainable=False, dtype=dtype, aggregation=aggregation)

        self.skipped_steps = variable(0, tf.int64)
        self._bad_step = variable(0, tf.int64)
        self._bad_indices = variable([0] * num_choices, tf.int32)

    def begin_loop(self) -> None:
        """Forgets the bad steps of the loops before."""
        self._bad_step.assign(0)

    def first_bad_step(self) -> BadStep | None:
        """The first bad step of the loop, if there was one."""
        step = int(self._bad_step.numpy())
        return BadStep(step, tuple(map(int, self._bad_indices.numpy()))) if step else None

    def metrics(self) -> dict[str, tf.Tensor]:
        """For the metrics of a loop: how many steps were skipped, if any may be."""
        return {"model/skipped_steps": self.skipped_steps.value()} if self.skips else {}

    def values_before(self) -> list[tf.Tensor]:
        """To be called before a step, and given to `end_step`."""
        return [variable.read_value() for variable in self._guarded]

    def end_step(self, before: list[tf.Tensor], step, finite, indices=None) -> None:
        """To be called after a step.

        Args:
          before: from `values_before`.
          step: int64 scalar, the number of the step, from 1.
          finite: from the replicas, of `are_finite`.
          indices: from the replicas, int32 [choices]: what they have sampled.
        """
        strategy = self._strategy
        # Of the replicas of all workers, so that all do the same.
        num_finite = strategy.reduce(tf.distribute.ReduceOp.SUM, finite, axis=None)
        is_bad = num_finite < strategy.num_replicas_in_sync
        if self._guarded:
            is_bad = tf.logical_or(is_bad, tf.logical_not(self._all_finite()))
            tf.cond(is_bad, lambda: self._restore(before), lambda: None)
            self.skipped_steps.assign_add(tf.cast(is_bad, tf.int64))
        is_first = tf.logical_and(is_bad, self._bad_step.value() == 0)
        self._bad_step.assign(tf.where(is_first, tf.cast(step, tf.int64), self._bad_step.value()))
        if indices is not None:
            results = strategy.experimental_local_results
            sampled = tf.stack(results(indices))[tf.argmin(tf.stack(results(finite)))]
            self._bad_indices.assign(tf.where(is_first, sampled, self._bad_indices.value()))

    def _all_finite(self) -> tf.Tensor:
        # A sum is finite if all its summands are, and takes one pass.
        sums = [tf.reduce_sum(v) for v in self._guarded if v.dtype.is_floating]
        return tf.reduce_all(tf.math.is_finite(tf.stack(sums)))

    def _restore(self, before: list[tf.Tensor]) -> None:
        for variable, value in zip(self._guarded, before):
            self._strategy.extended.update(
                variable, lambda current, old: current.assign(old), args=(value,)
            )
