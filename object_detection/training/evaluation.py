"""COCO's figures of a detector on a whole split, and a picture of its detections."""

import os
import sys
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
import tqdm

from object_detection import modeling
from object_detection.data import DetectionDataset
from object_detection.metrics import CocoEvaluation
from object_detection.modeling import Definition
from object_detection.training import contact_sheet
from tunas_tf.training import devices

__all__ = ["evaluate"]


def _pictures(images, labels, found, weights) -> list[contact_sheet.Picture]:
    """Those of the batch that are no padding."""
    return [
        contact_sheet.Picture(
            images[index],
            labels["boxes"][index],
            labels["classes"][index],
            found["boxes"][index],
            found["classes"][index],
            found["scores"][index],
        )
        for index in np.flatnonzero(weights)
    ]


def evaluate(
    network: tf_keras.Model,
    definition: Definition,
    dataset: DetectionDataset,
    split: str,
    batch_size: int,
    num_pictures: int,
    picture_path: str,
) -> dict[str, Any]:
    """Detects on every image of a split once, on the devices of the current strategy.

    Args:
      network: images -> raw outputs.
      definition: its detector.
      dataset, split: the images.
      batch_size: images per step over all replicas.
      num_pictures: images to be drawn at most, the first ones of the split.
      picture_path: where to draw them.

    Returns:
      What `CocoEvaluation.result` does, and "num_examples": images that it is of, without those
      that cannot be decoded.
    """
    strategy = tf.distribute.get_strategy()

    @tf.function
    def detect(images, labels, weights):
        def replica(images, labels, weights):
            outputs = network(images, training=False)
            found = modeling.detect(outputs, definition, dataset.image_size)
            return images, labels, found, weights

        outcome = strategy.run(replica, args=(images, labels, weights))
        return tf.nest.map_structure(lambda value: strategy.gather(value, axis=0), outcome)

    evaluation = CocoEvaluation(dataset.class_names[1:])
    pictures: list[contact_sheet.Picture] = []
    num_examples = 0
    batches = dataset.evaluation_batches(split, batch_size)
    # Where nobody watches a bar move, there is none.
    with tqdm.tqdm(
        total=dataset.num_examples(split),
        unit="image",
        leave=False,
        disable=not sys.stderr.isatty(),
    ) as bar:
        for batch in strategy.experimental_distribute_dataset(batches):
            images, labels, found, weights = tf.nest.map_structure(np.asarray, detect(*batch))
            evaluation.update(found, labels, weights)
            if len(pictures) < num_pictures:
                pictures += _pictures(images, labels, found, weights)
            number = int(weights.sum())
            num_examples += number
            bar.update(number)
    result = evaluation.result()  # Or an error, if there is nothing to draw either.
    if not devices.is_chief():
        pass  # All workers have all detections; one draws them.
    elif num_pictures:
        contact_sheet.draw(pictures[:num_pictures], dataset.class_names, picture_path)
    elif os.path.exists(picture_path):
        os.remove(picture_path)  # It would show other detections than those of the figures.
    return {**result, "num_examples": num_examples}
