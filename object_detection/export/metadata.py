"""The description of an exported detector: all that an app needs to use it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from object_detection import modeling
from object_detection.data import DetectionDataset
from object_detection.data.preprocessing import normalise
from object_detection.export import postprocessing
from object_detection.export.verification import Comparison
from object_detection.modeling import Definition, detections
from tunas_tf.export.metadata import (
    describe_file,
    describe_tensor,
    file_lines,
    format_lines,
    normalisation,
    tensor_text,
)
from tunas_tf.export.runtime import TFLiteNetwork
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import traversal
from tunas_tf.search_space.architecture import Architecture

__all__ = ["describe", "to_text"]

_MEANINGS = {
    postprocessing.CLASS_LOGITS: "logit of each class at each anchor; its sigmoid is the score; "
    "column 0 means nothing",
    postprocessing.BOXES: "box at each anchor (y, x, height, width), encoded as the anchors say",
    "detection_boxes": "ymin, xmin, ymax, xmax in shares of the input's height and width; the best "
    "first",
    "detection_classes": "class of each box, an index of labels; 0 where there is no detection",
    "detection_scores": "score of each box, 0 to 1",
    "num_detections": "how many there are; what comes behind them is zeros",
}


def _preprocessing(image_size: int, keep_aspect_ratio: bool) -> dict[str, Any]:
    """How images become the network's input."""
    fit = "stretched to the square"
    if keep_aspect_ratio:
        fit = "fitted into the square; the rest, at the right and at the bottom, is 0"
    return {
        "crop": "whole image",
        "fit": fit,
        "resize": "bilinear without antialiasing",
        "image_size": image_size,
        **normalisation(normalise),
    }


def _anchors(definition: Definition, image_size: int) -> dict[str, Any]:
    """What the rows of the raw outputs stand for."""
    levels = modeling.multilevel_anchors(definition, image_size)
    return {
        "number": sum(boxes.size // 4 for boxes in levels.values()),
        "order": "level by level, row by row, column by column, anchor by anchor",
        "levels": {
            level: {"side": boxes.shape[0], "anchors_per_location": boxes.shape[-1] // 4}
            for level, boxes in levels.items()
        },
        # Of the first location: at others the same boxes are moved by multiples of the distance.
        "first_boxes": {
            level: boxes[0, 0].reshape(-1, 4).tolist() for level, boxes in levels.items()
        },
        "distance": {level: image_size / boxes.shape[0] for level, boxes in levels.items()},
        "unit": "pixels of the input: ymin, xmin, ymax, xmax",
        "weights": list(definition.box_coder_weights or (1.0,) * 4),
        "decoding": "center = value / weight * anchor's size + anchor's center; "
        "size = exp(min(value / weight, log(1000 / 16))) * anchor's size; then clipped to the "
        "image",
    }


def describe(
    *,
    path: str,
    tflite: bytes,
    definition: Definition,
    architecture: Architecture,
    num_classes: int,
    quantize: str,
    dataset: DetectionDataset | None,
    class_names: list[str] | None,
    keep_aspect_ratio: bool,
    step: int | None,
    calibrated_on: str | None,
    compared_on: str,
    comparison: Comparison,
    score_threshold: float | None,
    detection_agreement: float | None,
    warnings: list[str],
) -> dict[str, Any]:
    """The contents of the JSON file beside an exported file, as JSON values.

    Args:
      path, tflite, quantize, calibrated_on: as of `tunas_tf.export.metadata.describe_file`.
      definition, architecture, num_classes: the detector.
      dataset: of its images, for the ids of the classes; None if not known.
      class_names: of the detector's classes; None if not known.
      keep_aspect_ratio: whether images are fitted into the input.
      step: of the checkpoint that the weights are from; None for initial weights.
      compared_on, comparison: how the raw outputs were verified.
      score_threshold, detection_agreement: of the post-processing; None without it.
      warnings: sentences on what to be careful about.
    """
    network = TFLiteNetwork(tflite)
    image_size = network.input.shape[1]
    count = modeling.count(definition, architecture, image_size, num_classes)
    names = [name for name in _MEANINGS if name in network.outputs]
    verified = {"compared_on": compared_on, **dataclasses.asdict(comparison)}
    postprocess = None
    if score_threshold is not None:
        verified["detection_agreement"] = detection_agreement
        postprocess = {
            "operator": postprocessing.OPERATOR,
            "suppression": "of boxes of the same class",
            "iou_threshold": detections.NMS_IOU,
            "score_threshold": score_threshold,
            "max_detections": postprocessing.MAX_DETECTIONS,
            "max_threads": postprocessing.MAX_THREADS,
        }
    return {
        **describe_file(path, tflite, quantize, calibrated_on),
        "detector": {"name": definition.name, **dataclasses.asdict(definition)},
        "ssd": architecture.ssd,
        "indices": traversal.format_indices(architecture.indices),
        "num_classes": num_classes,
        "params": count.params,
        "madds": count.madds,
        "checkpoint_step": step,
        "preprocessing": _preprocessing(image_size, keep_aspect_ratio),
        "outputs": [
            {**describe_tensor(name, network.outputs[name]), "meaning": _MEANINGS[name]}
            for name in names
        ],
        "labels": class_names,
        "category_ids": list(dataset.category_ids) if dataset is not None else None,
        "anchors": _anchors(definition, image_size),
        "postprocess": postprocess,
        "verification": verified,
        "warnings": warnings,
        "backbone": architecture_lib.to_json(architecture),
    }


def _difference_text(name: str, difference: Mapping[str, float]) -> str:
    return (
        f"{name} {difference['max_difference']:.3g} at most, of values up to "
        f"{difference['largest_value']:.3g}; relative error {difference['relative_error']:.2g}"
    )


def to_text(metadata: dict[str, Any]) -> str:
    """What `describe` returns, for people: the main points, a line each."""
    verified = metadata["verification"]
    backbone = f"{metadata['ssd']} {metadata['indices']}".strip()
    lines = file_lines(metadata, f"{metadata['detector']['name']} on {backbone}")
    for output in metadata["outputs"]:
        lines[output["name"]] = tensor_text(output)
    lines["compared on"] = verified["compared_on"]
    for number, (name, difference) in enumerate(verified["outputs"].items()):
        lines["difference" if number == 0 else " " * 10] = _difference_text(name, difference)
    if metadata["postprocess"] is not None:
        lines["agreement"] = (
            f"{verified['detection_agreement']:.2%} of the detections in random outputs"
        )
    if verified["keras_ap"] is not None:
        lines["AP"] = f"{verified['tflite_ap']:.4f}; in Keras {verified['keras_ap']:.4f}"
    return format_lines(lines)
