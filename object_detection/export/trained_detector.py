"""The detector of a run of train_eval: what it is, and its weights."""

import dataclasses

import tf_keras

from object_detection import modeling
from object_detection.modeling import Definition
from tunas_tf.common.errors import InputError
from tunas_tf.export import trained_run
from tunas_tf.training import run_directory

__all__ = ["TrainedDetector", "open_run"]

_COMMAND = "detection_train_eval"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedDetector(trained_run.TrainedRun):
    """What a run directory says about the detector that was trained in it.

    Attributes:
      definition: the detector.
      keep_aspect_ratio: whether images were fitted into the input rather than stretched.
    """

    definition: Definition
    keep_aspect_ratio: bool

    def agree_on_definition(self, definition: Definition | None) -> Definition:
        """`definition`, or that of the run if None; InputError if these are two detectors."""
        if definition not in (None, self.definition):
            raise InputError(
                f"the detector that is named is not the one that was trained in {self.directory}, "
                f"{self.definition}; leave --detector and its options out to export that."
            )
        return self.definition

    def build(self, image_size: int) -> tf_keras.Model:
        """The detector with the weights of the checkpoint, in float32, for images of this side."""
        detector = modeling.build_detector(
            self.definition,
            self.architecture,
            image_size,
            self.num_classes,
            path_dropout_rate=self.path_dropout_rate,
        )
        trained_run.restore(detector, self)
        return detector


def open_run(directory: str) -> TrainedDetector:
    """Reads the run of train_eval in `directory`; InputError if it is none or not trained."""
    config, checkpoint = trained_run.open_checkpoint(directory, _COMMAND)
    with run_directory.readable(directory):
        settings = config["settings"]
        options = {
            name: settings[name] or None
            for name in ("num_filters", "separable", "expanded_features")
        }
        return TrainedDetector(
            **trained_run.shared_values(directory, config, checkpoint),
            num_classes=config["derived"]["num_classes"],
            definition=modeling.define(settings["detector"], **options),
            keep_aspect_ratio=settings["keep_aspect_ratio"],
        )
