"""Multiply-adds and parameters: against published figures, and against the graph of TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf
import towers

from object_detection import modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite
from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import traversal


def _network(name) -> search_space.Architecture:
    return search_space.resolve(search_space.get(name), ())


@pytest.mark.parametrize(
    "name, expanded_features, num_classes, params, madds",
    [
        # MobileDets: COCO with its 90 classes and background, at 320 x 320.
        ("mobiledet_edgetpu", False, 91, 4.20e6, 1.53e9),
        ("mobilenet_v3_large_detection", True, 91, 3.22e6, 0.51e9),
        # MobileNetV3, without the halved channels.
        ("mobilenet_v3_large", True, 91, 4.97e6, 0.62e9),
        # MobileNetV2: 80 classes.
        ("mobilenet_v2", True, 81, 4.3e6, 0.8e9),
    ],
)
def test_published_sizes_of_ssdlite(name, expanded_features, num_classes, params, madds):
    count = modeling.count(SSDLite(expanded_features), _network(name), 320, num_classes)
    assert count.params == pytest.approx(params, rel=0.015)
    assert count.madds == pytest.approx(madds, rel=0.015)


def _graph_madds(detector, image_size) -> int:
    """Multiply-adds of the convolutions in the graph, by the shapes of their tensors."""
    function = tf.function(lambda images: detector(images, training=False), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec((1, image_size, image_size, 3))).graph
    total = 0
    for operation in graph.get_operations():
        if operation.type in ("Conv2D", "DepthwiseConv2dNative"):
            _, height, width, _ = operation.outputs[0].shape
            total += int(np.prod(operation.inputs[1].shape)) * height * width
    return total


@pytest.mark.parametrize("image_size", [96, 160])
@pytest.mark.parametrize(
    "definition", [SSDLite(), SSDLite(True), RetinaNet(24), RetinaNet(16, separable=True)]
)
def test_count_is_that_of_the_network(definition, image_size):
    network = towers.architecture(seed=1)
    detector = modeling.build_detector(definition, network, image_size, num_classes=7)
    params = sum(int(np.prod(variable.shape)) for variable in detector.trainable_variables)
    found = modeling.count(definition, network, image_size, 7)
    assert found == (_graph_madds(detector, image_size), params)


@pytest.mark.parametrize(
    "name, definition",
    [
        ("mobiledet_edgetpu", SSDLite()),
        ("mobilenet_v3_large_detection", SSDLite(expanded_features=True)),
    ],
)
def test_count_of_published_networks(name, definition):
    detector = modeling.build_detector(definition, _network(name), 320, 91)
    params = sum(int(np.prod(variable.shape)) for variable in detector.trainable_variables)
    found = modeling.count(definition, _network(name), 320, 91)
    assert found == (_graph_madds(detector, 320), params)


def _cost_agrees(definition, space, quantity, seeds, image_size):
    model = modeling.cost_model(quantity, definition, space, image_size, num_classes=11)
    for seed in range(seeds):
        indices = towers.random_indices(space, seed)
        count = modeling.count(
            definition, search_space.resolve(space, indices), image_size, num_classes=11
        )
        # Indices of the trimmed space are the first ones of the whole.
        kept = indices[: len(traversal.choices_of(model.space))]
        assert float(model.cost(kept)) == getattr(count, quantity)


@pytest.mark.parametrize("quantity", ["madds", "params"])
@pytest.mark.parametrize("definition", [SSDLite(), RetinaNet(24)])
def test_cost_of_a_space_is_the_count_of_its_detectors(definition, quantity):
    _cost_agrees(definition, towers.space(), quantity, 5, 96)
    _cost_agrees(definition, search_space.get("proxylessnas_search"), quantity, 2, 128)


def test_cost_of_a_space_with_searched_filters():
    _cost_agrees(SSDLite(), search_space.get("mobiledet_edgetpu_search"), "madds", 3, 320)


def test_sizes_that_do_not_fit():
    network = towers.architecture()
    with pytest.raises(InputError, match="100 x 100 pixels .* a multiple of 32"):
        modeling.count(RetinaNet(), network, 100, 11)
    with pytest.raises(InputError, match="31 x 31 pixels .* 32 pixels or more"):
        modeling.count(SSDLite(), network, 31, 11)
    assert modeling.count(SSDLite(), network, 100, 11).madds > 0
