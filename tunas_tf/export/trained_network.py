"""The network of a run of train_eval: what it is, and its weights."""

import collections
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
        # Checked first: TensorFlow would fail in the middle, with a warning for every variable.
        built = [sorted(w.shape.as_list() for w in l.weights) for l in network.layers if l.weights]
        if built != _saved_shapes(self.checkpoint):
            raise InputError(
                f"the checkpoint in {self.directory} does not fit the network in its config.json; "
                "give the directory of another run."
            )
        try:
            # The optimiser's part is not wanted.
            status = tf.train.Checkpoint(network=network).read(self.checkpoint).expect_partial()
        except (IndexError, tf.errors.OpError) as error:  # IndexError: of a file that ends early.
            raise InputError(
                f"the checkpoint {self.checkpoint} is damaged ({type(error).__name__}); delete "
                "it, or give the directory of another run."
            ) from None
        status.assert_existing_objects_matched()
        return network


def _saved_shapes(checkpoint: str) -> list[list[list[int]]]:
    """The shapes of the weights, sorted, of every layer of the network that has any, in order."""
    layers = collections.defaultdict(list)
    for name, shape in tf.train.list_variables(checkpoint):
        # A variable of a layer, not the optimiser's slots for it.
        if match := re.fullmatch(r"network/layer_with_weights-(\d+)/\w+/\.ATTRIBUTES/.*", name):
            layers[int(match[1])].append(shape)
    return [sorted(layers[number]) for number in sorted(layers)]


def open_run(directory: str) -> TrainedNetwork:
    """Reads the run of train_eval in `directory`; InputError if it is none or not trained."""
    config = run_directory.load_config(directory, "train_eval")
    checkpoint = tf.train.latest_checkpoint(directory)
    if checkpoint is None:
        raise InputError(f"{directory} holds no checkpoint; train the network first.")
    try:
        return _trained_network(directory, checkpoint, config)
    except (IndexError, KeyError, TypeError, ValueError, tf.errors.OpError) as error:
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
        # The last layer is the classifier, which has a kernel and a bias.
        num_classes=min(_saved_shapes(checkpoint)[-1], key=len)[0],
        dropout_rate=values["dropout_rate"],
        path_dropout_rate=values["path_dropout_rate"],
        dataset=values["dataset"],
        dataset_dir=config["flags"]["dataset_dir"],
        reward_fraction=values["reward_fraction"],
        train_split=values["train_split"],
        test_split=values["test_split"],
    )
