"""Supernets of the published spaces against stand-alone networks with the same weights.

They run eagerly and without the shared traces: a sample then costs what its network costs,
where tracing all options of a whole space takes up to a minute.
"""

import dataclasses

import numpy as np
import pytest
import supernets
import tensorflow as tf

from tunas_tf import models, search_space
from tunas_tf.models import basic_modules
from tunas_tf.search_space import table

# Narrow, for speed, but with several widths left in every block whose filters are searched.
_MULTIPLIERS = {
    "proxylessnas_search": 0.5,
    "proxylessnas_enlarged_search": 0.5,
    "mobilenet_v3_like_search": 0.5,
    "mobiledet_edgetpu_search": 0.25,
}


def _untraced(supernet: models.Supernet) -> models.Supernet:
    supernet.shared_calls = lambda definition, module, *args: module(*args)
    return supernet


@pytest.fixture(name="supernet", scope="module", params=_MULTIPLIERS)
def _supernet(request):
    space = search_space.get(request.param, _MULTIPLIERS[request.param])
    return _untraced(supernets.make(space))


def _check_equal_network(supernet, indices):
    """Compares outputs and gradients with those of the network; returns the outputs."""
    images = supernets.images()
    with tf.GradientTape() as tape:
        output = supernet(images, supernets.one_hot(supernet.space, indices))
        loss = supernets.loss(output.logits, output.l2_loss)
    gradients = tape.gradient(loss, supernet.trainable_variables)
    network = supernets.standalone(supernet, indices)
    with tf.GradientTape() as tape:
        logits = network(images, training=True)
        l2_loss = tf.add_n([tf.nn.l2_loss(kernel) for kernel in models.kernels(network)])
        loss = supernets.loss(logits, l2_loss)
    _check_close(output, logits, l2_loss)
    # All that flows back in the network arrives in the supernet, and nothing besides.
    expected = tape.gradient(loss, network.trainable_variables)
    arrived = supernets.gradients_of_network(supernet, indices, gradients)
    assert supernets.distance(arrived, expected) < 1e-3
    squares = supernets.sum_of_squares(gradients)
    assert squares == pytest.approx(supernets.sum_of_squares(expected), rel=1e-3)
    return output


