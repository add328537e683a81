"""Exporting one network, from plain settings to a verified .tflite file."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
import tqdm

from tunas_tf import data
from tunas_tf.common import run_config
from tunas_tf.common.errors import InputError
from tunas_tf.data import preprocessing
from tunas_tf.data.splits import SplitDataset
from tunas_tf.export import metadata as metadata_lib
from tunas_tf.export import output as output_lib
from tunas_tf.export import verification
from tunas_tf.export.conversion import convert
from tunas_tf.export.images import DatasetType, ExportImages, Sample, random_images
from tunas_tf.export.quantization import ENOUGH_REPRESENTATIVE_IMAGES
from tunas_tf.export.runtime import TFLiteNetwork
from tunas_tf.export.trained_network import TrainedNetwork
from tunas_tf.export.trained_run import TrainedRun
from tunas_tf.models import build_classifier
from tunas_tf.search_space.architecture import Architecture

__all__ = [
    "ExportSettings",
    "agree_on_num_classes",
    "calibration_warnings",
    "class_names",
    "comparison_bar",
    "export_network",
    "initial_network",
    "measures_accuracy",
    "num_test_images",
    "open_images",
    "representative_images",
]

# Of initial weights: an export is the same each time.
_SEED = 0

# That their batch norm statistics are of.
_NUM_STATISTICS_IMAGES = 16

# What follows from neither flags nor run nor dataset.
_IMAGE_SIZE, _NUM_CLASSES = 224, 1001

# Images for a comparison that measures no accuracy.
_NUM_COMPARED = 64


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """What is exported, and how. None stands for what follows from the run or the dataset.

    Attributes:
      output: the file to write.
      quantize: a key of `quantization.QUANTIZATIONS`.
      image_size: side of the images in pixels.
      num_classes: that the network tells apart.
      dataset: name of the images' dataset.
      dataset_dir: where it is.
      num_representative_images: that int8 is calibrated with, see `ExportImages.representative`.
      num_test_images: that the file is compared with Keras on; 0 is all.
    """

    output: str
    quantize: str
    image_size: int | None
    num_classes: int | None
    dataset: str | None
    dataset_dir: str | None
    num_representative_images: int | None
    num_test_images: int | None


def open_images(
    settings: ExportSettings,
    trained: TrainedRun | None,
    image_size: int,
    load: Callable[..., DatasetType],
    normalise: Callable[[np.ndarray], tf.Tensor],
) -> tuple[ExportImages[DatasetType], list[str]]:
    """The images of --dataset, else of the run, else random ones; and warnings about them.

    Args:
      settings, trained: what is exported.
      image_size: side of the images in pixels.
      load: opens a dataset: (name, directory, image_size, reward_fraction).
      normalise: what prepares random images, from pixels.

    Raises:
      InputError: the images are not there, or of other classes than those of the run.
    """
    name, directory, fraction = settings.dataset, settings.dataset_dir, None
    splits = ("train", "test")
    if trained is not None and name in (None, trained.dataset):
        name, directory = trained.dataset, directory or trained.dataset_dir
        fraction, splits = trained.reward_fraction, (trained.train_split, trained.test_split)
    if name is None:
        return ExportImages(None, *splits, image_size, normalise), []
    try:
        dataset = load(name, directory, image_size, fraction)
        dataset.num_examples(splits[1])  # They may be missing where the others are.
    except InputError as error:
        if settings.dataset or settings.dataset_dir or settings.quantize == "int8":
            raise
        # The network can be exported all the same, also where its images never were.
        labels = "" if class_names(trained, None) else ", and its description has no labels"
        warning = (
            f"the file was compared with Keras on random images{labels}, as the images of the run "
            f"are not here: {error}"
        )
        return ExportImages(None, *splits, image_size, normalise), [warning]
    if trained is not None and trained.class_names is not None:
        run_config.require_same_classes(trained.directory, trained.class_names, dataset.class_names)
    return ExportImages(dataset, *splits, image_size, normalise), []


def class_names(trained: TrainedRun | None, dataset: SplitDataset | None) -> list[str] | None:
    """Of the network, in the order of its outputs: those of the run, else those of the dataset.

    None if neither is known.
    """
    for source in (trained, dataset):
        if source is not None and source.class_names is not None:
            return list(source.class_names)
    return None


def agree_on_num_classes(
    settings: ExportSettings,
    trained: TrainedRun | None,
    dataset: SplitDataset | None,
    default: int,
) -> int:
    """That the network tells apart; InputError if what is known about them differs."""
    known = {
        "--num_classes": settings.num_classes,
        "the checkpoint": None if trained is None else trained.num_classes,
        "the dataset": None if dataset is None else dataset.num_classes,
    }
    numbers = {source: number for source, number in known.items() if number is not None}
    if len(set(numbers.values())) > 1:
        texts = [f"{source} has {number}" for source, number in numbers.items()]
        raise InputError(
            f"the numbers of classes differ: {', '.join(texts)}; leave --num_classes out, or give "
            "the --dataset that belongs to the network."
        )
    return next(iter(numbers.values()), default)


def representative_images(settings: ExportSettings, images: ExportImages) -> Sample | None:
    """Those that int8 is calibrated with; None for other files."""
    if settings.quantize != "int8":
        return None
    return images.representative(settings.num_representative_images)


def calibration_warnings(calibration: Sample | None) -> list[str]:
    """What to be careful about in a file whose ranges are from these images; None: from none."""
    if calibration is None or calibration.num_images >= ENOUGH_REPRESENTATIVE_IMAGES:
        return []
    return [
        f"the ranges of int8 are those of {calibration.num_images} images only, and larger values "
        f"of others are clipped; give {ENOUGH_REPRESENTATIVE_IMAGES} or more training images if "
        "the accuracy matters."
    ]


def initial_network(
    architecture: Architecture, num_classes: int, image_size: int
) -> tf_keras.Model:
    """A network with initial weights, whose batch norm statistics are those of random images.

    With the initial statistics, 0 and 1, values grow from layer to layer: rounding errors of
    float32 reach a ten thousandth of the logits, and the ranges of int8 mean nothing.
    """
    tf_keras.utils.set_random_seed(_SEED)
    network = build_classifier(architecture, num_classes, image_size, batch_norm_momentum=0.0)
    network(random_images(_NUM_STATISTICS_IMAGES, image_size, _SEED), training=True)
    return network


def measures_accuracy(settings: ExportSettings, trained: TrainedRun | None) -> bool:
    """Whether there is an accuracy, and the file may have another one than Keras."""
    return trained is not None and settings.quantize != "none"


def num_test_images(settings: ExportSettings, trained: TrainedRun | None) -> int:
    """How many are compared: all (0) for an accuracy, else a few."""
    if settings.num_test_images is not None:
        return settings.num_test_images
    return 0 if measures_accuracy(settings, trained) else _NUM_COMPARED


def comparison_bar(sample: Sample) -> tqdm.tqdm:
    """The bar of a comparison; where nobody watches it move, there is none."""
    return tqdm.tqdm(
        total=sample.num_images, unit="image", leave=False, disable=not sys.stderr.isatty()
    )


def _compare(
    network: tf_keras.Model, tflite: bytes, sample: Sample, measure_accuracy: bool
) -> verification.Comparison:
    batches = ((images, labels if measure_accuracy else None) for images, labels in sample.batches)
    with comparison_bar(sample) as bar:
        return verification.compare(network, TFLiteNetwork(tflite), batches, bar.update)


def _accuracy_warnings(comparison: verification.Comparison) -> list[str]:
    loss = verification.accuracy_loss(comparison)
    if loss is None or loss <= verification.MAX_ACCURACY_LOSS:
        return []
    return [
        f"the file is {100 * loss:.1f} points less accurate than the network in Keras, expected "
        f"are at most {100 * verification.MAX_ACCURACY_LOSS:.0f}; try another --quantize, or more "
        "--num_representative_images."
    ]


def export_network(
    settings: ExportSettings,
    architecture: Architecture | None,
    trained: TrainedNetwork | None,
) -> dict[str, Any]:
    """Converts a network, verifies the file, and writes it with its description.

    Args:
      settings: what to do.
      architecture: the network; None for that of `trained`.
      trained: the run that the weights are from; None for initial ones, which are as good for
        measuring latency.

    Returns:
      The description, as in NAME.json.

    Raises:
      InputError: the settings do not fit, or the file is not what it should be. Then nothing
        was written.
    """
    if trained is not None:
        architecture = trained.agree_on(architecture)
    assert architecture is not None, "a network or a run is given"
    image_size = settings.image_size or (trained.image_size if trained else _IMAGE_SIZE)
    images, warnings = open_images(
        settings, trained, image_size, data.load, preprocessing.normalise
    )
    num_classes = agree_on_num_classes(settings, trained, images.dataset, _NUM_CLASSES)
    calibration = representative_images(settings, images)
    if trained is not None:
        network = trained.build(image_size)
    else:
        network = initial_network(architecture, num_classes, image_size)

    tflite = convert(
        network,
        quantize=settings.quantize,
        representative_images=calibration and calibration.images(),
    )
    tested = images.test(num_test_images(settings, trained))
    comparison = _compare(network, tflite, tested, measures_accuracy(settings, trained))
    verification.require_same(comparison, settings.quantize)
    metadata = metadata_lib.describe(
        path=settings.output,
        tflite=tflite,
        architecture=architecture,
        num_classes=num_classes,
        quantize=settings.quantize,
        dataset=images.dataset,
        class_names=class_names(trained, images.dataset),
        step=None if trained is None else trained.step,
        calibrated_on=calibration and f"{calibration.num_images} {calibration.source}",
        compared_on=f"{comparison.num_images} {tested.source}",
        comparison=comparison,
        warnings=[
            *warnings,
            *calibration_warnings(calibration),
            *_accuracy_warnings(comparison),
        ],
    )
    output_lib.write(settings.output, tflite, metadata)
    return metadata
