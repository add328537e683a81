"""How network weights are updated: a warmup, then a cosine decay, as published."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.controller.config import EXAMPLES_PER_LEARNING_RATE
from tunas_tf.training.recipe import OPTIMIZERS

__all__ = [
    "Optimizer",
    "RMSProp",
    "WarmupCosine",
    "apply_mean_gradients",
    "make_optimizer",
]


class WarmupCosine(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Linear growth from 0 to the peak, then half a cosine down to 0.

        peak * step / warmup_steps                                           before warmup_steps
        peak * (1 + cos(pi * (step - warmup_steps) / (total - warmup_steps))) / 2      after

    Attributes:
      peak: the highest rate.
      warmup_steps: where it is reached.
      total_steps: where the rate is 0 again.
    """

    def __init__(self, peak: float, warmup_steps: float, total_steps: int):
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        warmup = self.peak * step / max(self.warmup_steps, 1e-9)
        progress = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        cosine = 0.5 * self.peak * (1.0 + tf.cos(math.pi * tf.clip_by_value(progress, 0.0, 1.0)))
        return tf.where(step < self.warmup_steps, warmup, cosine)

    def get_config(self):
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
        }


class RMSProp(tf_keras.optimizers.legacy.RMSprop):
    """RMSProp as in TensorFlow 1, which the published results were trained with.

        mean_square <- decay * mean_square + (1 - decay) * gradient ** 2     (starts at 1)
        momentum    <- m * momentum + rate * gradient / sqrt(mean_square + epsilon)
        variable    <- variable - momentum

    The stock optimiser starts the mean square at 0, which makes the first steps large.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Without momentum the stock optimiser takes a path that adds epsilon to the root.
        self._momentum = True

    def _create_slots(self, var_list):
        for variable in var_list:
            self.add_slot(variable, "rms", initializer="ones")
            self.add_slot(variable, "momentum")


Optimizer: TypeAlias = RMSProp | tf_keras.optimizers.legacy.Adam | tf_keras.optimizers.legacy.SGD


def make_optimizer(
    variables: Sequence[tf.Variable],
    learning_rate: float,
    batch_size: int,
    total_steps: int,
    warmup_steps_fraction: float,
    momentum: float,
    name: str = "rmsprop",
) -> Optimizer:
    """The optimiser of a run, its slots created, so that a checkpoint can restore them.

    Args:
      variables: what it will train.
      learning_rate: peak, per 256 examples.
      batch_size: examples per step over all replicas.
      total_steps: length of the run.
      warmup_steps_fraction: part of the steps in which the rate grows.
      momentum: m above; of Adam, the decay of the mean gradient.
      name: "rmsprop", with which TuNAS trains classifiers; "momentum", stochastic gradient
        descent with momentum, with which MobileDets trains detectors; or "adam", which learns
        faster where steps are few.
    """
    schedule = WarmupCosine(
        peak=learning_rate * batch_size / EXAMPLES_PER_LEARNING_RATE,
        warmup_steps=warmup_steps_fraction * total_steps,
        total_steps=total_steps,
    )
    if name == "rmsprop":
        optimizer = RMSProp(schedule, rho=0.9, momentum=momentum, epsilon=1.0)
    elif name == "momentum":
        optimizer = tf_keras.optimizers.legacy.SGD(schedule, momentum)
    elif name == "adam":
        optimizer = tf_keras.optimizers.legacy.Adam(schedule, momentum)
    else:
        raise InputError(f"there is no optimizer {name!r}; use one of {', '.join(OPTIMIZERS)}.")
    optimizer._create_all_weights(variables)  # pylint: disable=protected-access
    return optimizer


def apply_mean_gradients(
    tape: tf.GradientTape,
    loss: tf.Tensor,
    variables: Sequence[tf.Variable],
    optimizer: Optimizer,
) -> tf.Tensor:
    """One update of `variables`, in replica context, with the mean gradients of all replicas.

    What the loss does not depend on gets zero gradients: its momentum goes on.

    Args:
      tape: has recorded this replica's loss.
      loss: float32 scalar.
      variables: what is trained, the same list on all replicas.
      optimizer: from `make_optimizer`.

    Returns:
      The learning rate of the update.
    """
    gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    gradients = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.MEAN, gradients
    )
    learning_rate = optimizer.learning_rate(optimizer.iterations)
    optimizer.apply_gradients(zip(gradients, variables), experimental_aggregate_gradients=False)
    return learning_rate
