"""Stand-alone networks of every space: what Keras counts is what the package says."""

from typing import NamedTuple

import numpy as np
import published_networks
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf import models, search_space
from tunas_tf.models.standalone import build_backbone
from tunas_tf.search_space import arithmetic, traversal

_SPACES = (
    "proxylessnas_search",
    "proxylessnas_enlarged_search",
    "mobilenet_v3_like_search",
    "mobiledet_edgetpu_search",
)
_NUM_CLASSES = 1001


def _params(network) -> int:
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def _madds(network, image_size) -> int:
    """Multiply-adds of the Keras layers: kernel size times pixels of the real output."""
    kinds = (tf_keras.layers.Conv2D, tf_keras.layers.DepthwiseConv2D)
    convolutions = [layer for layer in network.layers if isinstance(layer, kinds)]
    probe = tf_keras.Model(network.input, [layer.output for layer in convolutions])
    outputs = probe(tf.zeros((1, image_size, image_size, 3)))
    total = 0
    for layer, output in zip(convolutions, outputs):
        kernel = layer.depthwise_kernel if isinstance(layer, kinds[1]) else layer.kernel
        _, height, width, _ = output.shape
        total += int(np.prod(kernel.shape)) * height * width
    return total


class _Published(NamedTuple):
    name: str
    architecture: search_space.Architecture
    backbone: tf_keras.Model


@pytest.fixture(name="published", scope="module", params=published_networks.NAMES)
def _published(request) -> _Published:
    architecture = search_space.resolve(search_space.get(request.param), ())
    images = tf_keras.Input((None, None, 3))
    features, endpoints = build_backbone(architecture, images)
    backbone = tf_keras.Model(images, [features, *endpoints])
    return _Published(request.param, architecture, backbone)


def test_published_network(published):
    features, *endpoints = published.backbone(tf.zeros((2, 224, 224, 3)))
    shapes = [tuple(endpoint.shape[1:]) for endpoint in endpoints]
    assert shapes == published_networks.endpoints(published.name)
    assert features.shape[:3] == (2, 1, 1)
    # The classifier: a 1x1 convolution with bias.
    kernel = features.shape[3] * _NUM_CLASSES
    params = _params(published.backbone) + kernel + _NUM_CLASSES
    for image_size in (224, 160):
        expected = _madds(published.backbone, image_size) + kernel, params
        assert arithmetic.count(published.architecture, image_size, _NUM_CLASSES) == expected


# A network of every space as it is, and of it narrower and wider.
@pytest.mark.parametrize("seed, multiplier", [(0, 1.0), (1, 0.5), (2, 1.4)])
@pytest.mark.parametrize("name", _SPACES)
def test_random_network(name, seed, multiplier):
    space = search_space.get(name, multiplier)
    num_options = [choice.num_options for choice in traversal.choices_of(space)]
    indices = np.random.default_rng(seed).integers(num_options)
    architecture = search_space.resolve(space, indices)
    network = models.build_classifier(architecture, _NUM_CLASSES)
    params = _params(network)
    for image_size in (224, 160):
        expected = _madds(network, image_size), params
        assert arithmetic.count(architecture, image_size, _NUM_CLASSES) == expected


@pytest.mark.parametrize("multiplier", [0.35, 1.4])
@pytest.mark.parametrize("name", ["mobilenet_v3_large", "mobilenet_multi_avg"])
def test_scaled_published_network(name, multiplier):
    # Their expanded filters are given as numbers, and are scaled like the others.
    architecture = search_space.resolve(search_space.get(name, multiplier), ())
    network = models.build_classifier(architecture, _NUM_CLASSES)
    expected = _madds(network, 160), _params(network)
    assert arithmetic.count(architecture, 160, _NUM_CLASSES) == expected
    base = 32 if name == "mobilenet_multi_avg" else 8
    convolutions = [x for x in network.layers if isinstance(x, tf_keras.layers.Conv2D)]
    filters = {x.filters for x in convolutions if "squeeze" not in x.name}
    assert {count % base for count in filters - {_NUM_CLASSES}} == {0}
