"""What the runs of all commands that train one network have in common."""

import dataclasses
from typing import Any

import tensorflow as tf
import tf_keras

from tunas_tf.common.errors import InputError
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.training import checkpoints, run_directory

__all__ = ["TrainedRun", "open_checkpoint", "restore", "saved_shapes", "shared_values"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """What a run directory says about the network that was trained in it.

    Attributes:
      directory: of the run.
      checkpoint: path of its newest checkpoint.
      weights: what the checkpoint calls the network: "network", or "averaged_network" if the run
        kept moving averages of the weights.
      step: the training step of the checkpoint.
      architecture: the network.
      image_size: side of the images that it was trained on.
      num_classes: that it tells apart.
      class_names: of these, in the order of its outputs; None if the run is from before they were
        noted.
      path_dropout_rate: it was trained with; inference does nothing there, but the checkpoint
        knows layers by their numbers, and dropout layers count.
      dataset, dataset_dir, reward_fraction: what its images were opened with.
      train_split, test_split: of the dataset.
    """

    directory: str
    checkpoint: str
    weights: str
    step: int
    architecture: Architecture
    image_size: int
    num_classes: int
    path_dropout_rate: float
    dataset: str
    dataset_dir: str | None
    reward_fraction: float | None
    train_split: str
    test_split: str
    class_names: tuple[str, ...] | None = None

    def agree_on(self, architecture: Architecture | None) -> Architecture:
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


def open_checkpoint(directory: str, command: str) -> tuple[dict[str, Any], str]:
    """The config.json of a run of `command`, and the path of its newest checkpoint.

    Raises:
      InputError: it is no such run, or has no checkpoint.
    """
    config = run_directory.load_config(directory, command)
    checkpoint = checkpoints.newest(directory)
    if checkpoint is None:
        raise InputError(f"{directory} holds no checkpoint; train the network first.")
    return config, checkpoint


def shared_values(directory: str, config: dict[str, Any], checkpoint: str) -> dict[str, Any]:
    """What the config.json of every such run says: fields of `TrainedRun`, without num_classes."""
    values = {**config["settings"], **config["derived"]}
    same = ("image_size", "path_dropout_rate", "dataset", "reward_fraction")
    names = config.get("class_names")
    return {
        "directory": directory,
        "checkpoint": checkpoint,
        "weights": "averaged_network" if values.get("ema_decay") else "network",
        "step": int(checkpoint.rpartition("-")[2]),
        "architecture": architecture_lib.network_from_json(values["network"]),
        "dataset_dir": config["flags"]["dataset_dir"],
        "class_names": None if names is None else tuple(names),
        **{name: values[name] for name in (*same, "train_split", "test_split")},
    }


def saved_shapes(checkpoint: str, name: str) -> dict[str, list[int]]:
    """Shapes of the weights, by key, of the network that a checkpoint calls `name`."""
    return {
        key: shape
        for key, shape in tf.train.list_variables(checkpoint)
        # A variable of a layer, not the optimiser's slots for it.
        if key.startswith(f"{name}/layer_with_weights-") and "/.OPTIMIZER_SLOT/" not in key
    }


def restore(network: tf_keras.Model, run: TrainedRun) -> None:
    """Gives a network the weights of the run's checkpoint.

    Raises:
      InputError: they are those of another network, or the file is damaged.
    """
    misfit = InputError(
        f"the checkpoint in {run.directory} does not fit the network in its config.json; give the "
        "directory of another run."
    )
    # Checked first: TensorFlow would fail in the middle, with a warning for every variable.
    saved = saved_shapes(run.checkpoint, run.weights)
    if sorted(saved.values()) != sorted(weight.shape.as_list() for weight in network.weights):
        raise misfit
    try:
        # The optimiser's part is not wanted.
        reader = tf.train.Checkpoint(**{run.weights: network})
        status = reader.read(run.checkpoint).expect_partial()
        status.assert_existing_objects_matched()
    except (AssertionError, ValueError):
        raise misfit from None
    except (IndexError, tf.errors.OpError) as error:  # IndexError: of a file that ends early.
        raise InputError(
            f"the checkpoint {run.checkpoint} is damaged ({type(error).__name__}); delete it, or "
            "give the directory of another run."
        ) from None
