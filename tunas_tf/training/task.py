"""What is learned, for a supernet and for one network alike: the loss and the quality."""

import abc
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

__all__ = ["Task", "TaskLoss"]


class TaskLoss(NamedTuple):
    """The loss of a batch.

    Attributes:
      value: float32 scalar, without weight decay.
      scalars: float32 scalars to be reported, by the names in `Task.scalar_names`.
    """

    value: tf.Tensor
    scalars: dict[str, tf.Tensor]


class Task(abc.ABC):
    """How predictions are judged by labels, without weights of its own.

    Predictions are what a network computes from a batch of images: logits of a classifier,
    raw outputs of a detector.

    Attributes:
      quality_name: what the reward calls the quality: "accuracy", "ap".
      scalar_names: what the loss reports of a training batch.
    """

    quality_name: str
    scalar_names: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def loss(self, predictions: Any, labels: Any) -> TaskLoss:
        """The loss of a training batch."""

    @abc.abstractmethod
    def quality(self, predictions: Any, labels: Any) -> tf.Tensor:
        """The quality of a reward batch: float32 scalar, the higher the better."""
