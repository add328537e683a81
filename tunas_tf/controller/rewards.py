"""Rewards: quality and cost in one number (TuNAS, section 3.1 and table 1)."""

import tensorflow as tf

__all__ = ["reward"]


def reward(quality, cost, target: float, exponent: float, kind: str) -> tf.Tensor:
    """The reward of architectures, [...].

    With Q the quality, T the cost, T0 the target and beta the exponent:

        abs:        Q + beta * |T / T0 - 1|
        mnas:       Q * (T / T0)^beta
        mnas_hard:  Q * min((T / T0)^beta, 1)

    With beta = -0.1, T0 = 80 and T = 100, a quality of 0.7 has the "abs" reward
    0.7 - 0.1 * 0.25 = 0.675.

    Args:
      quality: [...].
      cost: [...], in the unit of the target.
      target, exponent: T0 and beta.
      kind: a name from above.
    """
    ratio = cost / target
    if kind == "abs":
        return quality + exponent * tf.abs(ratio - 1.0)
    factor = tf.pow(ratio, exponent)
    if kind == "mnas":
        return quality * factor
    if kind == "mnas_hard":
        return quality * tf.minimum(factor, 1.0)
    raise ValueError(f"There is no reward function {kind!r}.")
