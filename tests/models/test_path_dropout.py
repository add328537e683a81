"""Path dropout leaves out residual branches, whole examples at a time, in training only."""

import numpy as np
import pytest
import tf_keras

from tunas_tf import models, search_space
from tunas_tf.search_space import spec

_RATE = 0.3
_BATCH = 2000
# Two residual layers between others; one that is skipped has no branch to leave out.
_BLOCKS = (
    spec.Block((spec.Conv(3, strides=2), spec.Activation("relu")), 8),
    spec.Block(
        (
            spec.Bottleneck(3, 16),
            spec.Residual(spec.Bottleneck(3, 16)),
            spec.Residual(spec.Zero()),
            spec.Residual(spec.SeparableConv(3)),
            spec.GlobalPool(),
        ),
        8,
    ),
)
_RESIDUAL_LAYERS = ("block1_layer1", "block1_layer3")


def _network(rate, dropout_rate=0.0):
    tf_keras.utils.set_random_seed(0)  # The same initial weights whatever the rate.
    architecture = search_space.resolve(spec.SearchSpace("residual", _BLOCKS), ())
    return models.build_classifier(
        architecture, 5, 6, dropout_rate=dropout_rate, path_dropout_rate=rate
    )


def _images(batch=_BATCH):
    return np.random.default_rng(0).normal(size=(batch, 6, 6, 3)).astype(np.float32)


@pytest.fixture(name="training_pass", scope="module")
def _training_pass():
    """Per residual layer: what comes in, the branch before and after the dropout, the sum."""
    network = _network(_RATE)
    tensors = {}
    for name in _RESIDUAL_LAYERS:
        add, drop = network.get_layer(f"{name}_add"), network.get_layer(f"{name}_drop_path")
        tensors[name] = [add.input[0], drop.input, drop.output, add.output]
    return tf_keras.Model(network.input, tensors)(_images(), training=True)


def test_only_residual_branches_are_dropped():
    found = {x.name for x in _network(_RATE).layers if isinstance(x, tf_keras.layers.Dropout)}
    assert found == {f"{name}_drop_path" for name in _RESIDUAL_LAYERS}
    # Dropout before the classifier is another thing.
    found = {x.name for x in _network(0.0, 0.2).layers if isinstance(x, tf_keras.layers.Dropout)}
    assert found == {"dropout"}


@pytest.mark.parametrize("name", _RESIDUAL_LAYERS)
def test_whole_examples_are_dropped_and_the_others_scaled(training_pass, name):
    inputs, branch, dropped, total = (tensor.numpy() for tensor in training_pass[name])
    is_kept = np.any(dropped, axis=(1, 2, 3))
    expected = branch * is_kept[:, None, None, None] / (1 - _RATE)
    np.testing.assert_allclose(dropped, expected, rtol=1e-5)
    np.testing.assert_allclose(total, inputs + expected, rtol=1e-5, atol=1e-5)
    # Five standard deviations of the share of dropped examples.
    tolerance = 5 * np.sqrt(_RATE * (1 - _RATE) / _BATCH)
    assert 1 - is_kept.mean() == pytest.approx(_RATE, abs=tolerance)


def test_layers_are_dropped_independently(training_pass):
    kept = [np.any(training_pass[name][2], axis=(1, 2, 3)) for name in _RESIDUAL_LAYERS]
    both = np.mean(~kept[0] & ~kept[1])
    tolerance = 5 * np.sqrt(_RATE**2 * (1 - _RATE**2) / _BATCH)
    assert both == pytest.approx(_RATE**2, abs=tolerance)


def test_no_effect_in_evaluation():
    plain, dropping = _network(0.0), _network(0.9)
    images = _images(batch=8)
    for a, b in zip(plain.variables, dropping.variables):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(plain(images), dropping(images))
    np.testing.assert_array_equal(plain(images, training=False), dropping(images, training=False))
    assert np.any(plain(images, training=True) != dropping(images, training=True))
