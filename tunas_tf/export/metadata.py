"""The description of an exported file: all that an app needs to use it, and where it is from."""

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tunas_tf import __version__
from tunas_tf.common.json_files import VERSIONS
from tunas_tf.data import ClassificationDataset, preprocessing
from tunas_tf.export import operators, output
from tunas_tf.export.conversion import INPUT, OUTPUT
from tunas_tf.export.latency import sha256
from tunas_tf.export.quantization import QUANTIZATIONS
from tunas_tf.export.runtime import TensorInfo, TFLiteNetwork
from tunas_tf.export.verification import Comparison
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import arithmetic, traversal
from tunas_tf.search_space.architecture import Architecture

__all__ = [
    "describe",
    "describe_file",
    "describe_tensor",
    "file_lines",
    "format_lines",
    "normalisation",
    "tensor_text",
    "to_text",
]


def normalisation(normalise: Callable[[np.ndarray], tf.Tensor]) -> dict[str, Any]:
    """How pixels become values of the network's input, for whoever writes the app.

    Args:
      normalise: from pixels [3], 0 to 255, to values; linear for each channel.
    """
    black, white = (
        normalise(np.full(3, pixel)).numpy().astype(np.float64) for pixel in (0.0, 255.0)
    )
    deviation = 1.0 / (white - black)
    return {
        "layout": "NHWC",
        "channels": "RGB",
        "exif_orientation": "ignored",  # Images are decoded as they are stored.
        "pixel_range": [0, 255],
        "formula": "(pixel / 255 - mean) / deviation, for each channel; of an int8 file then "
        "round(value / scale) + zero_point, clipped to -128 ... 127",
        "mean": np.round(-black * deviation, 6).tolist(),
        "deviation": np.round(deviation, 6).tolist(),
    }


def _preprocessing(dataset: ClassificationDataset | None, image_size: int) -> dict[str, Any]:
    """How images become the network's input."""
    crop, fraction = None, None  # They depend on the images, and perhaps none are known.
    if dataset is not None and dataset.takes_whole_images:
        crop, fraction = "whole image", 1.0
    elif dataset is not None:
        crop, fraction = "central square", _crop_fraction(image_size)
    return {
        "crop": crop,
        "crop_fraction_of_shorter_side": fraction,
        "resize": "bicubic without antialiasing",
        "image_size": image_size,
        **normalisation(preprocessing.normalise),
    }


def _crop_fraction(image_size: int) -> float:
    shorter_side = 100_000
    window = preprocessing.centre_window(np.array([shorter_side] * 2, np.int32), image_size)
    return int(window[2]) / shorter_side


def describe_tensor(name: str, info: TensorInfo) -> dict[str, Any]:
    """An input or output, by its name in the signature."""
    return {
        "name": name,
        "tensor": info.name,
        "shape": list(info.shape),
        "dtype": info.dtype,
        "scale": info.affine and info.affine.scale,
        "zero_point": info.affine and info.affine.zero_point,
    }


