"""Pieces of a classification step that search and stand-alone training share."""

import tensorflow as tf
import tf_keras

__all__ = ["MeanMetrics", "correct", "smoothed_cross_entropy"]


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


class MeanMetrics:
    """Means of named scalars over the steps of a loop and over the replicas."""

    def __init__(self, names):
        self._means = {name: tf_keras.metrics.Mean(name) for name in names}

    def update(self, scalars: dict[str, tf.Tensor]) -> None:
        for name, mean in self._means.items():
            mean.update_state(scalars[name])

    def reset(self) -> None:
        for mean in self._means.values():
            mean.reset_states()

    def results(self) -> dict[str, tf.Tensor]:
        return {name: mean.result() for name, mean in self._means.items()}
