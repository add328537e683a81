"""Backbones of architectures, alone and under tf-models-official."""

import json

import numpy as np
import pytest
import tf_keras
import towers
from official.vision.configs import common, retinanet
from official.vision.modeling import factory

from object_detection import modeling
from object_detection.modeling.official_backbone import Backbone, TunasBackbone, build
from tunas_tf import models, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.search_space.architecture import to_json
from tunas_tf.search_space.traversal import choices_of, format_indices


def _images(image_size):
    shape = (2, image_size, image_size, 3)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_layers_behind_the_last_map_are_not_built():
    backbone = modeling.build_backbone(towers.architecture(), (3, 4), image_size=96)
    assert {level: tuple(x.shape[1:3]) for level, x in backbone.output.items()} == {
        "3": (12, 12), "4": (6, 6)
    }  # fmt: skip
    assert {layer.name.split("_")[0] for layer in backbone.layers} == {
        "images", "block0", "block1", "block2", "block3"
    }  # fmt: skip
    assert backbone.output_specs["4"].as_list() == [None, 6, 6, 32]


def test_all_levels_by_default():
    backbone = modeling.build_backbone(towers.architecture())
    sides = {level: x.shape[1] for level, x in backbone(_images(70)).items()}
    assert sides == {"1": 35, "2": 18, "3": 9, "4": 5, "5": 3}


def test_expanded_features_are_inside_the_tower():
    network = towers.architecture()
    backbone = modeling.build_backbone(network, (4, 5), 96, expanded_features=True)
    classifier = models.build_classifier(network, 10, 96)
    modeling.copy_backbone_weights(classifier, backbone)
    names = ["block4_layer0_expand_activation", "block6_layer1_activation"]
    inside = tf_keras.Model(classifier.input, [classifier.get_layer(n).output for n in names])
    found = backbone(_images(96))
    for level, expected in zip("45", inside(_images(96))):
        np.testing.assert_allclose(found[level], expected, rtol=1e-5, atol=1e-5)
    assert [found[level].shape[1] for level in "45"] == [6, 3]


def test_weights_of_a_classifier():
    network = search_space.resolve(towers.space(), [0] * len(choices_of(towers.space())))
    classifier = models.build_classifier(network, 10, 96)
    classifier(_images(96), training=True)  # Moves the averages of batch norm.
    detector = modeling.build_detector(modeling.define("ssdlite"), network, 96, 5)
    backbone = detector.get_layer("backbone")
    modeling.copy_backbone_weights(classifier, backbone)
    names = ["block3_layer1_add", "block5_layer0_project_norm"]
    inside = tf_keras.Model(classifier.input, [classifier.get_layer(n).output for n in names])
    found = backbone(_images(96), training=False)
    for level, expected in zip("45", inside(_images(96), training=False)):
        np.testing.assert_allclose(found[level], expected, rtol=1e-5, atol=1e-5)


def _config(**backbone) -> retinanet.RetinaNet:
    return retinanet.RetinaNet(
        num_classes=5,
        input_size=[96, 96, 3],
        backbone=Backbone(tunas_tf=TunasBackbone(**backbone)),
        norm_activation=common.NormActivation(norm_momentum=0.9),
    )


def test_retinanet_of_a_configuration(tmp_path):
    network = towers.architecture()
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(to_json(network)), encoding="utf-8")
    model = factory.build_retinanet(
        tf_keras.layers.InputSpec(shape=[None, 96, 96, 3]),
        _config(architecture=str(path)),
        l2_regularizer=tf_keras.regularizers.l2(0.5),
    )
    outputs = model(_images(96), training=True)
    assert {level: x.shape[1] for level, x in outputs["cls_outputs"].items()} == {
        "3": 12, "4": 6, "5": 3, "6": 2, "7": 1
    }  # fmt: skip
    backbone = model.backbone
    assert backbone.get_layer("block1_layer0_expand_norm").momentum == 0.9
    squares = sum(np.sum(np.square(kernel)) for kernel in models.kernels(backbone))
    assert float(sum(backbone.losses)) == pytest.approx(0.5 * squares, rel=1e-5)


def test_configuration_by_indices_and_as_text():
    space = search_space.get("proxylessnas_search", 0.5)
    config = _config(
        ssd="proxylessnas_search",
        indices=format_indices(space.reference_indices),
        filters_multiplier=0.5,
    ).backbone
    assert config.type == "tunas_tf"
    restored = Backbone(**config.as_dict())
    assert restored.get().resolve() == search_space.resolve(space, space.reference_indices)


def test_bad_configurations():
    with pytest.raises(InputError, match="either `architecture`.* or `ssd`; there is none"):
        TunasBackbone().resolve()
    with pytest.raises(InputError, match="there is each of them"):
        TunasBackbone(architecture="a.json", ssd="mobilenet_v2").resolve()
    with pytest.raises(InputError, match="norm_epsilon is 0.1"):
        build(
            tf_keras.layers.InputSpec(shape=[None, 96, 96, 3]),
            Backbone(tunas_tf=TunasBackbone(ssd="mobilenet_v2")),
            common.NormActivation(norm_epsilon=0.1),
        )
