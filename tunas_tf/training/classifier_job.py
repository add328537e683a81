"""Training and evaluating a classifier, from plain settings to an accuracy."""

import dataclasses

import orbit
import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.common.json_files import VERSIONS
from tunas_tf.data import ClassificationDataset
from tunas_tf.models import build_classifier
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.training import devices
from tunas_tf.training.classification import ClassificationTask, correct
from tunas_tf.training.network_job import NetworkSettings, run_network
from tunas_tf.training.run_directory import RunDirectory

__all__ = ["ClassifierEvaluator", "ClassifierSettings", "run_classifier"]


@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """What is trained, and how it is evaluated.

    Attributes:
      test_split: of the dataset.
      eval_batch_size: examples per step over all replicas.
      label_smoothing: of the training loss.
      dropout_rate: of the features before the classifier.
      path_dropout_rate: of the branches that residual layers add, per example.
      batch_norm_momentum: of the moving averages.
    """

    test_split: str
    eval_batch_size: int
    label_smoothing: float
    dropout_rate: float
    path_dropout_rate: float
    batch_norm_momentum: float

    def __post_init__(self):
        for name in ("dropout_rate", "path_dropout_rate"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} is {getattr(self, name):g}; it must be at least 0 and below 1."
                )


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


def run_classifier(
    *,
    architecture: Architecture,
    dataset: ClassificationDataset,
    network_settings: NetworkSettings,
    settings: ClassifierSettings,
    run_directory: RunDirectory,
    train: bool,
    evaluate: bool,
) -> dict[str, float] | None:
    """Trains and evaluates on the devices of the current tf.distribute strategy.

    Returns:
      With `evaluate`, accuracy and num_examples, which are also printed and written to
      evaluation.json of the run directory.
    """
    network, step = run_network(
        task=ClassificationTask(settings.label_smoothing),
        build=lambda: build_classifier(
            architecture,
            dataset.num_classes,
            dataset.image_size,
            dropout_rate=settings.dropout_rate,
            path_dropout_rate=settings.path_dropout_rate,
            batch_norm_momentum=settings.batch_norm_momentum,
        ),
        dataset=dataset,
        settings=network_settings,
        run_directory=run_directory,
        train=train,
    )
    return _evaluate(network, step, dataset, settings, run_directory) if evaluate else None


def _evaluate(network, step, dataset, settings, run_directory) -> dict[str, float]:
    batches = dataset.evaluation_batches(settings.test_split, settings.eval_batch_size)
    strategy = tf.distribute.get_strategy()
    evaluator = ClassifierEvaluator(network, strategy.experimental_distribute_dataset(batches))
    output = evaluator.evaluate(tf.constant(-1))
    result = {
        "accuracy": float(output["accuracy"]),
        "num_examples": int(output["num_examples"]),
        "split": settings.test_split,
        "step": step,
    }
    if devices.is_chief():
        evaluation = {"version": VERSIONS["evaluation"], **result}
        write_json(run_directory.file("evaluation.json"), evaluation)
    print(
        f"accuracy: {result['accuracy']:.4f} on {result['num_examples']} images of "
        f"{result['split']}, step {result['step']}"
    )
    return result
