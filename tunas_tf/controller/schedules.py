"""How the controller's learning rate and the warmups change over the steps of a search.

Steps are numbers or tensors; results are float32 tensors.
"""

import tensorflow as tf

__all__ = ["controller_learning_rate", "warmup_probability"]

# How much larger the learning rate is at the end than after the delay.
_GROWTH = 10.0


def controller_learning_rate(
    step, total_steps: int, base: float, delay_fraction: float, exponential: bool
) -> tf.Tensor:
    """The controller's learning rate (TuNAS, appendix F).

    0 for step < delay = delay_fraction * total_steps. Afterwards `base`, or with
    `exponential` base * 10^((step - delay) / (total_steps - delay)): from base to 10 base.
    """
    step = tf.cast(step, tf.float32)
    delay = delay_fraction * total_steps
    rate = tf.fill(tf.shape(step), tf.constant(base, tf.float32))
    if exponential and delay < total_steps:
        rate *= _GROWTH ** ((step - delay) / (total_steps - delay))
    return tf.where(step < delay, 0.0, rate)


def warmup_probability(step, total_steps: int, fraction: float) -> tf.Tensor:
    """max(0, 1 - step / (fraction * total_steps)): 1 at first, 0 from the end of the warmup."""
    step = tf.cast(step, tf.float32)
    if fraction == 0:
        return tf.zeros_like(step)
    return tf.maximum(0.0, 1.0 - step / (fraction * total_steps))