def _check_close(output, logits, l2_loss):
    scale = np.max(np.abs(logits))
    np.testing.assert_allclose(output.logits, logits, atol=1e-4 * scale)
    # The loss counts what this architecture uses, no more.
    assert float(output.l2_loss) == pytest.approx(float(l2_loss), rel=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_one_architecture_equals_its_network(supernet, seed):
    indices = supernets.random_indices(supernet.space, seed)
    output = _check_equal_network(supernet, indices)
    architecture = search_space.resolve(supernet.space, indices)
    shapes = table.endpoint_shapes(architecture, 32)
    assert len(output.endpoints) == len(shapes)
    for endpoint, (height, width, filters) in zip(output.endpoints, shapes):
        assert endpoint.shape[:3] == (4, height, width)
        assert not np.any(endpoint[..., filters:])
        assert np.all(np.any(endpoint[..., :filters], axis=(0, 1, 2)))


def _with_gradients(supernet, execution, masks, images):
    """All that a sample computes in one execution: outputs, loss, gradients that are not None."""
    supernet.execution = execution
    with tf.GradientTape() as tape:
        output = supernet(images, masks)
        loss = supernets.loss(output.logits, output.l2_loss)
        loss += tf.add_n([tf.reduce_mean(tf.abs(endpoint)) for endpoint in output.endpoints])
    gradients = tape.gradient(loss, supernet.trainable_variables)
    supernet.execution = "mask"
    gradients = {i: g.numpy() for i, g in enumerate(gradients) if g is not None}
    return [output.logits, *output.endpoints, output.l2_loss, loss], gradients


@pytest.mark.parametrize("is_warmup", [False, True])
def test_slice_execution_equals_mask_execution(supernet, is_warmup):
    space = supernet.space
    if is_warmup:
        masks = supernets.half_warmed_up(space, 7)
    else:
        masks = supernets.one_hot(space, supernets.random_indices(space, 7))
    images = supernets.images(number=16)
    expected, expected_gradients = _with_gradients(supernet, "mask", masks, images)
    actual, gradients = _with_gradients(supernet, "slice", masks, images)
    supernets.assert_close(actual, expected)
    assert set(gradients) == set(expected_gradients)
    # The order of the images means nothing to gradients: what it changes are rounding errors,
    # which are another size on another processor.
    _, reordered = _with_gradients(supernet, "mask", masks, images[::-1])
    rounding = supernets.distance(reordered.values(), expected_gradients.values())
    difference = supernets.distance(gradients.values(), expected_gradients.values())
    assert rounding < 1e-4
    assert difference < max(1e-5, 4 * rounding)
    floor = 1e-3 * max(np.linalg.norm(gradient) for gradient in expected_gradients.values())
    for index, gradient in expected_gradients.items():
        difference = np.linalg.norm(gradients[index] - gradient)
        assert difference < 1e-3 * max(np.linalg.norm(gradient), floor)


@pytest.fixture(name="short_mobiledet", scope="module")
def _short_mobiledet():
    """Stem, layer in front, two searched layers and the last layers of the MobileDet space."""
    space = search_space.get("mobiledet_edgetpu_search")
    layers = space.blocks[2].layers
    third = dataclasses.replace(space.blocks[2], layers=(*layers[:2], layers[-1]))
    blocks = (*space.blocks[:2], third, space.blocks[8])
    return supernets.make(dataclasses.replace(space, blocks=blocks, reference_indices=()))


def test_traced_layers_without_shared_weights(short_mobiledet):
    run = tf.function(lambda images, masks: short_mobiledet(images, masks))
    images = supernets.images()
    # Filters of the stem, layer in front, its filters, two layers, their filters, last filters.
    for indices in (
        (2, 4, 1, 5, 11, 5, 6),  # Tucker; fused, Tucker.
        (0, 2, 3, 10, 7, 1, 0),  # 1x1; Tucker, fused.
        (5, 1, 0, 2, 12, 3, 3),  # Separable; inverted, skipped.
    ):
        output = run(images, supernets.one_hot(short_mobiledet.space, indices))
        network = supernets.standalone(short_mobiledet, indices)
        l2_loss = tf.add_n([tf.nn.l2_loss(kernel) for kernel in models.kernels(network)])
        _check_close(output, network(images, training=True), l2_loss)


def test_warmup_averages_inverted_fused_and_tucker_bottlenecks(short_mobiledet):
    slots = list(short_mobiledet.slots)
    index = next(i for i, slot in enumerate(slots) if slot.path == "blocks/2/layers/1")
    module, counts = short_mobiledet.tower[index], slots[index].outputs
    width = basic_modules.Width(counts.options.index(40), tf.constant(40))
    inputs = np.random.default_rng(3).normal(size=(2, 8, 8, counts.largest))
    inputs = (inputs * (np.arange(counts.largest) < 40)).astype(np.float32)

    def run(mask):
        return module(inputs, tf.constant([mask], tf.float32), width, width)

    options = [run(mask) for mask in np.eye(13)]
    outputs = np.array([output for output, _ in options])
    l2_losses = np.array([float(l2_loss) for _, l2_loss in options])
    np.testing.assert_array_equal(outputs[12], inputs)  # Skipped.
    assert not np.any(outputs[..., 40:])
    # No two options share weights: what they add to the input differs.
    branches = (outputs - inputs)[:12]
    distances = [np.max(np.abs(branches[i] - branches[j])) for i in range(12) for j in range(i)]
    assert min(distances) > 0.1

    mean, l2_loss = run([1 / 13] * 13)
    np.testing.assert_allclose(mean, inputs + branches.sum(axis=0) / 13, atol=1e-4)
    assert float(l2_loss) == pytest.approx(l2_losses.sum() / 13, rel=1e-5)


def test_warmup_in_a_network(short_mobiledet):
    # One layer undecided, and nothing behind it up to the endpoint.
    space, images = short_mobiledet.space, supernets.images()
    one_by_one = []
    for option in range(12):
        masks = supernets.one_hot(space, (2, 4, 1, option, 12, 5, 6))
        one_by_one.append(short_mobiledet(images, masks).endpoints[1])
    masks[3] = np.array([1 / 12] * 12 + [0.0])
    endpoint = short_mobiledet(images, masks).endpoints[1]
    np.testing.assert_allclose(endpoint, np.mean(one_by_one, axis=0), atol=1e-4)


@pytest.mark.slow
def test_traced_supernet_of_a_whole_space():
    space = search_space.get("mobilenet_v3_like_search", 0.5)
    supernet = supernets.make(space)
    run = tf.function(lambda images, masks: supernet(images, masks))
    images = supernets.images()
    traced = [
        run(images, supernets.one_hot(space, supernets.random_indices(space, seed)))
        for seed in range(5)
    ]
    # 20 bottlenecks: a first one and three like each other in each of five blocks. The stem
    # has three layers, the last two blocks five.
    assert len(supernet.shared_calls) == 10 + 3 + 5
    _untraced(supernet)
    for seed, output in enumerate(traced):
        masks = supernets.one_hot(space, supernets.random_indices(space, seed))
        eager = supernet(images, masks)
        scale = np.max(np.abs(eager.logits))
        np.testing.assert_allclose(output.logits, eager.logits, atol=1e-4 * scale)
        assert float(output.l2_loss) == pytest.approx(float(eager.l2_loss), rel=1e-5)
