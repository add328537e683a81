"""Converted networks compute what Keras computes, with the operators of their definition."""

import collections
import tempfile

import numpy as np
import pytest
import random_networks
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tunas_tf import models, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.export import operators
from tunas_tf.export.conversion import convert
from tunas_tf.export.runtime import TFLiteFunction, TFLiteNetwork
from tunas_tf.search_space import operations, spec

_SPACES = [name for name in search_space.names() if search_space.choices_of(search_space.get(name))]
_NETWORKS = [name for name in search_space.names() if name not in _SPACES]


def _architecture(name, seed=None, filters_multiplier=0.25):
    """The network of that name, the reference network of a space, or a random one."""
    space = search_space.get(name, filters_multiplier)
    if seed is None:
        return search_space.resolve(space, space.reference_indices)
    generator = np.random.default_rng(seed)
    choices = search_space.choices_of(space)
    indices = [int(generator.integers(len(choice.one_of.choices))) for choice in choices]
    return search_space.resolve(space, indices)


def _expected_operators(architecture, image_size):
    """How often each TFLite operator must occur: ReLU and batch norm are parts of others."""
    names = {"swish6": "HARD_SWISH", "sigmoid": "LOGISTIC", "add": "ADD", "multiply": "MUL"}
    listed, size = [], image_size
    for placed in architecture.layers():
        listed += operations.layer_operations(
            placed.layer, placed.input_filters, placed.filters, size
        )
        size = operations.output_size(placed.layer, size)
    listed += operations.classifier_operations(architecture.output_filters, 10, size)
    counts = collections.Counter()
    for operation in listed:
        if isinstance(operation, operations.Convolution):
            counts["CONV_2D"] += 1
        elif isinstance(operation, operations.Depthwise):
            counts["DEPTHWISE_CONV_2D"] += 1
        elif isinstance(operation, operations.Pool):
            counts["MEAN"] += 1
        elif operation.kind in names:
            counts[names[operation.kind]] += 1
        else:
            assert operation.kind in ("relu", "relu6")
    return counts


def _check(architecture):
    # At 64 the last feature maps have 2 x 2 pixels: no pool is superfluous.
    network = random_networks.classifier(architecture, image_size=64)
    tflite = convert(network, signature=False)
    images = random_networks.images(4, 64, seed=1)
    expected = network(images, training=False).numpy()
    assert expected.std() > 0.01  # Wrong numbers would be wrong by more than the tolerance.
    np.testing.assert_allclose(TFLiteNetwork(tflite)(images), expected, rtol=0, atol=1e-4)
    assert operators.operator_counts(tflite) == _expected_operators(architecture, 64)
    assert all(operator.builtin for operator in operators.operators(tflite))


def _some_slow(names, fast):
    """All of `names`; those that have the same kinds of layers as `fast` ones are slow tests."""
    return [n if n in fast else pytest.param(n, marks=pytest.mark.slow) for n in names]


@pytest.mark.parametrize(
    "name", _some_slow(_NETWORKS, ("mobiledet_edgetpu", "mobilenet_v2", "mobilenet_v3_large"))
)
def test_published_networks(name):
    _check(_architecture(name))


@pytest.mark.parametrize(
    "name", _some_slow(_SPACES, ("quickstart_search", "mobilenet_v3_like_search"))
)
def test_random_networks_of_every_space(name):
    _check(_architecture(name, seed=0))


@pytest.fixture(name="network", scope="module")
def _network():
    """The reference network of the quickstart."""
    return random_networks.classifier(_architecture("quickstart_search", filters_multiplier=1.0))


@pytest.fixture(name="tflite", scope="module")
def _tflite(network):
    return convert(network)


@pytest.mark.parametrize(
    "quantize, size_ratio, max_error", [("float16", 0.5, 0.01), ("dynamic", 0.3, 0.1)]
)
def test_quantised_weights(network, tflite, quantize, size_ratio, max_error):
    small = convert(network, quantize=quantize, signature=False)
    assert len(small) < 1.2 * size_ratio * len(tflite)
    quantised = TFLiteNetwork(small)
    assert (quantised.input.dtype, quantised.output.dtype) == ("float32", "float32")
    images = random_networks.images(32, 32, seed=1)
    expected = network(images, training=False).numpy()
    error = np.sqrt(np.mean((quantised(images) - expected) ** 2)) / expected.std()
    # Not equal, or nothing was quantised.
    assert 1e-5 < error < max_error


