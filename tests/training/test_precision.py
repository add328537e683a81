"""bfloat16: what computes in it, and that nothing else changes its type."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf import models, search_space
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf
from tunas_tf.training.precision import network_precision, on_tpu

CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}
GRADIENTS = {f"{name}Backprop{what}" for name in CONVOLUTIONS for what in ("Input", "Filter")}
NUM_CLASSES = 4


def small_space() -> spec.SearchSpace:
    """Every kind of layer that a published network has."""
    expansion = OneOf((spec.Expansion(1), spec.Expansion(2)), FILTERS)
    bottleneck = spec.Bottleneck(3, expansion, squeeze_and_excite=True, activation="swish6")
    blocks = (
        spec.Block((spec.Conv(3, 2), spec.Activation("relu")), 8),
        spec.Block(
            (
                spec.SeparableConv(3, 2),
                spec.Residual(OneOf((bottleneck, spec.Zero()), OPERATION)),
                spec.Endpoint(),
            ),
            OneOf((8, 16), FILTERS),
        ),
        spec.Block((spec.GlobalPool(), spec.Conv(1, batch_norm=False)), 16),
    )
    return spec.SearchSpace("small", blocks, reference_indices=(0, 0, 0))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)


def supernet(space, indices):
    """A function images -> (logits, endpoint, L2 loss) and its variables."""
    choices = traversal.choices_of(space)
    masks = np.zeros((len(choices), max(c.num_options for c in choices)), np.float32)
    masks[np.arange(len(choices)), indices] = 1.0
    network = models.Supernet(space, NUM_CLASSES)

    def run(images):
        output = network(images, tf.constant(masks), training=True)
        return output.logits, output.endpoints[0], output.l2_loss

    return run, network.trainable_variables


def standalone(space, indices):
    """The same for a stand-alone network."""
    architecture = search_space.resolve(space, indices)
    network = models.build_classifier(architecture, NUM_CLASSES, 32)
    features = network.get_layer("block1_layer1_add").output
    with_features = tf_keras.Model(network.input, [network.output, features])

    def run(images):
        logits, features = with_features(images, training=True)
        loss = tf.add_n([tf.nn.l2_loss(kernel) for kernel in models.kernels(network)])
        return logits, features, loss

    return run, network.trainable_variables


def gradient_step(make, bfloat16):
    """A tf.function of one training step of a network in some precision."""
    space = small_space()
    tf_keras.utils.set_random_seed(0)
    with network_precision(bfloat16):
        run, variables = make(space, space.reference_indices)

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            logits, features, l2_loss = run(images)
            loss = tf.reduce_mean(logits**2) + 1e-4 * l2_loss
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return logits, features, l2_loss, loss, gradients

    return step, variables


def nodes(function, *args):
    """All nodes of the graph of a tf.function, those of nested functions included."""
    graph = function.get_concrete_function(*args).graph.as_graph_def()
    yield from graph.node
    for nested in graph.library.function:
        yield from nested.node_def


@pytest.mark.parametrize("make", [supernet, standalone])
def test_convolutions_compute_in_bfloat16_and_the_rest_stays_float32(make, images):
    step, variables = gradient_step(make, bfloat16=True)
    logits, features, l2_loss, loss, gradients = step(images)
    assert features.dtype == tf.bfloat16
    assert logits.dtype == l2_loss.dtype == loss.dtype == tf.float32
    assert {variable.dtype for variable in variables} == {tf.float32}
    assert {gradient.dtype for gradient in gradients} == {tf.float32}
    assert all(np.all(np.isfinite(value)) for value in (logits, loss, *gradients))
    types = {}
    for node in nodes(step, images):
        if node.op in CONVOLUTIONS | GRADIENTS:
            types.setdefault(node.op, set()).add(node.attr["T"].type)
    assert set(types) >= CONVOLUTIONS
    assert set.union(*types.values()) == {tf.bfloat16.as_datatype_enum}

    # The same network in float32: close, and not equal.
    exact_step, exact_variables = gradient_step(make, bfloat16=False)
    for variable, other in zip(variables, exact_variables):
        np.testing.assert_array_equal(variable, other)
    exact = exact_step(images)
    assert exact[1].dtype == tf.float32
    np.testing.assert_array_equal(l2_loss, exact[2])
    assert np.any(logits != exact[0])
    np.testing.assert_allclose(logits, exact[0], atol=0.05 * np.max(np.abs(exact[0])))


def test_the_policy_does_not_leak():
    policy = tf_keras.mixed_precision.global_policy
    assert policy().name == "float32"
    with network_precision(True):
        assert policy().name == "mixed_bfloat16"
        with network_precision(False):
            assert policy().name == "float32"
        assert policy().name == "mixed_bfloat16"
    with pytest.raises(KeyError), network_precision(True):
        raise KeyError
    assert policy().name == "float32"


@pytest.mark.parametrize(
    "strategy_type, expected",
    [
        (tf.distribute.TPUStrategy, True),
        (tf.distribute.experimental.TPUStrategy, True),
        (tf.distribute.MirroredStrategy, False),
    ],
)
def test_tpus_are_known_by_the_strategy(strategy_type, expected):
    # A strategy as it is before it looks for devices, which there are none of here.
    assert on_tpu(strategy_type.__new__(strategy_type)) is expected
    assert not on_tpu()
