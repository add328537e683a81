"""Training a stand-alone network from scratch, and evaluating it."""

import orbit
import tensorflow as tf
import tf_keras

from tunas_tf.models import kernels
from tunas_tf.training.classification import MeanMetrics, correct, smoothed_cross_entropy
from tunas_tf.training.optimization import RMSProp, apply_mean_gradients

__all__ = ["ClassifierEvaluator", "ClassifierTrainer"]

_SCALARS = (
    "model/loss",
    "model/empirical_loss",
    "model/regularization_loss",
    "model/learning_rate",
    "model/training_accuracy",
)


class ClassifierTrainer(orbit.StandardTrainer):
    """Trains a classification network.

    Attributes:
      global_step: int64 variable, steps done.
    """

    def __init__(
        self,
        network: tf_keras.Model,
        optimizer: RMSProp,
        training_batches: tf.data.Dataset,
        weight_decay: float,
        label_smoothing: float,
    ):
        """
        Args:
          network: images -> logits, created in the scope of the current strategy.
          optimizer: of its weights.
          training_batches: endless (images, labels), distributed already.
          weight_decay: factor of half the sum of squares of the kernels.
          label_smoothing: of the training loss.
        """
        super().__init__(train_dataset=training_batches)
        self.network = network
        self._kernels = kernels(network)
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.strategy = tf.distribute.get_strategy()
        self.global_step = orbit.utils.create_global_step()
        self._metrics = MeanMetrics(_SCALARS)

    def train_loop_begin(self):
        self._metrics.reset()

    def train_step(self, iterator):
        self.strategy.run(self._replica_step, args=next(iterator))
        self.global_step.assign_add(1)

    def _replica_step(self, images, labels):
        with tf.GradientTape() as tape:
            logits = self.network(images, training=True)
            empirical_loss = smoothed_cross_entropy(logits, labels, self.label_smoothing)
            regularization_loss = self.weight_decay * tf.add_n(
                [tf.nn.l2_loss(kernel) for kernel in self._kernels]
            )
            loss = empirical_loss + regularization_loss
        learning_rate = apply_mean_gradients(
            tape, loss, self.network.trainable_variables, self.optimizer
        )
        self._metrics.update(
            {
                "model/loss": loss,
                "model/empirical_loss": empirical_loss,
                "model/regularization_loss": regularization_loss,
                "model/learning_rate": learning_rate,
                "model/training_accuracy": tf.reduce_mean(correct(logits, labels)),
            }
        )

    def train_loop_end(self):
        return self._metrics.results()


class ClassifierEvaluator(orbit.StandardEvaluator):
    """Accuracy of a classification network, every example counted once."""

    def __init__(self, network: tf_keras.Model, evaluation_batches: tf.data.Dataset):
        """
        Args:
          network: images -> logits.
          evaluation_batches: finite (images, labels, weights), distributed already; a weight
            is 1 for an example and 0 for padding.
        """
        super().__init__(eval_dataset=evaluation_batches)
        self.network = network
        self.strategy = tf.distribute.get_strategy()
        self._accuracy = tf_keras.metrics.Mean("accuracy")
        self._num_examples = tf_keras.metrics.Sum("num_examples")

    def eval_begin(self):
        self._accuracy.reset_states()
        self._num_examples.reset_states()

    def eval_step(self, iterator):
        self.strategy.run(self._replica_step, args=next(iterator))

    def _replica_step(self, images, labels, weights):
        logits = self.network(images, training=False)
        self._accuracy.update_state(correct(logits, labels), weights)
        self._num_examples.update_state(weights)

    def eval_end(self):
        return {
            "accuracy": self._accuracy.result(),
            "num_examples": self._num_examples.result(),
        }
