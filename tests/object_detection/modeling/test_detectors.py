"""Detectors as networks: outputs, initial values, and a search space's against one network's."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
import towers

from object_detection import modeling
from object_detection.modeling.definitions import RetinaNet, SSDLite
from tunas_tf import models, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.models.supernet import copy_weights
from tunas_tf.search_space import traversal

_DEFINITIONS = [SSDLite(), RetinaNet(16), RetinaNet(16, separable=True)]


def _images(image_size, batch=2):
    shape = (batch, image_size, image_size, 3)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _detector(definition, image_size=128, num_classes=5, seed=0, **options):
    return modeling.build_detector(
        definition, towers.architecture(seed), image_size, num_classes, **options
    )


@pytest.mark.parametrize("image_size", [96, 320])
@pytest.mark.parametrize("definition", _DEFINITIONS)
def test_outputs_fit_the_anchors(definition, image_size):
    outputs = _detector(definition, image_size)(_images(image_size))
    anchors = modeling.multilevel_anchors(definition, image_size)
    for name, values in (("class_logits", 5), ("boxes", 4)):
        shapes = {level: tuple(x.shape) for level, x in outputs[name].items()}
        assert shapes == {
            level: (2, *boxes.shape[:2], boxes.shape[2] // 4 * values)
            for level, boxes in anchors.items()
        }


@pytest.mark.parametrize("definition", _DEFINITIONS)
def test_initial_scores(definition):
    # Of the published bias: 0.01.
    outputs = _detector(definition)(_images(128), training=True)
    logits = np.concatenate([x.numpy().ravel() for x in outputs["class_logits"].values()])
    assert np.median(logits) == pytest.approx(np.log(0.01 / 0.99), abs=0.15)
    boxes = np.concatenate([x.numpy().ravel() for x in outputs["boxes"].values()])
    assert abs(np.median(boxes)) < 0.1


@pytest.mark.parametrize("definition", [SSDLite(), RetinaNet(16, separable=True)])
def test_mixed_precision_has_outputs_and_weight_decay_in_float32(definition):
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        detector = _detector(definition)
        supernet = modeling.SupernetDetector(definition, towers.space(), 96, 5)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert detector.get_layer("backbone").output["5"].dtype == tf.bfloat16
    masks = towers.one_hot(towers.space(), towers.random_indices(towers.space(), 0))
    found = supernet(_images(96), masks)
    for outputs in (detector(_images(128)), found.predictions):
        assert {x.dtype for x in tf.nest.flatten(outputs)} == {tf.float32}
    kernels = [kernel.numpy().astype(np.float64) for kernel in models.kernels(supernet.head)]
    squares = sum(np.sum(kernel**2) for kernel in kernels)
    backbone = supernet.supernet(_images(96), masks).l2_loss
    assert float(found.l2_loss - backbone) == pytest.approx(squares / 2, rel=1e-5)


def test_every_kernel_decays():
    for definition in _DEFINITIONS:
        detector = _detector(definition)
        decayed = sum(int(np.prod(v.shape)) for v in models.kernels(detector))
        others = sum(
            int(np.prod(v.shape)) for v in detector.trainable_variables if len(v.shape) == 1
        )
        total = sum(int(np.prod(v.shape)) for v in detector.trainable_variables)
        assert decayed + others == total


@pytest.fixture(name="supernet", scope="module", params=[SSDLite(), RetinaNet(16)])
def _supernet(request):
    detector = modeling.SupernetDetector(request.param, towers.space(), 96, num_classes=5)
    generator = np.random.default_rng(0)
    for variable in detector.trainable_variables:
        if len(variable.shape) == 1:  # At 0 and 1 biases and batch norm would hide errors.
            variable.assign(generator.normal(1.0, 0.3, variable.shape))
    return detector


def _at_full_width() -> tuple[int, ...]:
    """A network with the most filters everywhere, so that its head is as wide as the supernet's."""
    return tuple(
        c.num_options - 1 if c.path.endswith("filters") else 0
        for c in traversal.choices_of(towers.space())
    )


