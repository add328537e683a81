"""The published optimiser of network weights: RMSProp with a warmup and a cosine decay."""

import math
from typing import Sequence

import tensorflow as tf
import tf_keras

__all__ = ["RMSProp", "WarmupCosine", "make_optimizer"]

# The published learning rates are per this many examples in a step.
_EXAMPLES_PER_LEARNING_RATE = 256


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


def make_optimizer(
    variables: Sequence[tf.Variable],
    learning_rate: float,
    batch_size: int,
    total_steps: int,
    warmup_steps_fraction: float,
    momentum: float,
) -> RMSProp:
    """The optimiser of a run, its slots created, so that a checkpoint can restore them.

    Args:
      variables: what it will train.
      learning_rate: peak, per 256 examples.
      batch_size: examples per step over all replicas.
      total_steps: length of the run.
      warmup_steps_fraction: part of the steps in which the rate grows.
      momentum: m above.
    """
    schedule = WarmupCosine(
        peak=learning_rate * batch_size / _EXAMPLES_PER_LEARNING_RATE,
        warmup_steps=warmup_steps_fraction * total_steps,
        total_steps=total_steps,
    )
    optimizer = RMSProp(schedule, rho=0.9, momentum=momentum, epsilon=1.0)
    optimizer._create_all_weights(variables)  # pylint: disable=protected-access
    return optimizer
