"""A supernet at one architecture against the stand-alone network of stock Keras layers."""

import dataclasses

import example_spaces
import numpy as np
import pytest
import supernets
import tensorflow as tf
from supernets import NUM_CLASSES, images, one_hot, random_indices, standalone

from tunas_tf import models, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.models import basic_modules
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.slots import layer_slots


@pytest.fixture(scope="module")
def proxylessnas():
    """The blocks 0 to 2 and the last one of proxylessnas_search: whole, it takes long to trace."""
    space = search_space.get("proxylessnas_search", filters_multiplier=0.5)
    reference = (*space.reference_indices[:16], space.reference_indices[-1])
    blocks = (*space.blocks[:3], space.blocks[-1])
    space = dataclasses.replace(space, blocks=blocks, reference_indices=reference)
    supernet = supernets.make(space)

    @tf.function
    def run(images, masks):
        with tf.GradientTape() as tape:
            output = supernet(images, masks)
            loss = supernets.loss(output.logits, output.l2_loss)
        return output, tape.gradient(loss, supernet.trainable_variables)

    return supernet, run


@pytest.fixture(scope="module")
def mixed():
    supernet = supernets.make(example_spaces.mixed_space())
    return supernet, tf.function(lambda images, masks: supernet(images, masks))


@pytest.mark.parametrize("seed", range(6))
def test_one_architecture_of_the_mixed_space_equals_its_network(mixed, seed):
    supernet, run = mixed
    indices = random_indices(supernet.space, seed)
    output = run(images(), one_hot(supernet.space, indices))
    network = standalone(supernet, indices)
    np.testing.assert_allclose(output.logits, network(images(), training=True), atol=1e-4)
    # The loss counts what this architecture uses, no more.
    used = sum(np.sum(np.square(kernel)) for kernel in models.kernels(network)) / 2
    assert float(output.l2_loss) == pytest.approx(used, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_one_architecture_of_proxylessnas_equals_its_network(proxylessnas, seed):
    supernet, run = proxylessnas
    indices = random_indices(supernet.space, seed)
    output, gradients = run(images(), one_hot(supernet.space, indices))
    network = standalone(supernet, indices)
    with tf.GradientTape() as tape:
        logits = network(images(), training=True)
        l2_loss = tf.add_n([tf.nn.l2_loss(kernel) for kernel in models.kernels(network)])
        loss = supernets.loss(logits, l2_loss)
    np.testing.assert_allclose(output.logits, logits, atol=1e-4)
    # All that flows back in the network arrives in the supernet, and nothing besides.
    expected = tape.gradient(loss, network.trainable_variables)
    arrived = supernets.gradients_of_network(supernet, indices, gradients)
    assert supernets.distance(arrived, expected) < 1e-3
    squares = supernets.sum_of_squares(gradients)
    assert squares == pytest.approx(supernets.sum_of_squares(expected), rel=1e-3)
    assert len(output.endpoints) == 2


def test_weights_that_a_sample_does_not_use_get_no_gradient(proxylessnas):
    supernet, run = proxylessnas
    indices = list(supernet.space.reference_indices)
    choices = traversal.choices_of(supernet.space)
    skipped = next(
        i for i, choice in enumerate(choices) if choice.path == "blocks/2/layers/2/layer"
    )
    assert indices[skipped] == 1  # ProxylessNAS-Mobile skips this layer.
    _, gradients = run(images(), one_hot(supernet.space, indices))
    by_variable = {id(v): g for v, g in zip(supernet.trainable_variables, gradients)}
    slots = list(layer_slots(supernet.space))
    module = supernet.tower[[slot.path for slot in slots].index("blocks/2/layers/2")]
    variables = module.trainable_variables
    assert len(variables) == 15  # Three depthwise kernels, two convolutions, five batch norms.
    for variable in variables:
        assert not np.any(by_variable[id(variable)])
    module = supernet.tower[[slot.path for slot in slots].index("blocks/2/layers/1")]
    assert any(np.any(by_variable[id(v)]) for v in module.trainable_variables)


def test_warmup_averages_the_options(mixed):
    # A residual of an optional layer, which itself is one of two separable convolutions.
    supernet, _ = mixed
    slots = list(layer_slots(supernet.space))
    index = next(i for i, slot in enumerate(slots) if slot.path == "blocks/2/layers/1")
    module, slot = supernet.tower[index], slots[index]
    width = basic_modules.Width(2, tf.constant(40))
    x = np.random.default_rng(2).normal(size=(2, 8, 8, 40)).astype(np.float32)

    def run(rows):
        return module(x, tf.constant(rows, tf.float32), width, width)

    assert len(slot.positions) == 2
    # Rows: which separable convolution; the convolution or the skip.
    (first, first_loss), (second, second_loss) = run([[1, 0], [1, 0]]), run([[0, 1], [1, 0]])
    skip, skip_loss = run([[1, 0], [0, 1]])
    np.testing.assert_allclose(skip, x)
    assert float(skip_loss) == 0.0
    both, both_loss = run([[0.5, 0.5], [1, 0]])
    np.testing.assert_allclose(both, (first + second) / 2, atol=1e-5)
    assert float(both_loss) == pytest.approx(float(first_loss + second_loss) / 2, rel=1e-5)
    everything, _ = run([[0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(everything, (both + skip) / 2, atol=1e-5)


def _with_gradients(supernet, masks):
    with tf.GradientTape() as tape:
        output = supernet(images(), masks)
        loss = supernets.loss(output.logits, output.l2_loss)
    return [output.logits, output.l2_loss, *output.endpoints], tape.gradient(
        loss, supernet.trainable_variables, unconnected_gradients="zero"
    )


@pytest.fixture(name="eager_results", scope="module")
def _eager_results(mixed):
    """Of an architecture and of one that is half in warmup: masks, outputs and gradients."""
    space = mixed[0].space
    supernet = supernets.make(space)
    supernet.shared_calls = lambda definition, module, *args: module(*args)
    samples = one_hot(space, random_indices(space, 3)), supernets.half_warmed_up(space, 4)
    return [(masks, *_with_gradients(supernet, masks)) for masks in samples]


@pytest.mark.parametrize(
    "execution, rematerialize",
    [("mask", False), ("mask", True), ("slice", False), ("slice", True)],
)
def test_traced_executions_compute_what_eager_mask_execution_does(
    eager_results, mixed, execution, rematerialize
):
    supernet = supernets.make(mixed[0].space, execution=execution, rematerialize=rematerialize)
    run = tf.function(lambda masks: _with_gradients(supernet, masks))
    for masks, outputs, gradients in eager_results:
        actual_outputs, actual_gradients = run(masks)
        supernets.assert_close(actual_outputs, outputs)
        supernets.assert_close(actual_gradients, gradients)


@pytest.mark.parametrize("kind", ["sigmoid", "swish6"])
@pytest.mark.parametrize("execution", ["mask", "slice"])
def test_channels_that_are_not_active_are_zeros_at_endpoints(execution, kind):
    layers = (spec.Conv(3, 2), spec.Activation(kind), spec.Endpoint())
    blocks = (
        spec.Block(layers, spec.OneOf((8, 16), spec.FILTERS)),
        spec.Block((spec.GlobalPool(),), 16),
    )
    supernet = models.Supernet(spec.SearchSpace("gated", blocks), 0, execution)
    for index, active in enumerate((8, 16)):
        (endpoint,) = supernet(images(), one_hot(supernet.space, (index,))).endpoints
        assert endpoint.shape[-1] == 16
        assert np.all(np.any(endpoint[..., :active], axis=(0, 1, 2)))
        assert not np.any(endpoint[..., active:])


def test_other_execution_is_an_error():
    with pytest.raises(InputError, match="'sliced'; use one of mask, slice"):
        models.Supernet(example_spaces.mixed_space(), NUM_CLASSES, execution="sliced")


@pytest.mark.parametrize("execution, num_bottlenecks", [("mask", 11), ("slice", 3)])
def test_layers_of_equal_definition_share_one_trace(execution, num_bottlenecks):
    space = search_space.get("proxylessnas_search", filters_multiplier=0.5)
    supernet = models.Supernet(space, NUM_CLASSES, execution=execution)
    masks = one_hot(space, space.reference_indices)
    call = tf.function(lambda x, m: supernet(x, m)).get_concrete_function(
        tf.TensorSpec((2, 64, 64, 3)), tf.TensorSpec(masks.shape)
    )
    # 21 bottlenecks: in 11 kinds, or with any numbers of filters in three (of stride 1 and 2,
    # and residual ones). Six other layers, of which two are activations.
    num_others = 6 if execution == "mask" else 5
    assert len(supernet.shared_calls) == num_bottlenecks + num_others
    assert [tuple(e.shape) for e in call.structured_outputs.endpoints] == [
        (2, 64 // stride, 64 // stride, filters)
        for stride, filters in ((2, 8), (4, 16), (8, 24), (16, 48), (32, 96), (32, 160))
    ]


def test_sharing_does_not_mix_up_the_weights(mixed):
    supernet, run = mixed
    indices = random_indices(supernet.space, 9)
    masks = one_hot(supernet.space, indices)
    before = run(images(), masks).logits
    classifier = supernet.classifier.kernel
    classifier.assign(2.0 * classifier)  # The bias was drawn with the others.
    after = run(images(), masks).logits
    bias = supernet.classifier.bias
    np.testing.assert_allclose(after - bias, 2.0 * (before - bias), atol=1e-4)
    classifier.assign(0.5 * classifier)
    assert all(isinstance(v, tf.Variable) for v in supernet.trainable_variables)


def test_supernet_is_restored_from_a_checkpoint(tmp_path):
    space = example_spaces.mixed_space()
    first, second = supernets.make(space), models.Supernet(space, NUM_CLASSES)
    path = tf.train.Checkpoint(supernet=first).save(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(supernet=second).restore(path).assert_consumed()
    for a, b in zip(first.trainable_variables, second.trainable_variables):
        np.testing.assert_array_equal(a, b)
