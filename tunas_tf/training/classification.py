"""Image classification as a task: cross-entropy and accuracy."""

import tensorflow as tf

from tunas_tf.training.task import Task, TaskLoss

__all__ = ["ClassificationTask", "correct", "smoothed_cross_entropy"]


def smoothed_cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Mean softmax cross-entropy of logits [batch, classes] and labels int32 [batch].

    With smoothing e, a label counts 1 - e, and e is spread evenly over all classes.
    """
    num_classes = logits.shape[-1]
    targets = tf.one_hot(labels, num_classes) * (1.0 - label_smoothing)
    targets += label_smoothing / num_classes
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def correct(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """float32 [batch]: 1 where the highest logit is the label's."""
    predictions = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.cast(tf.equal(predictions, labels), tf.float32)


class ClassificationTask(Task):
    """Predictions are logits [batch, classes], labels int32 [batch].

    Attributes:
      label_smoothing: of the loss.
    """

    quality_name = "accuracy"
    scalar_names = ("training_accuracy",)

    def __init__(self, label_smoothing: float):
        self.label_smoothing = label_smoothing

    def loss(self, predictions: tf.Tensor, labels: tf.Tensor) -> TaskLoss:
        return TaskLoss(
            smoothed_cross_entropy(predictions, labels, self.label_smoothing),
            {"training_accuracy": self.quality(predictions, labels)},
        )

    def quality(self, predictions: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(correct(predictions, labels))
