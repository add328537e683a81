"""Means of scalars over steps and replicas."""

from collections.abc import Iterable

import tensorflow as tf
import tf_keras

__all__ = ["MeanMetrics"]


class MeanMetrics:
    """Means of named scalars over the steps of a loop and over the replicas."""

    def __init__(self, names: Iterable[str]):
        self._means = {name: tf_keras.metrics.Mean(name) for name in names}

    def update(self, scalars: dict[str, tf.Tensor], counts: tf.Tensor | None = None) -> None:
        """Adds the scalars of a step.

        Args:
          scalars: by name.
          counts: 0 to leave the step out, whatever its scalars are, else 1. None: 1.
        """
        for name, mean in self._means.items():
            value = scalars[name]
            if counts is not None:  # A weight of 0 would make NaN of NaN.
                value = tf.where(counts > 0, value, tf.zeros_like(value))
            mean.update_state(value, counts)

    def reset(self) -> None:
        for mean in self._means.values():
            mean.reset_states()

    def results(self) -> dict[str, tf.Tensor]:
        """The means; NaN if no step counts."""
        return {name: mean.total / mean.count for name, mean in self._means.items()}
