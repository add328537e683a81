"""The controller's Adam: no momentum, and squares that are taken before replicas are averaged."""

import tensorflow as tf

__all__ = ["adam_step"]

_BETA2 = 0.999
_EPSILON = 1e-8


def adam_step(
    gradient: tf.Tensor,
    squared_gradient: tf.Tensor,
    second_moment: tf.Tensor,
    num_updates: tf.Tensor,
    learning_rate: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """One step of Adam with beta1 = 0.

        v <- beta2 v + (1 - beta2) s
        step = learning_rate * sqrt(1 - beta2^t) * g / (sqrt(v) + epsilon)

    A learning rate of 0 gives a step of 0, but v still learns the scale of the gradients.

    Args:
      gradient: g, the mean over replicas of their gradients.
      squared_gradient: s, the mean over replicas of the squares of their gradients. The
        square of the mean would be smaller the more replicas there are, and the steps larger.
      second_moment: v, zeros before the first step.
      num_updates: t, steps so far, this one included.
      learning_rate: scalar.

    Returns:
      The step along the gradient, and the new v.
    """
    second_moment = _BETA2 * second_moment + (1.0 - _BETA2) * squared_gradient
    correction = tf.sqrt(1.0 - tf.pow(_BETA2, tf.cast(num_updates, tf.float32)))
    step = learning_rate * correction * gradient / (tf.sqrt(second_moment) + _EPSILON)
    return step, second_moment
