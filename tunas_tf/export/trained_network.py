"""The network of a run of train_eval: what it is, and its weights."""

import dataclasses
import re
from typing import Any, Optional

import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.models import build_classifier
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.training import run_directory

__all__ = ["TrainedNetwork", "open_run"]


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """What a run directory says about the network that was trained in it.

    Attributes:
      directory: of the run.
      checkpoint: path of its newest checkpoint.
      step: the training step of that.
      architecture: the network.
      image_size: side of the images that it was trained on.
      num_classes: outputs of its classifier.
      dropout_rate, path_dropout_rate: it was trained with; inference does nothing there, but the
        checkpoint knows layers by their numbers, and dropout layers count.
      dataset, dataset_dir, reward_fraction: what `data.load` opened its images with.
      train_split, test_split: of the dataset.
    """

    directory: str
    checkpoint: str
    step: int
    architecture: Architecture
    image_size: int
    num_classes: int
    dropout_rate: float
    path_dropout_rate: float
    dataset: str
    dataset_dir: Optional[str]
    reward_fraction: Optional[float]
    train_split: str
    test_split: str

    def agree_on(self, architecture: Optional[Architecture]) -> Architecture:
        """`architecture`, or that of the run if None; InputError if these are two networks."""
        if architecture is None:
            return self.architecture
        if architecture.blocks != self.architecture.blocks:
            raise InputError(
                f"the network that is named is not the one that was trained in {self.directory}, "
                f"a network of {self.architecture.ssd}; leave --architecture, --ssd and --indices "
                "out to export that."
            )
        return architecture

    def build(self, image_size: int) -> tf_keras.Model:
        """The network with the weights of the checkpoint, in float32, for images of this side."""
        network = build_classifier(
            self.architecture,
            self.num_classes,
            image_size,
            dropout_rate=self.dropout_rate,
            path_dropout_rate=self.path_dropout_rate,
        )
        checkpoint = tf.train.Checkpoint(network=network)
        try:
            status = checkpoint.read(self.checkpoint)
            status.assert_existing_objects_matched().expect_partial()
        except (AssertionError, ValueError):
            raise InputError(
                f"the checkpoint in {self.directory} does not fit the network in its config.json; "
                "give the directory of another run."
            ) from None
        except tf.errors.OpError as error:
            raise InputError(
                f"the checkpoint {self.checkpoint} is damaged ({type(error).__name__}); delete "
                "it, or give the directory of another run."
            ) from None
        return network


def _num_classes(checkpoint: str) -> int:
    """The size of the classifier's bias: of the last layer of the network that has weights."""
    layers = {}
    for name, shape in tf.train.list_variables(checkpoint):
        if match := re.match(r"network/layer_with_weights-(\d+)/bias/", name):
            layers[int(match[1])] = shape
    (num_classes,) = layers[max(layers)]
    return num_classes


def open_run(directory: str) -> TrainedNetwork:
    """Reads the run of train_eval in `directory`; InputError if it is none or not trained."""
    config = run_directory.load_config(directory, "train_eval")
    checkpoint = tf.train.latest_checkpoint(directory)
    if checkpoint is None:
        raise InputError(f"{directory} holds no checkpoint; train the network first.")
    try:
        return _trained_network(directory, checkpoint, config)
    except (KeyError, TypeError, ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"the run in {directory} cannot be read ({type(error).__name__}: {error}); give the "
            "directory of another run."
        ) from None


def _trained_network(directory: str, checkpoint: str, config: dict[str, Any]) -> TrainedNetwork:
    values = {**config["settings"], **config["derived"]}
    return TrainedNetwork(
        directory=directory,
        checkpoint=checkpoint,
        step=int(checkpoint.rpartition("-")[2]),
        architecture=architecture_lib.from_json(values["network"]),
        image_size=values["image_size"],
        num_classes=_num_classes(checkpoint),
        dropout_rate=values["dropout_rate"],
        path_dropout_rate=values["path_dropout_rate"],
        dataset=values["dataset"],
        dataset_dir=config["flags"]["dataset_dir"],
        reward_fraction=values["reward_fraction"],
        train_split=values["train_split"],
        test_split=values["test_split"],
    )
