"""COCO's figures of a whole dataset, by pycocotools itself.

`COCOEvaluator` of official.vision does not serve here: its figures per class come from a fork of
pycocotools, and it takes padded examples for images.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tunas_tf.common.errors import InputError

__all__ = ["FIGURES", "CocoEvaluation"]

# In the order of COCOeval.stats.
FIGURES = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar1",
    "ar10",
    "ar100",
    "ar_small",
    "ar_medium",
    "ar_large",
)


class CocoEvaluation:
    """Collects the detections of a dataset, batch by batch, and evaluates them as COCO does."""

    def __init__(self, class_names: Sequence[str]):
        """Starts without images.

        Args:
          class_names: of the classes 1, 2, ...
        """
        self._class_names = list(class_names)
        self._image_ids: set[int] = set()
        self._objects: list[dict] = []
        self._detections: list[dict] = []

    def update(self, detections: dict, labels: dict, weights: tf.Tensor | None = None) -> None:
        """Adds a batch. Everything is a tensor or an array.

        Args:
          detections: "boxes" [B, D, 4], "scores" [B, D], "classes" [B, D] and "num_detections"
            [B]; boxes in pixels of the network's input. Those of class 0 and those with a number
            that is not finite are left out.
          labels: "boxes" [B, N, 4], "classes" [B, N] with 0 for padding, "is_crowd" [B, N],
            "areas" [B, N] in square pixels of the network's input, "image_ids" [B], and "scale"
            [B, 2], pixels of the input per pixel of the image, vertical and horizontal. COCO
            tells small from large objects in pixels of the image.
          weights: [B]; an example of weight 0 is padding, and is left out. None: there is none.

        Raises:
          InputError: on an image id that was given before, and on a class without a name.
        """
        detections, labels = tf.nest.map_structure(np.asarray, (detections, labels))
        is_real = np.ones(len(labels["image_ids"])) if weights is None else np.asarray(weights)
        for example in np.flatnonzero(is_real):
            self._add_image(
                {name: values[example] for name, values in detections.items()},
                {name: values[example] for name, values in labels.items()},
            )

    def _add_image(self, detections: dict, labels: dict) -> None:
        """Adds an example: dictionaries as those of `update`, without the batch dimension."""
        image_id = int(labels["image_ids"])
        if image_id in self._image_ids:
            raise InputError(
                f"The image id {image_id} was given twice, but each image can be evaluated once "
                "only: give every image of the dataset its own id."
            )
        self._image_ids.add(image_id)
        scale = labels["scale"].astype(np.float64)

        is_real = labels["classes"] > 0
        objects = self._annotations(image_id, scale, labels, is_real)
        areas = labels["areas"][is_real] / np.prod(scale)
        for annotation, area, is_crowd in zip(objects, areas, labels["is_crowd"][is_real]):
            annotation.update(area=float(area), iscrowd=int(is_crowd))
        self._objects += objects

        scores = detections["scores"]
        is_real = np.arange(len(scores)) < detections["num_detections"]
        is_real &= detections["classes"] > 0
        is_real &= np.isfinite(scores) & np.isfinite(detections["boxes"]).all(axis=-1)
        found = self._annotations(image_id, scale, detections, is_real)
        for annotation, score in zip(found, scores[is_real]):
            _, _, width, height = annotation["bbox"]
            annotation.update(area=width * height, score=float(score))
        self._detections += found

    def _annotations(self, image_id: int, scale, example: dict, is_real) -> list[dict]:
        """What COCO's formats of objects and of detections have in common.

        Args:
          image_id: of the image.
          scale: [2], vertical and horizontal.
          example: with "boxes" [K, 4] and "classes" [K].
          is_real: bool [K], the rows to take.
        """
        classes = example["classes"][is_real].tolist()
        if max(classes, default=0) > len(self._class_names):
            raise InputError(
                f"Class {max(classes)} in image {image_id} has no name: the classes are 1 to "
                f"{len(self._class_names)}."
            )
        boxes = example["boxes"][is_real].astype(np.float64) / np.tile(scale, 2)
        return [
            {
                "image_id": image_id,
                "category_id": number,
                "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
            }
            for number, (ymin, xmin, ymax, xmax) in zip(classes, boxes.tolist())
        ]

    def _index(self, annotations: list[dict]) -> COCO:
        # pycocotools counts from 1: for it, an annotation with id 0 is one that is not there.
        numbered = [{**annotation, "id": i} for i, annotation in enumerate(annotations, start=1)]
        index = COCO()
        index.dataset = {
            "images": [{"id": image_id} for image_id in sorted(self._image_ids)],
            "categories": [{"id": i + 1, "name": n} for i, n in enumerate(self._class_names)],
            "annotations": numbered,
        }
        index.createIndex()
        return index

    def result(self) -> dict[str, Any]:
        """The figures of all images so far, to be written as JSON.

        Returns:
          `FIGURES` name -> float from 0 to 1, or -1 if no object is of that size, as COCO says;
          "ap_per_class": class name -> average precision, of classes with an object.

        Raises:
          InputError: if there is no image.
        """
        if not self._image_ids:
            raise InputError("There is nothing to evaluate: give at least one image.")
        # pycocotools prints its progress and a table.
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(
                self._index(self._objects), self._index(self._detections), iouType="bbox"
            )
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        # Of all sizes and 100 detections: [thresholds, recalls, classes], -1 without an object.
        precision = evaluation.eval["precision"][..., 0, -1]
        figures: dict[str, Any] = {
            name: float(value) for name, value in zip(FIGURES, evaluation.stats)
        }
        figures["ap_per_class"] = {
            name: float(value)
            for name, value in zip(self._class_names, precision.mean(axis=(0, 1)))
            if value >= 0.0
        }
        return figures