def test_int8_is_integer_throughout(network):
    quantised_file = convert(
        network,
        quantize="int8",
        representative_images=random_networks.images(100, 32),
        signature=False,
    )
    quantised = TFLiteNetwork(quantised_file)
    assert (quantised.input.dtype, quantised.output.dtype) == ("int8", "int8")
    names = set(operators.operator_counts(quantised_file))
    assert names == {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN"}  # No (DE)QUANTIZE.
    images = random_networks.images(64, 32, seed=1)
    expected, found = network(images, training=False).numpy(), quantised(images)
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.95


def test_signature_names_input_and_output_and_changes_no_number(network, tflite):
    named, plain = tflite, convert(network, signature=False)
    images = random_networks.images(2, 32)
    np.testing.assert_array_equal(TFLiteNetwork(named)(images), TFLiteNetwork(plain)(images))
    runner = Interpreter(model_content=named).get_signature_runner("serving_default")
    found = runner(images=images[:1])
    assert list(found) == ["logits"]
    np.testing.assert_array_equal(found["logits"][0], TFLiteNetwork(plain)(images)[0])
    assert Interpreter(model_content=plain).get_signature_list() == {}


def test_file_is_the_same_each_time_and_names_no_place(network, tflite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert convert(network) == tflite
    for place in (str(tmp_path), tempfile.gettempdir(), "/site-packages/"):
        assert place.encode() not in tflite


@pytest.mark.parametrize(
    "layer, filters",
    [
        (spec.Conv(3, 2), 24),
        (spec.Conv(1, batch_norm=False), 24),
        (spec.SeparableConv(5, 2, "relu6"), 24),
        (spec.Bottleneck(3, 48, True, 2, "swish6"), 24),
        (spec.FusedBottleneck(3, 48, 2), 24),
        (spec.TuckerBottleneck(3, 8, 16, 2), 24),
        (spec.Residual(spec.Bottleneck(7, 32)), 16),
        (spec.Activation("swish6"), 16),
        (spec.GlobalPool(), 16),
        (spec.Residual(spec.Zero()), 16),
    ],
    ids=lambda value: type(value).__name__,
)
def test_single_layers(layer, filters):
    network = models.build_layers([layer], input_size=13, input_filters=16, filters=filters)
    random_networks.randomize_batch_norm(network, random_networks.images(4, 13, channels=16))
    inputs = random_networks.images(3, 13, seed=1, channels=16)
    found = TFLiteNetwork(convert(network, signature=False))(inputs)
    size = operations.output_size(layer, 13)
    assert found.shape == (3, size, size, filters)
    np.testing.assert_allclose(found, network(inputs, training=False), rtol=0, atol=1e-4)


def test_a_function_is_converted_too():
    tflite = convert(lambda images: tf.nn.relu(images[..., :1] - 1.0), (4, 6, 2))
    images = np.arange(48, dtype=np.float32).reshape(1, 4, 6, 2) / 10
    np.testing.assert_allclose(
        TFLiteNetwork(tflite)(images), np.maximum(images[..., :1] - 1, 0), rtol=1e-6
    )


@pytest.mark.parametrize("float_outputs", [False, True])
def test_several_outputs_have_names(float_outputs):
    images = list(random_networks.images(4, 8))

    def network(images):
        return {"z": tf.nn.relu(images), "a": tf.reduce_mean(images, axis=-1)}

    tflite = convert(network, (8, 8, 3), "int8", images, float_outputs=float_outputs)
    converted = TFLiteNetwork(tflite)
    assert {name: info.shape for name, info in converted.outputs.items()} == {
        "a": (1, 8, 8),
        "z": (1, 8, 8, 3),
    }
    dtypes = {info.dtype for info in converted.outputs.values()}
    assert dtypes == {"float32" if float_outputs else "int8"}
    found, expected = converted.run(np.stack(images)), network(np.stack(images))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=0.05)


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_several_inputs_have_names(quantize):
    """Of different ranges, so that int8 would notice if they were exchanged."""
    shapes = {"b": (4, 4, 2), "a": (4, 4, 1)}
    generator = np.random.default_rng(0)
    examples = [
        {"b": generator.random((4, 4, 2), np.float32), "a": 9 * generator.random((4, 4, 1))}
        for _ in range(5)
    ]
    representative = examples if quantize == "int8" else None
    tflite = convert(lambda maps: maps["a"] * maps["b"], shapes, quantize, representative)
    function = TFLiteFunction(tflite)
    given = {name: values[np.newaxis].astype(np.float32) for name, values in examples[0].items()}
    expected = given["a"] * given["b"]
    if quantize == "int8":
        scales = {name: info.affine.scale for name, info in function.inputs.items()}
        assert 8 * scales["b"] < scales["a"] < 10 * scales["b"]
        return
    np.testing.assert_allclose(function(**given)["logits"], expected, rtol=1e-6)


def test_nothing_is_printed(capfd):
    network = models.build_layers([spec.Conv(3)], 8, 3, 8)
    tflite = convert(network, None, "int8", random_networks.images(1, 8))
    TFLiteNetwork(tflite)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"quantize": "int4"}, "there is no quantisation 'int4'; use one of none, float16"),
        ({"quantize": "int8"}, "needed there; quantize is 'int8'"),
        ({"representative_images": np.zeros((1, 8, 8, 3))}, "are for int8"),
        ({"quantize": "int8", "representative_images": []}, "no representative images"),
        (
            {"quantize": "int8", "representative_images": np.zeros((1, 9, 8, 3))},
            r"has the shape \(9, 8, 3\); the network's input is \(8, 8, 3\)",
        ),
        ({"input_shape": None}, "the input shape is None"),
        ({"input_shape": (None, None, 3)}, r"the input shape is \(None, None, 3\)"),
        ({"network": tf.math.erfinv}, "the network needs Erfinv, which TFLite does not have"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(arguments, message):
    arguments = {"network": tf.nn.relu, "input_shape": (8, 8, 3), **arguments}
    with pytest.raises(InputError, match=message) as error:
        convert(**arguments)
    assert "\n" not in str(error.value)
