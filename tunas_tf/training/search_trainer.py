"""One search step: train the shared weights, then let the controller learn from them.

Per replica (TuNAS, section 3): sample an architecture, update the weights that it uses on
a training batch, measure its quality on a reward batch with the updated weights, and
update the controller with the reward.
"""

import collections

import orbit
import tensorflow as tf
import tf_keras

from tunas_tf.controller import Controller
from tunas_tf.models import share_optimized_code
from tunas_tf.search_space import traversal
from tunas_tf.training.metrics import MeanMetrics
from tunas_tf.training.optimization import Optimizer, apply_mean_gradients
from tunas_tf.training.step_guard import StepGuard, are_finite, slot_variables
from tunas_tf.training.task import Task

__all__ = ["SearchTrainer"]

_MODEL_SCALARS = (
    "model/loss",
    "model/empirical_loss",
    "model/regularization_loss",
    "model/learning_rate",
)
_CONTROLLER_SCALARS = (
    "reward",
    "step_baseline",
    "baseline",
    "advantage",
    "log_prob",
    "learning_rate",
    "increase_ops_prob",
    "increase_filters_prob",
)
_COST_SCALARS = ("estimated_cost", "cost_ratio", "cost_adjustment", "expected_cost")


class SearchTrainer(orbit.StandardTrainer):
    """Trains supernet and controller together.

    Attributes:
      global_step: int64 variable, steps done.
      supernet, controller, optimizer: what is trained, and by what.
      guard: of the steps.
    """

    def __init__(
        self,
        task: Task,
        supernet: tf_keras.Model,
        controller: Controller,
        optimizer: Optimizer,
        training_batches: tf.data.Dataset,
        reward_batches: tf.data.Dataset,
        weight_decay: float,
        seed: int,
        on_nan: str = "stop",
    ):
        """
        Args:
          task: what is learned.
          supernet: with a `space`, `supernet(images, masks)` returns `predictions` and
            `l2_loss`. Like controller and optimizer created in the scope of the current
            strategy.
          controller, optimizer: of the supernet's space, and of its weights.
          training_batches, reward_batches: endless (images, labels), distributed already.
          weight_decay: factor of half the sum of squares of the kernels in use.
          seed: of the sampled architectures.
          on_nan: one of `recipe.NAN_POLICIES`.
        """
        super().__init__(train_dataset=(training_batches, reward_batches))
        share_optimized_code()
        self.task = task
        self.supernet = supernet
        self.controller = controller
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.seed = seed
        self.strategy = tf.distribute.get_strategy()
        self.global_step = orbit.utils.create_global_step()
        self.guard = StepGuard(
            on_nan,
            [
                *supernet.variables,
                *slot_variables(optimizer),
                *tf.nest.flatten(controller.state),
            ],
            len(controller.table.valid),
        )
        names: tuple[str, ...] = (f"validation_{task.quality_name}", *_CONTROLLER_SCALARS)
        if controller.config.rl_cost_model_target is not None:
            names += _COST_SCALARS
        self._metrics = MeanMetrics(
            [
                *_MODEL_SCALARS,
                *(f"model/{name}" for name in task.scalar_names),
                *(f"rlcontroller/{name}" for name in names),
            ]
        )

    def train_loop_begin(self):
        self._metrics.reset()
        self.guard.begin_loop()

    def train_step(self, iterator):
        training_iterator, reward_iterator = iterator
        before = self.guard.values_before()
        finite, indices = self.strategy.run(
            self._replica_step, args=(next(training_iterator), next(reward_iterator))
        )
        self.guard.end_step(before, self.global_step + 1, finite, indices)
        self.global_step.assign_add(1)

    def _replica_step(self, training_batch, reward_batch):
        """Returns whether its numbers are finite, and the indices of its sample."""
        step = self.global_step.value()
        sample = self.controller.sample(self.seed, step)
        scalars = self._train_weights(sample.masks, *training_batch)
        images, labels = reward_batch
        # After the update above: the weights are read again.
        quality = self.task.quality(self.supernet(images, sample.masks).predictions, labels)
        controller_scalars = self.controller.update(sample, quality, self.seed, step)
        controller_scalars[f"validation_{self.task.quality_name}"] = controller_scalars["quality"]
        scalars.update({f"rlcontroller/{k}": v for k, v in controller_scalars.items()})
        finite = are_finite(scalars)
        self._metrics.update(scalars, finite if self.guard.skips else None)
        return finite, sample.indices

    def _train_weights(self, masks, images, labels) -> dict[str, tf.Tensor]:
        """Updates the shared weights with one batch; returns scalars of this replica."""
        with tf.GradientTape() as tape:
            output = self.supernet(images, masks, training=True)
            task_loss = self.task.loss(output.predictions, labels)
            regularization_loss = self.weight_decay * output.l2_loss
            loss = task_loss.value + regularization_loss
        learning_rate = apply_mean_gradients(
            tape, loss, self.supernet.trainable_variables, self.optimizer
        )
        return {
            "model/loss": loss,
            "model/empirical_loss": task_loss.value,
            "model/regularization_loss": regularization_loss,
            "model/learning_rate": learning_rate,
            **{f"model/{name}": value for name, value in task_loss.scalars.items()},
        }

    def train_loop_end(self):
        self._write_logits()
        return {**self._metrics.results(), **self.guard.metrics()}

    def _write_logits(self):
        """TensorBoard scalars of every option: by its path, and by its place among its tag."""
        logits = tf.convert_to_tensor(self.controller.state.logits).numpy()
        seen: collections.Counter[str] = collections.Counter()
        with tf.summary.record_if(True):  # By Orbit's interval the last ones would be left out.
            for choice, row in zip(traversal.choices_of(self.supernet.space), logits):
                names = (
                    f"rlpathlogits/{choice.path}",
                    f"rltaglogits/{choice.tag}_{seen[choice.tag]}",
                )
                seen[choice.tag] += 1
                for option in range(choice.num_options):
                    for name in names:
                        tf.summary.scalar(f"{name}/{option}", row[option], step=self.global_step)
