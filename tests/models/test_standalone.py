"""Stand-alone networks: shapes, batch norm, initial values."""

import numpy as np
import pytest
import tf_keras

from tunas_tf import models, search_space
from tunas_tf.models.standalone import build_backbone


@pytest.fixture(scope="module")
def reference():
    space = search_space.get("proxylessnas_search")
    return search_space.resolve(space, space.reference_indices)


def test_proxylessnas_mobile_has_the_published_parameters(reference):
    network = models.build_classifier(reference, 1001, 224)
    assert sum(np.prod(v.shape) for v in network.trainable_variables) == 4_081_793
    assert network.output_shape == (None, 1001)


def test_endpoints_halve_the_image_six_times_at_most(reference):
    images = tf_keras.Input((224, 224, 3))
    features, endpoints = build_backbone(reference, images)
    assert [tuple(e.shape[1:]) for e in endpoints] == [
        (112, 112, 16),
        (56, 56, 32),
        (28, 28, 40),
        (14, 14, 96),
        (7, 7, 192),
        (7, 7, 320),
    ]
    assert tuple(features.shape[1:]) == (1, 1, 1280)


def test_initial_values(reference):
    network = models.build_classifier(reference, 1001, 224)
    classifier = network.get_layer("classifier").kernel.numpy()
    assert np.std(classifier) == pytest.approx(0.01, rel=0.02)
    depthwise = np.concatenate(
        [
            layer.depthwise_kernel.numpy().ravel() * layer.kernel_size[0]
            for layer in network.layers
            if isinstance(layer, tf_keras.layers.DepthwiseConv2D)
        ]
    )
    # He normal with fan-in k * k: standard deviation sqrt(2) / k.
    assert np.std(depthwise) == pytest.approx(np.sqrt(2), rel=0.02)
    norms = [x for x in network.layers if isinstance(x, tf_keras.layers.BatchNormalization)]
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.99, 0.001)}


def test_kernels_are_the_convolutions(reference):
    network = models.build_classifier(reference, 1001, 224)
    decayed = sum(np.prod(v.shape) for v in models.kernels(network))
    others = sum(np.prod(v.shape) for v in network.trainable_variables if len(v.shape) == 1)
    assert decayed + others == 4_081_793
    assert all(len(v.shape) == 4 for v in models.kernels(network))


def test_dropout_only_in_training(reference):
    network = models.build_classifier(reference, 10, 32, dropout_rate=0.5)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(network(images, training=False), network(images, training=False))
    assert np.any(network(images, training=True) != network(images, training=True))
