"""A small detector, and a run directory with its weights, without training it for hours."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf
import tf_keras

from object_detection import modeling
from object_detection.data.preprocessing import normalise
from tunas_tf.export.images import random_images
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec
from tunas_tf.training.run_directory import RunDirectory

ROOT = pathlib.Path(__file__).resolve().parents[3]
IMAGE_SIZE, NUM_CLASSES = 64, 11


def small_architecture(filters: int = 16) -> architecture_lib.Architecture:
    """Endpoints of every stride; `filters` is the width of the last one."""
    blocks = [spec.Block((spec.Conv(3, 2), spec.Activation("relu"), spec.Endpoint()), 8)]
    for width in (8, 12, 16, filters):
        residual = spec.Residual(spec.Bottleneck(3, 2 * width))
        layers = (spec.Bottleneck(3, 24, strides=2), residual, spec.Endpoint())
        blocks.append(spec.Block(layers, width))
    head = (spec.Conv(1), spec.Activation("relu"), spec.GlobalPool())
    return architecture_lib.Architecture("small", (), (*blocks, spec.Block(head, 32)))


def small_definition(name: str = "ssdlite"):
    return modeling.define(name, **({"num_filters": 8} if name == "retinanet" else {}))


def random_detector(definition, seed: int) -> tf_keras.Model:
    """Random weights, and batch norm statistics of images."""
    tf_keras.utils.set_random_seed(seed)
    detector = modeling.build_detector(
        definition,
        small_architecture(),
        IMAGE_SIZE,
        NUM_CLASSES,
        batch_norm_momentum=0.0,
        path_dropout_rate=0.1,
    )
    for weight in detector.get_layer("head").trainable_weights:
        if "kernel" in weight.name:
            weight.assign(tf.random.normal(weight.shape, stddev=weight.shape[-2] ** -0.5))
    detector(random_images(32, IMAGE_SIZE, seed, normalise), training=True)
    return detector


def _doubled(detector: tf_keras.Model) -> tf_keras.Model:
    """Another one whose weights are twice as large."""
    other = tf_keras.models.clone_model(detector)
    other.set_weights([2 * weight for weight in detector.get_weights()])
    return other


def make_run(directory, definition, dataset_dir: str, ema_decay: float = 0.0):
    """A directory as object_detection.train_eval leaves it; its network, and the averaged one."""
    settings = {
        "detector": definition.name,
        "num_filters": getattr(definition, "num_filters", None),
        "separable": getattr(definition, "separable", None),
        "expanded_features": definition.expanded_features,
        "image_size": IMAGE_SIZE,
        "keep_aspect_ratio": False,
        "dataset": "digit_scenes",
        "path_dropout_rate": 0.1,
        "ema_decay": ema_decay,
        "network": architecture_lib.to_json(small_architecture()),
    }
    derived = {
        "num_classes": NUM_CLASSES,
        "train_split": "train",
        "test_split": "test",
        "reward_fraction": 0.1,
    }
    information = {"derived": derived, "flags": {"dataset_dir": dataset_dir}}
    run = RunDirectory(str(directory), "detection_train_eval", settings, information)
    run.agree_on_classes(("background", *"0123456789"))
    network = random_detector(definition, seed=1)
    optimizer = tf_keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(network.trainable_variables)
    parts = {"network": network, "optimizer": optimizer}
    if ema_decay:
        parts["averaged_network"] = _doubled(network)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(**parts), run.path, 1, "ckpt")
    manager.save(checkpoint_number=7)
    return network, parts.get("averaged_network")


def run_command(command: str, *flags: str, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", command, *flags],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def keras_detections(detector, definition, images: np.ndarray) -> dict[str, np.ndarray]:
    """What the detector finds, in shares of the image as files say it."""
    found = modeling.detect(detector(images, training=False), definition, IMAGE_SIZE)
    found = {name: values.numpy() for name, values in found.items()}
    return {**found, "boxes": found["boxes"] / IMAGE_SIZE}
