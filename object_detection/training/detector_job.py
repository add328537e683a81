"""Training and evaluating a detector, from plain settings to COCO's figures."""

import dataclasses
from typing import Any

import tf_keras

from object_detection import modeling
from object_detection.data import DetectionDataset
from object_detection.modeling import Definition
from object_detection.training.detection_task import DetectionTask
from object_detection.training.evaluation import evaluate as evaluate_detector
from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.common.json_files import VERSIONS
from tunas_tf.export.trained_network import TrainedNetwork
from tunas_tf.search_space.architecture import Architecture
from tunas_tf.training import devices
from tunas_tf.training.network_job import NetworkSettings, run_network
from tunas_tf.training.run_directory import RunDirectory

__all__ = ["DetectorSettings", "require_same_backbone", "run_detector"]


@dataclasses.dataclass(frozen=True)
class DetectorSettings:
    """What is trained, and how it is evaluated.

    Attributes:
      test_split: of the dataset.
      eval_batch_size: images per step over all replicas.
      path_dropout_rate: of the branches that residual layers add, per image.
      batch_norm_momentum: of the moving averages.
      synchronized_batch_norm: whether training normalises by the batch of all replicas.
      num_pictures: images with detections to be drawn; 0 for none.
    """

    test_split: str
    eval_batch_size: int
    path_dropout_rate: float
    batch_norm_momentum: float
    synchronized_batch_norm: bool
    num_pictures: int

    def __post_init__(self):
        if not 0 <= self.path_dropout_rate < 1:
            raise InputError(
                f"path_dropout_rate is {self.path_dropout_rate:g}; it must be at least 0 and "
                "below 1."
            )


def require_same_backbone(
    definition: Definition, architecture: Architecture, trained: TrainedNetwork
) -> None:
    """Raises InputError if a classifier is not one whose weights fit the backbone."""
    backbone, classifier = (
        modeling.trim(network, definition.input_levels)
        for network in (architecture, trained.architecture)
    )
    if backbone.blocks != classifier.blocks:
        raise InputError(
            f"the network in {trained.directory}, of {trained.architecture.ssd}, is another one "
            f"than the backbone, of {architecture.ssd}; give the directory of a train_eval of "
            "the same architecture."
        )


def run_detector(
    *,
    definition: Definition,
    architecture: Architecture,
    dataset: DetectionDataset,
    network_settings: NetworkSettings,
    settings: DetectorSettings,
    run_directory: RunDirectory,
    train: bool,
    evaluate: bool,
    classifier: TrainedNetwork | None = None,
) -> dict[str, Any] | None:
    """Trains and evaluates on the devices of the current tf.distribute strategy.

    Args:
      definition, architecture: the detector and its backbone.
      dataset: the images.
      network_settings, settings: how to train, and how to evaluate.
      run_directory: of the run.
      train, evaluate: what to do.
      classifier: the weights that the backbone starts from; None for fresh ones.

    Returns:
      With `evaluate`, COCO's figures, which are also written to evaluation.json of the run
      directory; detections.png shows some detections.
    """

    def build() -> tf_keras.Model:
        return modeling.build_detector(
            definition,
            architecture,
            dataset.image_size,
            dataset.num_classes,
            settings.batch_norm_momentum,
            settings.path_dropout_rate,
            settings.synchronized_batch_norm,
        )

    def read_classifier(network: tf_keras.Model) -> None:
        if classifier is not None:
            trained = classifier.build(dataset.image_size)
            modeling.copy_backbone_weights(trained, network.get_layer("backbone"))

    network, step = run_network(
        task=DetectionTask(definition, dataset.image_size, dataset.num_classes),
        build=build,
        dataset=dataset,
        settings=network_settings,
        run_directory=run_directory,
        train=train,
        prepare=read_classifier,
    )
    if not evaluate:
        return None
    figures = evaluate_detector(
        network,
        definition,
        dataset,
        settings.test_split,
        settings.eval_batch_size,
        settings.num_pictures,
        run_directory.file("detections.png"),
    )
    result = {**figures, "split": settings.test_split, "step": step}
    if devices.is_chief():
        evaluation = {"version": VERSIONS["evaluation"], **result}
        write_json(run_directory.file("evaluation.json"), evaluation)
    # COCO's -1 says that there is no object.
    found = {
        name: f"{result[name]:.4f}" if result[name] >= 0 else "unknown"
        for name in ("ap", "ap50", "ap75")
    }
    print(
        f"AP {found['ap']}, AP50 {found['ap50']}, AP75 {found['ap75']} on "
        f"{result['num_examples']} images of {result['split']}, step {step}"
    )
    return result
