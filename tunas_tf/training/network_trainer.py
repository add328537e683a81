"""One step of training a stand-alone network."""

import orbit
import tensorflow as tf
import tf_keras

from tunas_tf.models import kernels
from tunas_tf.training.metrics import MeanMetrics
from tunas_tf.training.optimization import Optimizer, apply_mean_gradients
from tunas_tf.training.step_guard import StepGuard, are_finite, slot_variables
from tunas_tf.training.task import Task

__all__ = ["NetworkTrainer", "WeightAverages"]

_SCALARS = (
    "model/loss",
    "model/empirical_loss",
    "model/regularization_loss",
    "model/learning_rate",
)


class WeightAverages:
    """Exponential moving averages of the weights of a network, in another one like it.

    After step t, `average += (1 - d) * (value - average)`, where d is the smaller one of the
    decay and `(1 + t) / (10 + t)`, so that the first steps are soon forgotten. Statistics of
    batch norm are averaged too.

    Attributes:
      network: receives the averages; built as the network that is trained.
    """

    def __init__(self, network: tf_keras.Model, decay: float):
        self.network = network
        self._decay = decay

    def start(self, trained: tf_keras.Model) -> None:
        """Begins with the weights of the network that is about to be trained."""
        self.network.set_weights(trained.get_weights())

    def update(self, trained: tf_keras.Model, step: tf.Tensor) -> None:
        """After a step of training, outside of the replicas; `step` counts from 1."""
        step = tf.cast(step, tf.float32)
        rate = 1.0 - tf.minimum(self._decay, (1.0 + step) / (10.0 + step))

        def move(average, value):
            average.assign_add(tf.cast(rate, average.dtype) * (value - average))

        extended = tf.distribute.get_strategy().extended
        for average, value in zip(self.network.variables, trained.variables):
            extended.update(average, move, args=(value,))


class NetworkTrainer(orbit.StandardTrainer):
    """Trains a network for a task.

    Attributes:
      global_step: int64 variable, steps done.
      guard: of the steps.
    """

    def __init__(
        self,
        task: Task,
        network: tf_keras.Model,
        optimizer: Optimizer,
        training_batches: tf.data.Dataset,
        weight_decay: float,
        averages: WeightAverages | None = None,
        on_nan: str = "stop",
    ):
        """
        Args:
          task: what is learned.
          network: images -> predictions, created in the scope of the current strategy.
          optimizer: of its weights.
          training_batches: endless (images, labels), distributed already.
          weight_decay: factor of half the sum of squares of the kernels.
          averages: follow the weights, if they are wanted.
          on_nan: one of `recipe.NAN_POLICIES`.
        """
        super().__init__(train_dataset=training_batches)
        self.task = task
        self.network = network
        self._kernels = kernels(network)
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.averages = averages
        self.strategy = tf.distribute.get_strategy()
        self.global_step = orbit.utils.create_global_step()
        averaged = [] if averages is None else averages.network.variables
        self.guard = StepGuard(on_nan, [*network.variables, *slot_variables(optimizer), *averaged])
        self._metrics = MeanMetrics([*_SCALARS, *(f"model/{name}" for name in task.scalar_names)])

    def train_loop_begin(self):
        self._metrics.reset()
        self.guard.begin_loop()

    def train_step(self, iterator):
        before = self.guard.values_before()
        finite = self.strategy.run(self._replica_step, args=next(iterator))
        step = self.global_step + 1
        if self.averages is not None:
            self.averages.update(self.network, step)
        self.guard.end_step(before, step, finite)
        self.global_step.assign_add(1)

    def _replica_step(self, images, labels):
        """Returns whether its numbers are finite."""
        with tf.GradientTape() as tape:
            task_loss = self.task.loss(self.network(images, training=True), labels)
            regularization_loss = self.weight_decay * tf.add_n(
                [tf.nn.l2_loss(kernel) for kernel in self._kernels]
            )
            loss = task_loss.value + regularization_loss
        learning_rate = apply_mean_gradients(
            tape, loss, self.network.trainable_variables, self.optimizer
        )
        scalars = {
            "model/loss": loss,
            "model/empirical_loss": task_loss.value,
            "model/regularization_loss": regularization_loss,
            "model/learning_rate": learning_rate,
            **{f"model/{name}": value for name, value in task_loss.scalars.items()},
        }
        finite = are_finite(scalars)
        self._metrics.update(scalars, finite if self.guard.skips else None)
        return finite

    def train_loop_end(self):
        return {**self._metrics.results(), **self.guard.metrics()}
