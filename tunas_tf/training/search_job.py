"""A whole search, from plain settings to a trained controller in a run directory."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.controller import Controller, ControllerConfig, select_feasible
from tunas_tf.cost_model.tensorflow_evaluator import TensorFlowCostModel
from tunas_tf.data.splits import SplitDataset
from tunas_tf.search_space import traversal
from tunas_tf.training import determinism, devices
from tunas_tf.training.loop import LoopOptions, checkpoint_megabytes, run_training
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.precision import network_precision
from tunas_tf.training.run_directory import RunDirectory
from tunas_tf.training.search_settings import SearchSettings, reward_batch_size
from tunas_tf.training.search_trainer import SearchTrainer
from tunas_tf.training.task import Task

__all__ = [
    "TargetWatch",
    "disk_megabytes",
    "make_supernet",
    "require_network_at",
    "run_search",
]

# A distance to the target that has not shrunk by this factor over this part of the steps
# after the delay is worth a warning.
_SHRINKING = 0.95
_WATCHED_FRACTION = 0.2


def require_network_at(
    cost_model: cost_model_lib.CostModel, target: float, tolerance: float
) -> None:
    """Raises InputError if no network of the space is within the tolerance of the target."""
    # By the selection itself, which fails now if it would fail after the search.
    uniform = [
        np.full(choice.num_options, 1 / choice.num_options)
        for choice in traversal.choices_of(cost_model.space)
    ]
    select_feasible(cost_model, uniform, target, tolerance)


def make_supernet(
    build: Callable[[], tf_keras.Model], seed: int, use_bfloat16: bool = False
) -> tf_keras.Model:
    """`build()` with fresh weights that only the seed decides."""
    tf_keras.utils.set_random_seed(seed)
    with network_precision(use_bfloat16):
        return build()


def disk_megabytes(supernet: tf_keras.Model) -> float:
    """What the checkpoints of a search take: each weight with the optimiser's two slots."""
    return checkpoint_megabytes(
        3 * sum(int(np.prod(variable.shape)) for variable in supernet.trainable_variables)
    )


class TargetWatch:
    """Notices when the expected cost stops coming closer to the target."""

    def __init__(self, target: float, tolerance: float, first_step: float, total_steps: int):
        self.target = target
        self.tolerance = tolerance
        self.first_step = first_step
        self.window = _WATCHED_FRACTION * (total_steps - first_step)
        self.history: list[tuple[int, float]] = []

    def __call__(self, step: int, metrics: dict[str, float]) -> str | None:
        """A warning, at most one per window, or None."""
        if step < self.first_step or not self.window:  # The controller does not learn.
            return None
        distance = abs(metrics["rlcontroller/expected_cost"] / self.target - 1.0)
        self.history.append((step, distance))
        first_step, first_distance = self.history[0]
        if step - first_step < self.window:
            return None
        self.history = [(step, distance)]
        if distance <= max(self.tolerance, _SHRINKING * first_distance):
            return None
        return (
            f"the expected cost is {distance:.1%} from the target, at step {first_step} it was "
            f"{first_distance:.1%}: the controller does not come closer. Feasible selection hits "
            "the target all the same; more steps, --rl_estimator=control_variate or a more "
            "negative --rl_cost_model_exponent make the controller follow it."
        )


def _summary(config: ControllerConfig):
    """The text beside the progress bar, from the metrics of a loop."""

    def summarize(metrics: dict[str, float]) -> str:
        text = f"loss {metrics['model/loss']:.3f}  reward {metrics['rlcontroller/reward']:.3f}"
        if config.rl_cost_model_target is None:
            return text
        expected = metrics["rlcontroller/expected_cost"]
        distance = expected / config.rl_cost_model_target - 1.0
        return f"{text}  cost {expected:.4g} ({distance:+.1%} of target)"

    return summarize


def run_search(
    *,
    task: Task,
    supernet: tf_keras.Model,
    dataset: SplitDataset,
    cost_model: cost_model_lib.CostModel | None,
    controller_config: ControllerConfig,
    settings: SearchSettings,
    run_directory: RunDirectory,
    iterations_per_loop: int,
    checkpoint_interval: int,
) -> None:
    """Searches on the devices of the current tf.distribute strategy; resumes if it can.

    `supernet` is new, from `make_supernet`, as `SearchTrainer` wants it; `dataset` has
    `training_batches`. The other arguments are described at their types.

    Raises:
      InputError: the dataset has other classes than the run.
    """
    run_directory.agree_on_classes(dataset.class_names)
    batch_size = controller_config.train_batch_size
    if settings.deterministic:
        determinism.enable()
    data_seed, first_batch = determinism.data_position(
        settings.seed, 2, run_directory.checkpoint_step(), settings.deterministic
    )
    optimizer = make_optimizer(
        supernet.trainable_variables,
        settings.model_learning_rate,
        batch_size,
        controller_config.total_steps,
        settings.model_warmup_steps_fraction,
        settings.model_momentum,
        settings.optimizer,
    )
    evaluator = None if cost_model is None else TensorFlowCostModel(cost_model)
    controller = Controller(supernet.space, controller_config, evaluator)
    trainer = SearchTrainer(
        task,
        supernet,
        controller,
        optimizer,
        devices.distributed_batches(
            dataset, "search_train", batch_size, data_seed, settings.augment, first_batch
        ),
        devices.distributed_batches(
            dataset,
            "search_validation",
            reward_batch_size(batch_size, settings.rl_batch_size_multiplier),
            data_seed + 1,
            False,
            first_batch,
        ),
        settings.model_weight_decay,
        settings.seed,
        settings.on_nan,
    )
    checkpoint = tf.train.Checkpoint(
        supernet=supernet,
        controller=controller,
        optimizer=optimizer,
        global_step=trainer.global_step,
        skipped_steps=trainer.guard.skipped_steps,
    )
    options = LoopOptions(
        total_steps=controller_config.total_steps,
        iterations_per_loop=iterations_per_loop,
        checkpoint_interval=checkpoint_interval,
        summarize=_summary(controller_config),
    )
    if controller_config.rl_cost_model_target is not None:
        watch = TargetWatch(
            controller_config.rl_cost_model_target,
            settings.cost_tolerance,
            controller_config.rl_delay_steps_fraction * controller_config.total_steps,
            controller_config.total_steps,
        )
        options = dataclasses.replace(options, warn=watch)
    run_training(trainer, checkpoint, run_directory, options)