def test_one_network_of_the_supernet_is_its_detector(supernet):
    space, definition = towers.space(), supernet.definition
    indices = _at_full_width()
    network = modeling.build_detector(
        definition, search_space.resolve(space, indices), 96, num_classes=5
    )
    trimmed = indices[: len(traversal.choices_of(supernet.space))]
    copy_weights(supernet.supernet, trimmed, network.get_layer("backbone"))
    network.get_layer("head").set_weights(supernet.head.get_weights())
    expected = network(_images(96), training=True)
    found = supernet(_images(96), towers.one_hot(space, indices))
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3),
        found.predictions,
        expected,
    )
    used = sum(np.sum(np.square(kernel)) for kernel in models.kernels(network)) / 2
    assert float(found.l2_loss) == pytest.approx(used, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_backbone_of_any_sample_is_that_of_its_network(supernet, seed):
    indices = towers.random_indices(supernet.space, seed)
    backbone = modeling.build_backbone(
        search_space.resolve(supernet.space, indices), supernet.definition.input_levels, 96
    )
    copy_weights(supernet.supernet, indices, backbone)
    found = supernet.supernet(_images(96), towers.one_hot(supernet.space, indices))
    assert found.logits is None and len(found.endpoints) == 6
    numbers = modeling.endpoint_levels(supernet.space)
    for level, expected in backbone(_images(96), training=True).items():
        feature = found.endpoints[numbers[int(level)]].numpy()
        filters = expected.shape[-1]
        np.testing.assert_allclose(feature[..., :filters], expected, rtol=1e-3, atol=1e-3)
        # The head sees one width, whatever is sampled: the rest is zeros.
        assert not np.any(feature[..., filters:])
    widths = [found.endpoints[numbers[level]].shape[-1] for level in (3, 4, 5)]
    assert widths == [24, 32, 56]


def test_supernet_is_the_same_in_validation(supernet):
    images = _images(96)
    masks = towers.one_hot(supernet.space, towers.random_indices(supernet.space, 1))
    first, second = (supernet(images, masks, training=t).predictions for t in (True, False))
    tf.nest.map_structure(np.testing.assert_array_equal, first, second)
    # No architecture has the averages for its own.
    weights = {id(variable) for variable in supernet.trainable_variables}
    averages = [v for v in supernet.head.variables if id(v) not in weights]
    assert averages
    for variable in averages:
        variable.assign(100.0 + variable)
    third = supernet(images, masks, training=False).predictions
    tf.nest.map_structure(np.testing.assert_array_equal, first, third)


def test_supernet_is_restored_from_a_checkpoint(supernet, tmp_path):
    path = tf.train.Checkpoint(detector=supernet).save(str(tmp_path / "checkpoint"))
    other = modeling.SupernetDetector(supernet.definition, towers.space(), 96, num_classes=5)
    tf.train.Checkpoint(detector=other).restore(path).assert_consumed()
    for a, b in zip(supernet.variables, other.variables):
        np.testing.assert_array_equal(a, b)


def test_bad_input():
    with pytest.raises(
        InputError,
        match="quickstart_search has endpoints of 4, 8, 16, but the detector needs 32 too",
    ):
        modeling.SupernetDetector(SSDLite(), search_space.get("quickstart_search"), 96, 5)
    with pytest.raises(InputError, match="expanded features were asked for in a search"):
        modeling.SupernetDetector(SSDLite(True), towers.space(), 96, 5)
    with pytest.raises(InputError, match="80 x 80 pixels do not suit the detector retinanet"):
        modeling.SupernetDetector(RetinaNet(), towers.space(), 80, 5)
    with pytest.raises(InputError, match="80 x 80 pixels do not suit the detector retinanet"):
        _detector(RetinaNet(), image_size=80)