def _versions() -> dict[str, str]:
    packages = ("ai-edge-litert", "numpy", "tensorflow", "tf_keras")
    return {
        "tunas_tf": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


def describe_file(
    path: str, tflite: bytes, quantize: str, calibrated_on: str | None
) -> dict[str, Any]:
    """What is noted of any exported file.

    Args:
      path: of the file; of it only the name is noted.
      tflite: its contents.
      quantize: a key of `QUANTIZATIONS`.
      calibrated_on: the representative images, for int8.
    """
    return {
        "format": output.FORMAT,
        "version": VERSIONS["export"],
        "file": {"name": os.path.basename(path), "bytes": len(tflite), "sha256": sha256(tflite)},
        "signature": "serving_default",
        "input": describe_tensor(INPUT, TFLiteNetwork(tflite).input),
        "quantization": {
            "name": quantize,
            "meaning": QUANTIZATIONS[quantize],
            "calibrated_on": calibrated_on,
        },
        "operators": operators.operator_counts(tflite),
        "versions": _versions(),
    }


def describe(
    *,
    path: str,
    tflite: bytes,
    architecture: Architecture,
    num_classes: int,
    quantize: str,
    dataset: ClassificationDataset | None,
    class_names: list[str] | None,
    step: int | None,
    calibrated_on: str | None,
    compared_on: str,
    comparison: Comparison,
    warnings: list[str],
) -> dict[str, Any]:
    """The contents of the JSON file beside an exported file, as JSON values.

    Args:
      path: of the exported file; of it only the name is noted.
      tflite: its contents.
      architecture, num_classes: the network.
      quantize: a key of `QUANTIZATIONS`.
      dataset: of the network's images, for the preprocessing; None if not known.
      class_names: of the network's outputs; None if not known.
      step: of the checkpoint that the weights are from; None for initial weights.
      calibrated_on: the representative images, for int8.
      compared_on, comparison: how the file was verified.
      warnings: sentences on what to be careful about.
    """
    output_info = TFLiteNetwork(tflite).output
    described = describe_file(path, tflite, quantize, calibrated_on)
    image_size = described["input"]["shape"][1]
    count = arithmetic.count(architecture, image_size, num_classes)
    return {
        **described,
        "ssd": architecture.ssd,
        "indices": traversal.format_indices(architecture.indices),
        "num_classes": num_classes,
        "params": count.params,
        "madds": count.madds,
        "checkpoint_step": step,
        "preprocessing": _preprocessing(dataset, image_size),
        "output": describe_tensor(OUTPUT, output_info),
        "labels": class_names,
        "verification": {"compared_on": compared_on, **dataclasses.asdict(comparison)},
        "warnings": warnings,
        "architecture": architecture_lib.to_json(architecture),
    }


def tensor_text(tensor: dict[str, Any]) -> str:
    """What `describe_tensor` returns, for people."""
    text = f"{tensor['dtype']} {tensor['shape']}"
    if tensor["scale"] is None:
        return text
    return f"{text}, scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}"


def file_lines(metadata: dict[str, Any], network: str) -> dict[str, str]:
    """What is said of any exported file, by heading.

    Args:
      metadata: with what `describe_file` returns, "params", "madds" and "checkpoint_step".
      network: its name.
    """
    file, step = metadata["file"], metadata["checkpoint_step"]
    lines = {
        "file": f"{file['name']}, {file['bytes'] / 1e6:.2f} MB, "
        f"{metadata['quantization']['meaning']}",
        "network": f"{network}, {metadata['params']:,} parameters, {metadata['madds']:,} "
        "multiply-adds",
        "weights": "initial, not trained" if step is None else f"checkpoint of step {step}",
        "operators": ", ".join(f"{n} {name}" for name, n in metadata["operators"].items()),
        "input": tensor_text(metadata["input"]),
    }
    if metadata["quantization"]["calibrated_on"]:
        lines["calibrated on"] = metadata["quantization"]["calibrated_on"]
    return lines


def format_lines(lines: dict[str, str]) -> str:
    """Headings and what belongs to them, below each other."""
    return "\n".join(f"{name + ':':14} {line}" for name, line in lines.items())


def to_text(metadata: dict[str, Any]) -> str:
    """What `describe` returns, for people: the main points, a line each."""
    verified = metadata["verification"]
    network = f"{metadata['ssd']} {metadata['indices']}".strip()
    lines = {
        **file_lines(metadata, network),
        "output": tensor_text(metadata["output"]),
        "compared on": verified["compared_on"],
        "difference": (
            f"{verified['max_difference']:.3g} at most, of logits up to "
            f"{verified['largest_logit']:.3g}; relative error {verified['relative_error']:.2g}"
        ),
        "agreement": f"{verified['top1_agreement']:.2%} of the images get the same class",
    }
    if verified["keras_accuracy"] is not None:
        lines["accuracy"] = (
            f"{verified['tflite_accuracy']:.4f}; of the network in Keras "
            f"{verified['keras_accuracy']:.4f}"
        )
    return format_lines(lines)
