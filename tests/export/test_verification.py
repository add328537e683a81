"""When a file counts as the same as its network."""

import dataclasses
import types

import numpy as np
import pytest
import random_networks
import tf_keras
import trained_runs

from tunas_tf.common.errors import InputError
from tunas_tf.export import verification
from tunas_tf.export.conversion import convert
from tunas_tf.export.runtime import TFLiteNetwork

EQUAL = verification.Comparison(
    num_images=10,
    max_difference=0.0,
    largest_logit=5.0,
    relative_error=0.0,
    top1_agreement=1.0,
    keras_accuracy=None,
    tflite_accuracy=None,
)


class _File:
    """Stands for a file whose logits are the network's plus given ones."""

    def __init__(self, offsets):
        self.input = types.SimpleNamespace(shape=(1, 1, 1, 3))
        self.offsets = list(offsets)

    def __call__(self, images):
        offsets, self.offsets = self.offsets[: len(images)], self.offsets[len(images) :]
        return images[:, 0, 0] + np.array(offsets, np.float32)


@pytest.fixture(name="identity", scope="module")
def _identity():
    """A network whose logits are the pixels of images [batch, 1, 1, 3]."""
    images = tf_keras.Input((1, 1, 3))
    return tf_keras.Model(images, tf_keras.layers.Reshape((3,))(images))


def test_comparison_over_batches_is_that_of_all_images(identity):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, (10, 3)).astype(np.float32)
    offsets = generator.normal(0, 2, (10, 3)).astype(np.float32)
    labels = generator.integers(3, size=10)
    images = logits[:, np.newaxis, np.newaxis]
    batches = [(images[:4], labels[:4]), (images[4:8], labels[4:8]), (images[8:], labels[8:])]
    seen = []
    found = verification.compare(identity, _File(offsets), batches, seen.append)
    assert seen == [4, 4, 2]

    classes, file_classes = logits.argmax(1), (logits + offsets).argmax(1)
    assert 0 < np.mean(classes == file_classes) < 1
    assert found.num_images == 10
    assert found.max_difference == pytest.approx(np.abs(offsets).max(), rel=1e-5)
    assert found.largest_logit == pytest.approx(np.abs(logits).max())
    expected = np.sqrt(np.mean(offsets**2)) / logits.std()
    assert found.relative_error == pytest.approx(expected, rel=1e-5)
    assert found.top1_agreement == np.mean(classes == file_classes)
    assert found.keras_accuracy == np.mean(classes == labels)
    assert found.tflite_accuracy == np.mean(file_classes == labels)
    assert verification.accuracy_loss(found) == pytest.approx(
        np.mean(classes == labels) - np.mean(file_classes == labels)
    )


def test_without_labels_there_is_no_accuracy(identity):
    images = np.ones((2, 1, 1, 3), np.float32)
    found = verification.compare(identity, _File(np.zeros((2, 3))), [(images, None)])
    assert (found.keras_accuracy, found.tflite_accuracy) == (None, None)
    assert verification.accuracy_loss(found) is None
    assert found.relative_error == 0.0  # Also where all logits are equal.


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(identity, bad):
    images = np.ones((1, 1, 1, 3), np.float32)
    with pytest.raises(InputError, match="the file returns logits that are no finite numbers"):
        verification.compare(identity, _File([[0, bad, 0]]), [(images, None)])
    images[0, 0, 0, 1] = bad
    with pytest.raises(InputError, match="the network returns logits"):
        verification.compare(identity, _File([[0, 0, 0]]), [(images, None)])


def test_no_images_are_refused(identity):
    with pytest.raises(InputError, match="no image to compare .* none could be decoded"):
        verification.compare(identity, _File([]), [])


def test_other_shapes_are_refused(identity):
    class _ShortFile(_File):
        def __call__(self, images):
            return images[:, 0, 0, :1]

    images = np.ones((1, 1, 1, 3), np.float32)
    with pytest.raises(InputError, match=r"returns \(1, 1\) where the network returns \(1, 3\)"):
        verification.compare(identity, _ShortFile([]), [(images, None)])


@pytest.mark.parametrize(
    "largest_logit, tolerance",
    [(0.01, 1e-5), (0.1, 1e-4), (1.0, 1e-4), (10.0, 1e-4), (1000.0, 1e-2)],
)
def test_float32_tolerance(largest_logit, tolerance):
    assert verification.float32_tolerance(largest_logit) == pytest.approx(tolerance)


@pytest.mark.parametrize(
    "quantize, change, refused",
    [
        ("none", {"max_difference": 0.9e-4}, False),
        ("none", {"max_difference": 1.1e-4}, True),
        ("none", {"max_difference": 1.1e-4, "largest_logit": 20.0}, False),
        ("float16", {"max_difference": 0.1, "relative_error": 0.02}, False),
        ("float16", {"relative_error": 0.2}, True),
        ("dynamic", {"relative_error": 0.5}, False),
        ("int8", {"relative_error": 1.2}, True),
        ("int8", {"relative_error": float("nan")}, True),
    ],
)
def test_what_is_refused(quantize, change, refused):
    comparison = dataclasses.replace(EQUAL, **change)
    if not refused:
        verification.require_same(comparison, quantize)
        return
    with pytest.raises(InputError, match="the file does not compute what the network does"):
        verification.require_same(comparison, quantize)


@pytest.mark.parametrize("quantize", ["none", "float16", "dynamic", "int8"])
def test_the_file_of_another_network_is_refused(quantize):
    networks = [
        random_networks.classifier(trained_runs.small_architecture(), image_size=16, seed=seed)
        for seed in (0, 1)
    ]
    images = random_networks.images(32, 16)
    representative = images if quantize == "int8" else None
    for converted, compared in ((0, 0), (1, 0)):
        tflite = convert(networks[converted], None, quantize, representative)
        batches = [(random_networks.images(32, 16, seed=1), None)]
        comparison = verification.compare(networks[compared], TFLiteNetwork(tflite), batches)
        if converted == compared:
            verification.require_same(comparison, quantize)
        else:
            with pytest.raises(InputError, match="does not compute"):
                verification.require_same(comparison, quantize)
