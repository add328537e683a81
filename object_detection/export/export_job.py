"""Exporting one detector, from plain settings to a verified .tflite file."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from object_detection import data, modeling
from object_detection.data import DetectionDataset
from object_detection.data.preprocessing import normalise
from object_detection.export import joining, metadata, postprocessing, verification
from object_detection.export.trained_detector import TrainedDetector
from object_detection.modeling import Definition, definitions
from object_detection.modeling.outputs import flatten
from tunas_tf.export import export_job, output
from tunas_tf.export.conversion import convert
from tunas_tf.export.images import ExportImages, Sample, random_images
from tunas_tf.export.runtime import TFLiteNetwork
from tunas_tf.search_space.architecture import Architecture

__all__ = ["NUM_CLASSES", "DetectorExport", "export_detector", "initial_detector", "raw_outputs"]

# COCO's 80, and nothing.
NUM_CLASSES = 81

# Of initial weights: an export is the same each time.
_SEED = 0

# That their batch norm statistics are of.
_NUM_STATISTICS_IMAGES = 16

# A loss of average precision from which on there is a warning.
_MAX_AP_LOSS = 0.02

# Images that a joined file is compared with its parts on.
_NUM_JOINED = 4


@dataclasses.dataclass(frozen=True)
class DetectorExport(export_job.ExportSettings):
    """What is exported, and how.

    Attributes:
      score_threshold: detections of lower scores are left out; None for a file with raw outputs.
    """

    score_threshold: float | None = None


def raw_outputs(
    detector: tf_keras.Model, num_classes: int
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """A detector as a function of images to flat raw outputs, for inference."""

    def infer(images):
        outputs = detector(images, training=False)
        return {
            postprocessing.CLASS_LOGITS: flatten(outputs["class_logits"], num_classes),
            postprocessing.BOXES: flatten(outputs["boxes"], 4),
        }

    return infer


def initial_detector(
    definition: Definition, architecture: Architecture, image_size: int, num_classes: int
) -> tf_keras.Model:
    """A detector with random weights, whose batch norm statistics are those of random images.

    The initial weights of a head are near zero: all anchors would have nearly equal outputs, and
    neither could files be told from broken ones, nor would the ranges of int8 mean anything.
    """
    tf_keras.utils.set_random_seed(_SEED)
    detector = modeling.build_detector(
        definition, architecture, image_size, num_classes, batch_norm_momentum=0.0
    )
    generator = np.random.default_rng(_SEED)
    for weight in detector.get_layer("head").trainable_weights:
        if "kernel" in weight.name:
            # A depthwise kernel [height, width, channels, 1] sees one channel.
            is_depthwise = "depthwise_kernel" in weight.name
            fan_in = np.prod(weight.shape[: 2 if is_depthwise else 3])
            weight.assign(generator.normal(0, fan_in**-0.5, weight.shape))
    images = random_images(_NUM_STATISTICS_IMAGES, image_size, _SEED, normalise)
    detector(images, training=True)
    return detector


def _with_all_objects(images: ExportImages[DetectionDataset]) -> ExportImages[DetectionDataset]:
    """The images with rows in their labels for all objects of any test image."""
    if images.dataset is None:
        return images
    most = max(images.dataset.max_num_boxes, images.dataset.most_objects(images.test_split))
    dataset = dataclasses.replace(images.dataset, max_num_boxes=most)
    return dataclasses.replace(images, dataset=dataset)


class _Detector(NamedTuple):
    """What is converted, and what belongs to it."""

    definition: Definition
    architecture: Architecture
    image_size: int
    num_classes: int


class _Converted(NamedTuple):
    """A file, and how it was verified."""

    tflite: bytes
    comparison: verification.Comparison
    detection_agreement: float | None


def _converted(
    settings: DetectorExport,
    of: _Detector,
    infer: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
    calibration: Sample | None,
    tested: Sample,
    class_names: tuple[str, ...] | None,
) -> _Converted:
    """Converts and verifies.

    Args:
      settings: what to do.
      of: the detector.
      infer: images -> flat raw outputs.
      calibration: representative images, for int8.
      tested: images to compare on.
      class_names: of the labels of these, if the average precision is measured.
    """
    threshold = settings.score_threshold
    raw = convert(
        infer,
        (of.image_size, of.image_size, 3),
        settings.quantize,
        calibration and calibration.images(),
        float_outputs=threshold is not None,
    )
    with export_job.comparison_bar(tested) as bar:
        comparison = verification.compare(
            infer, TFLiteNetwork(raw), tested.batches, of.definition, class_names, bar.update
        )
    verification.require_same(comparison, settings.quantize)
    if threshold is None:
        return _Converted(raw, comparison, None)
    detect = postprocessing.convert_detect(of.definition, of.image_size, of.num_classes, threshold)
    agreement = verification.detection_agreement(
        detect, of.definition, of.image_size, of.num_classes, threshold
    )
    joined = joining.join(raw, detect)
    images = random_images(_NUM_JOINED, of.image_size, _SEED, normalise)
    verification.require_joined(raw, detect, joined, images)
    return _Converted(joined, comparison, agreement)


def _warnings(comparison: verification.Comparison) -> list[str]:
    if comparison.keras_ap is None or comparison.tflite_ap is None:
        return []
    loss = comparison.keras_ap - comparison.tflite_ap
    if loss <= _MAX_AP_LOSS:
        return []
    return [
        f"the average precision of the file is {100 * loss:.1f} points lower than that of the "
        f"detector in Keras, expected are at most {100 * _MAX_AP_LOSS:.0f}; try another "
        "--quantize, or more --num_representative_images."
    ]


def export_detector(
    settings: DetectorExport,
    definition: Definition | None,
    architecture: Architecture | None,
    trained: TrainedDetector | None,
    default_image_size: int,
) -> dict[str, Any]:
    """Converts a detector, verifies the file, and writes it with its description.

    Args:
      settings: what to do.
      definition, architecture: the detector; None for that of `trained`.
      trained: the run that the weights are from; None for initial ones, which are as good for
        measuring latency.
      default_image_size: of a detector with initial weights.

    Returns:
      The description, as in NAME.json.

    Raises:
      InputError: the settings do not fit, or the file is not what it should be. Then nothing
        was written.
    """
    keep_aspect_ratio = False
    if trained is not None:
        architecture = trained.agree_on(architecture)
        definition = trained.agree_on_definition(definition)
        default_image_size, keep_aspect_ratio = trained.image_size, trained.keep_aspect_ratio
    assert definition is not None and architecture is not None, "a network or a run is given"
    image_size = settings.image_size or default_image_size
    definitions.check_image_size(definition, image_size)
    load = functools.partial(data.load, keep_aspect_ratio=keep_aspect_ratio)
    images, warnings = export_job.open_images(settings, trained, image_size, load, normalise)
    images = _with_all_objects(images)
    num_classes = export_job.agree_on_num_classes(settings, trained, images.dataset, NUM_CLASSES)
    calibration = export_job.representative_images(settings, images)
    if trained is not None:
        detector = trained.build(image_size)
    else:
        detector = initial_detector(definition, architecture, image_size, num_classes)

    tested = images.test(export_job.num_test_images(settings, trained))
    measures_ap = export_job.measures_accuracy(settings, trained)
    converted = _converted(
        settings,
        _Detector(definition, architecture, image_size, num_classes),
        raw_outputs(detector, num_classes),
        calibration,
        tested,
        images.dataset.class_names if images.dataset is not None and measures_ap else None,
    )
    description = metadata.describe(
        path=settings.output,
        tflite=converted.tflite,
        definition=definition,
        architecture=architecture,
        num_classes=num_classes,
        quantize=settings.quantize,
        dataset=images.dataset,
        class_names=export_job.class_names(trained, images.dataset),
        keep_aspect_ratio=keep_aspect_ratio,
        step=None if trained is None else trained.step,
        calibrated_on=calibration and f"{calibration.num_images} {calibration.source}",
        compared_on=f"{converted.comparison.num_images} {tested.source}",
        comparison=converted.comparison,
        score_threshold=settings.score_threshold,
        detection_agreement=converted.detection_agreement,
        warnings=[
            *warnings,
            *export_job.calibration_warnings(calibration),
            *_warnings(converted.comparison),
        ],
    )
    output.write(settings.output, converted.tflite, description)
    return description
