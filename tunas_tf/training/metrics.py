"""Means of scalars over steps and replicas."""

from typing import Iterable

import tensorflow as tf
import tf_keras

__all__ = ["MeanMetrics"]


class MeanMetrics:
    """Means of named scalars over the steps of a loop and over the replicas."""

    def __init__(self, names: Iterable[str]):
        self._means = {name: tf_keras.metrics.Mean(name) for name in names}

    def update(self, scalars: dict[str, tf.Tensor]) -> None:
        for name, mean in self._means.items():
            mean.update_state(scalars[name])

    def reset(self) -> None:
        for mean in self._means.values():
            mean.reset_states()

    def results(self) -> dict[str, tf.Tensor]:
        return {name: mean.result() for name, mean in self._means.items()}
