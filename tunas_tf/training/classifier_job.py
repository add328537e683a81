"""Training and evaluating one network, from plain settings to an accuracy."""

import dataclasses
from typing import Optional

import orbit
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.data import ClassificationDataset
from tunas_tf.models import build_classifier
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.training.classifier_trainer import ClassifierEvaluator, ClassifierTrainer
from tunas_tf.training.loop import LoopOptions, checkpoint_megabytes, run_training
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.precision import network_precision
from tunas_tf.training.run_directory import RunDirectory

__all__ = ["ClassifierSettings", "disk_megabytes", "run_classifier"]


@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """How a network is trained and evaluated.

    Attributes:
      total_steps: length of the training.
      train_split, test_split: of the dataset.
      train_batch_size, eval_batch_size: examples per step over all replicas.
      base_learning_rate: peak rate, per 256 examples.
      warmup_steps_fraction: part of the steps in which it grows.
      momentum: of RMSProp.
      weight_decay: factor of half the sum of squares of the kernels.
      label_smoothing: of the training loss.
      dropout_rate: of the features before the classifier.
      path_dropout_rate: of the branches that residual layers add, per example.
      batch_norm_momentum: of the moving averages.
      use_bfloat16: whether the network computes in bfloat16.
      seed: of weights, dropout and data.
    """

    total_steps: int
    train_split: str
    test_split: str
    train_batch_size: int
    eval_batch_size: int
    base_learning_rate: float
    warmup_steps_fraction: float
    momentum: float
    weight_decay: float
    label_smoothing: float
    dropout_rate: float
    path_dropout_rate: float
    batch_norm_momentum: float
    use_bfloat16: bool
    seed: int

    def __post_init__(self):
        for name in ("dropout_rate", "path_dropout_rate"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} is {getattr(self, name):g}; it must be at least 0 and below 1."
                )


def disk_megabytes(num_params: int) -> float:
    """What the checkpoints of a run take: each weight with the optimiser's two slots."""
    return checkpoint_megabytes(3 * num_params)


def _summary(metrics: dict[str, float]) -> str:
    accuracy = metrics["model/training_accuracy"]
    return f"loss {metrics['model/loss']:.3f}  training accuracy {accuracy:.3f}"


def run_classifier(
    *,
    architecture: Architecture,
    dataset: ClassificationDataset,
    settings: ClassifierSettings,
    run_directory: RunDirectory,
    train: bool,
    evaluate: bool,
    iterations_per_loop: int,
    checkpoint_interval: int,
) -> Optional[dict[str, float]]:
    """Trains and evaluates on the devices of the current tf.distribute strategy.

    Returns:
      With `evaluate`, accuracy and num_examples, which are also printed and written to
      evaluation.json of the run directory.
    """
    strategy = tf.distribute.get_strategy()
    tf_keras.utils.set_random_seed(settings.seed)
    with network_precision(settings.use_bfloat16):
        network = build_classifier(
            architecture,
            dataset.num_classes,
            dataset.image_size,
            dropout_rate=settings.dropout_rate,
            path_dropout_rate=settings.path_dropout_rate,
            batch_norm_momentum=settings.batch_norm_momentum,
        )
    global_step = orbit.utils.create_global_step()
    if train:
        optimizer = make_optimizer(
            network.trainable_variables,
            settings.base_learning_rate,
            settings.train_batch_size,
            settings.total_steps,
            settings.warmup_steps_fraction,
            settings.momentum,
        )
        trainer = ClassifierTrainer(
            network,
            optimizer,
            strategy.experimental_distribute_dataset(
                dataset.training_batches(
                    settings.train_split,
                    settings.train_batch_size,
                    # A resumed run does not begin with the first batches again.
                    settings.seed + run_directory.checkpoint_step(),
                )
            ),
            settings.weight_decay,
            settings.label_smoothing,
        )
        global_step = trainer.global_step
        checkpoint = tf.train.Checkpoint(
            network=network, optimizer=optimizer, global_step=global_step
        )
        options = LoopOptions(
            total_steps=settings.total_steps,
            iterations_per_loop=iterations_per_loop,
            checkpoint_interval=checkpoint_interval,
            summarize=_summary,
        )
        run_training(trainer, checkpoint, run_directory, options)
    else:
        _restore(network, global_step, run_directory)
    return _evaluate(network, global_step, dataset, settings, run_directory) if evaluate else None


def _restore(network, global_step, run_directory: RunDirectory) -> None:
    path = tf.train.latest_checkpoint(run_directory.path)
    if path is None:
        raise InputError(
            f"{run_directory.path} holds no checkpoint to evaluate; train the network first."
        )
    checkpoint = tf.train.Checkpoint(network=network, global_step=global_step)
    checkpoint.read(path).assert_existing_objects_matched().expect_partial()


def _evaluate(network, global_step, dataset, settings, run_directory) -> dict[str, float]:
    batches = dataset.evaluation_batches(settings.test_split, settings.eval_batch_size)
    strategy = tf.distribute.get_strategy()
    evaluator = ClassifierEvaluator(network, strategy.experimental_distribute_dataset(batches))
    output = evaluator.evaluate(tf.constant(-1))
    result = {
        "accuracy": float(output["accuracy"]),
        "num_examples": int(output["num_examples"]),
        "split": settings.test_split,
        "step": int(global_step),
    }
    write_json(run_directory.file("evaluation.json"), result)
    print(
        f"accuracy: {result['accuracy']:.4f} on {result['num_examples']} images of "
        f"{result['split']}, step {result['step']}"
    )
    return result
