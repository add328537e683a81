"""The network of a run of train_eval: what it is, and its weights."""

import dataclasses

import tf_keras

from tunas_tf.export import trained_run
from tunas_tf.models import build_classifier
from tunas_tf.training import run_directory

__all__ = ["TrainedNetwork", "open_run"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedNetwork(trained_run.TrainedRun):
    """What a run directory says about the classifier that was trained in it.

    Attributes:
      dropout_rate: as `path_dropout_rate`.
    """

    dropout_rate: float

    def build(self, image_size: int) -> tf_keras.Model:
        """The network with the weights of the checkpoint, in float32, for images of this side."""
        network = build_classifier(
            self.architecture,
            self.num_classes,
            image_size,
            dropout_rate=self.dropout_rate,
            path_dropout_rate=self.path_dropout_rate,
        )
        trained_run.restore(network, self)
        return network


def open_run(directory: str) -> TrainedNetwork:
    """Reads the run of train_eval in `directory`; InputError if it is none or not trained."""
    config, checkpoint = trained_run.open_checkpoint(directory, "train_eval")
    with run_directory.readable(directory):
        shared = trained_run.shared_values(directory, config, checkpoint)
        return TrainedNetwork(
            **shared,
            num_classes=_num_classes(checkpoint),
            dropout_rate=config["derived"]["dropout_rate"],
        )


def _num_classes(checkpoint: str) -> int:
    """Outputs of the last layer, which is the classifier: its bias has one number for each."""
    biases = {
        int(key.partition("/")[2].partition("/")[0].rpartition("-")[2]): shape[0]
        for key, shape in trained_run.saved_shapes(checkpoint, "network").items()
        if key.split("/")[2] == "bias"
    }
    return biases[max(biases)]
