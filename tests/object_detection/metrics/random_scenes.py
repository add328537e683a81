"""Detections and labels drawn at random, hard cases included, and what pycocotools says of them."""

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def _boxes(generator, shape, integers: bool) -> np.ndarray:
    corners = generator.uniform(0, 80, size=(*shape, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(4, 40, size=(*shape, 2))], -1)
    return (np.round(boxes) if integers else boxes).astype(np.float32)


def _labels(generator, shape: tuple[int, int], num_classes: int, integers: bool) -> dict:
    boxes = _boxes(generator, shape, integers)
    twice = boxes[:, 1::5]
    twice[:] = boxes[:, ::5][:, : twice.shape[1]]
    flat = generator.random(shape) < 0.05
    boxes[flat, 2:] = boxes[flat, :2]
    num_objects = generator.integers(0, shape[1] + 1, size=(shape[0], 1))
    is_object = np.arange(shape[1]) < num_objects
    return {
        "boxes": np.where(is_object[..., np.newaxis], boxes, 0).astype(np.float32),
        "classes": np.where(is_object, generator.integers(1, num_classes, size=shape), 0),
        "is_crowd": is_object & (generator.random(shape) < 0.2),
    }


def _detected_boxes(generator, near: np.ndarray, integers: bool) -> np.ndarray:
    """[B, D, 4]: most beside the boxes of `near`."""
    boxes = near + generator.normal(0, generator.choice([0.3, 1, 3]), size=near.shape)
    boxes = np.round(boxes) if integers else boxes
    strays = _boxes(generator, near.shape[:2], integers)
    boxes = np.where(generator.random((*near.shape[:2], 1)) < 0.2, strays, boxes)
    twice = boxes[:, 3::7]
    twice[:] = boxes[:, 2::7][:, : twice.shape[1]]
    flat = generator.random(near.shape[:2]) < 0.05
    boxes[flat, 2] = boxes[flat, 0]
    inside_out = generator.random(near.shape[:2]) < 0.05
    boxes[inside_out] = boxes[inside_out][:, [2, 1, 0, 3]]
    return boxes.astype(np.float32)


def random_scene(seed: int, batch_size: int, num_detections: int, num_boxes: int, num_classes: int):
    """(detections, labels) of a batch, as dictionaries of arrays.

    There are crowds, boxes that stand there twice, without area, and turned inside out, empty
    images, images without detections, detections in no order, and some of class 0. In every
    other scene scores are tied; in every third one coordinates are small integers, so that IoUs
    lie exactly at thresholds.
    """
    generator = np.random.default_rng(seed)
    shape = (batch_size, num_detections)
    labels = _labels(generator, (batch_size, num_boxes), num_classes, seed % 3 == 0)
    source = generator.integers(num_boxes, size=shape)
    near = np.take_along_axis(labels["boxes"], source[..., np.newaxis], axis=1)
    is_right = generator.random(shape) < 0.9
    classes = np.take_along_axis(labels["classes"], source, axis=1)
    classes = np.where(is_right, classes, generator.integers(1, num_classes, size=shape))
    # Better detections of half of the scenes have better scores.
    scores = (generator.random(shape) + is_right * (seed % 4 > 1)) / 2
    detections = {
        "boxes": _detected_boxes(generator, near, seed % 3 == 0),
        "scores": (np.round(scores, 1) if seed % 2 else scores).astype(np.float32),
        "classes": classes,
    }
    is_full = generator.random(batch_size) < 0.5
    counts = generator.integers(0, num_detections + 1, size=batch_size)
    counts = np.where(is_full, num_detections, counts)
    for values in detections.values():
        values[np.arange(num_detections) >= counts[:, np.newaxis]] = 0
    detections["num_detections"] = counts.astype(np.int32)
    for batch in (detections, labels):
        batch["classes"] = batch["classes"].astype(np.int32)
    return detections, labels


def _coco(num_images: int, num_classes: int, annotations: list[dict]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(num_images)],
        "categories": [{"id": category} for category in range(1, num_classes)],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _annotation(image: int, category: int, box, number: int, **more) -> dict:
    ymin, xmin, ymax, xmax = map(float, box)
    return {
        "id": number + 1,
        "image_id": image,
        "category_id": int(category),
        "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
        "area": (xmax - xmin) * (ymax - ymin),
        **more,
    }


def pycocotools_ap(detections: dict, labels: dict, num_classes: int) -> tuple[float, float]:
    """(AP, AP50) of all sizes by pycocotools, 0 instead of its -1."""
    num_images = len(labels["boxes"])
    objects, found = [], []
    for image in range(num_images):
        for n in np.flatnonzero(labels["classes"][image] > 0):
            crowd = int(labels["is_crowd"][image, n])
            box, category = labels["boxes"][image, n], labels["classes"][image, n]
            objects.append(_annotation(image, category, box, len(objects), iscrowd=crowd))
        for d in range(detections["num_detections"][image]):
            score = float(detections["scores"][image, d])
            box, category = detections["boxes"][image, d], detections["classes"][image, d]
            found.append(_annotation(image, category, box, len(found), score=score))
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _coco(num_images, num_classes, objects), _coco(num_images, num_classes, found), "bbox"
        )
        evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]  # [thresholds, recalls, classes]
    precision = precision[:, :, precision[0, 0] > -1]
    return (precision.mean(), precision[0].mean()) if precision.size else (0.0, 0.0)
