"""Training a stand-alone network in a run directory, whatever its task."""

import dataclasses
from collections.abc import Callable

import orbit
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.data.splits import SplitDataset
from tunas_tf.training import determinism, devices
from tunas_tf.training.loop import LoopOptions, checkpoint_megabytes, run_training
from tunas_tf.training.network_trainer import NetworkTrainer, WeightAverages
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.precision import network_precision
from tunas_tf.training.run_directory import RunDirectory
from tunas_tf.training.task import Task

__all__ = ["NetworkSettings", "disk_megabytes", "run_network"]


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """How a network is trained.

    Attributes:
      total_steps: length of the training.
      train_split: of the dataset.
      train_batch_size: examples per step over all replicas.
      augment: whether images are cropped at random, and mirrored where that makes sense.
      optimizer: one of `recipe.OPTIMIZERS`.
      base_learning_rate: peak rate, per 256 examples.
      warmup_steps_fraction: part of the steps in which it grows.
      momentum: of the optimizer.
      weight_decay: factor of half the sum of squares of the kernels.
      ema_decay: of the moving averages of the weights, which then are what is evaluated; 0 for
        none.
      use_bfloat16: whether the network computes in bfloat16.
      seed: of weights, dropout and data.
      iterations_per_loop, checkpoint_interval: as of `LoopOptions`.
      deterministic: whether the seed decides every bit, however often the training is resumed.
      on_nan: what to do about a step with a loss that is no finite number, one of
        `recipe.NAN_POLICIES`.
    """

    total_steps: int
    train_split: str
    train_batch_size: int
    augment: bool
    optimizer: str
    base_learning_rate: float
    warmup_steps_fraction: float
    momentum: float
    weight_decay: float
    ema_decay: float
    use_bfloat16: bool
    seed: int
    iterations_per_loop: int
    checkpoint_interval: int
    deterministic: bool = False
    on_nan: str = "stop"

    def __post_init__(self):
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay is {self.ema_decay:g}; it must be at least 0, below 1.")


def disk_megabytes(num_params: int, ema_decay: float) -> float:
    """What the checkpoints of a run take at most.

    Each weight comes with two slots of the optimiser, and with its average if there is one.
    """
    return checkpoint_megabytes((4 if ema_decay else 3) * num_params)


def run_network(
    *,
    task: Task,
    build: Callable[[], tf_keras.Model],
    dataset: SplitDataset,
    settings: NetworkSettings,
    run_directory: RunDirectory,
    train: bool,
    prepare: Callable[[tf_keras.Model], None] = lambda network: None,
) -> tuple[tf_keras.Model, int]:
    """Trains on the devices of the current tf.distribute strategy, or only reads the weights.

    Args:
      task: what is learned.
      build: makes the network, images -> predictions, with fresh weights.
      dataset: with `training_batches`.
      settings: how to train.
      run_directory: of the run; a training resumes there.
      train: whether to train to the last step; if not, a checkpoint must be there.
      prepare: gives a fresh network other weights to start from.

    Returns:
      The network, with the averages of its weights if there are any, and its step.

    Raises:
      InputError: the dataset has other classes than the run, or there is no checkpoint to read.
    """
    run_directory.agree_on_classes(dataset.class_names)
    if settings.deterministic:
        determinism.enable()
    tf_keras.utils.set_random_seed(settings.seed)
    with (
        network_precision(settings.use_bfloat16),
        determinism.saved_random_states(settings.deterministic),
    ):
        network = build()
        averages = None
        if settings.ema_decay:
            averages = WeightAverages(build(), settings.ema_decay)
    # Before it decides what is computed together.
    devices.require_same_on_all_workers(run_directory.checkpoint_step())
    parts = {"network": network}
    if averages is not None:
        parts["averaged_network"] = averages.network
    if train:
        if not run_directory.checkpoint_step():
            prepare(network)
            if averages is not None:
                averages.start(network)
        step = _train(task, parts, averages, dataset, settings, run_directory)
    else:
        step = _restore(parts, run_directory)
    return parts.get("averaged_network", network), step


def _summarize(task: Task) -> Callable[[dict[str, float]], str]:
    """The text beside the progress bar, from the metrics of a loop."""

    def summarize(metrics: dict[str, float]) -> str:
        scalars = [
            f"{name.replace('_', ' ')} {metrics[f'model/{name}']:.3f}" for name in task.scalar_names
        ]
        return "  ".join([f"loss {metrics['model/loss']:.3f}", *scalars])

    return summarize


def _train(task, parts, averages, dataset, settings, run_directory) -> int:
    network = parts["network"]
    optimizer = make_optimizer(
        network.trainable_variables,
        settings.base_learning_rate,
        settings.train_batch_size,
        settings.total_steps,
        settings.warmup_steps_fraction,
        settings.momentum,
        settings.optimizer,
    )
    data_seed, first_batch = determinism.data_position(
        settings.seed, 1, run_directory.checkpoint_step(), settings.deterministic
    )
    batches = devices.distributed_batches(
        dataset,
        settings.train_split,
        settings.train_batch_size,
        data_seed,
        settings.augment,
        first_batch,
    )
    trainer = NetworkTrainer(
        task,
        network,
        optimizer,
        batches,
        settings.weight_decay,
        averages,
        settings.on_nan,
    )
    checkpoint = tf.train.Checkpoint(
        optimizer=optimizer,
        global_step=trainer.global_step,
        skipped_steps=trainer.guard.skipped_steps,
        random_states=determinism.random_states(network),
        **parts,
    )
    options = LoopOptions(
        total_steps=settings.total_steps,
        iterations_per_loop=settings.iterations_per_loop,
        checkpoint_interval=settings.checkpoint_interval,
        summarize=_summarize(task),
    )
    run_training(trainer, checkpoint, run_directory, options)
    return int(trainer.global_step.numpy())


def _restore(parts: dict[str, tf_keras.Model], run_directory: RunDirectory) -> int:
    path = run_directory.checkpoint()
    if path is None:
        raise InputError(
            f"{run_directory.path} holds no checkpoint to evaluate; train the network first."
        )
    global_step = orbit.utils.create_global_step()
    checkpoint = tf.train.Checkpoint(global_step=global_step, **parts)
    checkpoint.read(path).assert_existing_objects_matched().expect_partial()
    return int(global_step.numpy())
