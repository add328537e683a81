"""What a detector has behind its backbone, as a Keras network from feature maps to raw outputs."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf
import tf_keras
from official.vision.modeling.decoders import fpn
from official.vision.modeling.heads import dense_prediction_heads

from object_detection.modeling.definitions import Definition, RetinaNet, SSDLite
from tunas_tf import layers

__all__ = ["build_head"]

_EPSILON = 1e-3
# Sigmoid of it is 0.01: at first nothing is an object, as for nearly all anchors (RetinaNet,
# section 4.1).
_CLASS_BIAS = -4.6


@dataclasses.dataclass(frozen=True)
class _BatchNorm:
    momentum: float
    synchronized: bool

    def __call__(self, x, name: str):
        return tf_keras.layers.BatchNormalization(
            momentum=self.momentum,
            epsilon=_EPSILON,
            synchronized=self.synchronized,
            name=f"{name}_norm",
        )(x)


def _activated(x, batch_norm: _BatchNorm, name: str):
    x = batch_norm(x, name)
    return tf_keras.layers.ReLU(6.0, name=f"{name}_activation")(x)


def _pointwise(x, filters: int, batch_norm: _BatchNorm, name: str):
    x = tf_keras.layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return _activated(x, batch_norm, name)


def _depthwise(x, strides: int, batch_norm: _BatchNorm, name: str):
    x = tf_keras.layers.DepthwiseConv2D(
        3,
        strides,
        padding="same",
        use_bias=False,
        depthwise_initializer=layers.DepthwiseHeNormal(),
        name=name,
    )(x)
    return _activated(x, batch_norm, name)


def _predictor(x, filters: int, bias: float, batch_norm: _BatchNorm, name: str):
    x = _depthwise(x, 1, batch_norm, f"{name}_depthwise")
    return tf_keras.layers.Conv2D(
        filters,
        1,
        kernel_initializer=tf_keras.initializers.TruncatedNormal(stddev=0.03),
        bias_initializer=tf_keras.initializers.Constant(bias),
        name=name,
    )(x)


def _ssdlite(definition: SSDLite, features: dict, num_classes: int, batch_norm: _BatchNorm):
    maps = {int(level): feature for level, feature in features.items()}
    for level, filters in zip(definition.levels[2:], definition.extra_filters):
        x = _pointwise(maps[level - 1], filters // 2, batch_norm, f"extra{level}_compress")
        x = _depthwise(x, 2, batch_norm, f"extra{level}_depthwise")
        maps[level] = _pointwise(x, filters, batch_norm, f"extra{level}_project")
    logits, boxes = {}, {}
    for level, x in maps.items():
        number = definition.anchors_per_location(level)
        logits[str(level)] = _predictor(
            x, number * num_classes, _CLASS_BIAS, batch_norm, f"classes{level}"
        )
        boxes[str(level)] = _predictor(x, number * 4, 0.0, batch_norm, f"boxes{level}")
    return logits, boxes


def _retinanet(definition: RetinaNet, features: dict, num_classes: int, batch_norm: _BatchNorm):
    shared = {
        "min_level": definition.levels[0],
        "max_level": definition.levels[-1],
        "num_filters": definition.num_filters,
        "use_separable_conv": definition.separable,
        "use_sync_bn": batch_norm.synchronized,
        "norm_momentum": batch_norm.momentum,
        "norm_epsilon": _EPSILON,
    }
    # Keras layers only: TFLite would get arithmetic on six dimensions otherwise.
    pyramid = fpn.FPN(
        {level: feature.shape for level, feature in features.items()},
        use_keras_layer=True,
        name="pyramid",
        **shared,
    )
    predictor = dense_prediction_heads.RetinaNetHead(
        num_classes=num_classes,
        num_anchors_per_location=definition.anchors_per_location(definition.levels[0]),
        num_convs=definition.num_convolutions,
        name="predictor",
        **shared,
    )
    logits, boxes, _ = predictor(pyramid(features))
    return logits, boxes


def build_head(
    definition: Definition,
    feature_shapes: Mapping[int, tuple[int | None, int | None, int]],
    num_classes: int,
    batch_norm_momentum: float = 0.99,
    synchronized_batch_norm: bool = False,
) -> tf_keras.Model:
    """The network behind the backbone: {"4": [batch, height, width, filters], ...} -> raw outputs.

    Raw outputs are as in tf-models-official, so that its losses and detection generator take
    them: a dict of "class_logits" {level: [batch, height, width, anchors * num_classes]} and
    "boxes" {level: [batch, height, width, anchors * 4]}, encoded, float32. Levels are strings.

    Args:
      definition: the detector.
      feature_shapes: (height, width, filters) of the feature maps, by level.
      num_classes: class 0, which is no object, included. It has logits that mean nothing.
      batch_norm_momentum: of the moving averages that evaluation normalises by.
      synchronized_batch_norm: whether training normalises by the batch of all replicas.
    """
    features = {
        str(level): tf_keras.Input(shape, name=f"feature{level}")
        for level, shape in feature_shapes.items()
    }
    batch_norm = _BatchNorm(batch_norm_momentum, synchronized_batch_norm)
    if isinstance(definition, RetinaNet):
        logits, boxes = _retinanet(definition, features, num_classes, batch_norm)
    else:
        logits, boxes = _ssdlite(definition, features, num_classes, batch_norm)

    def in_float32(outputs: dict[str, tf.Tensor], name: str) -> dict[str, tf.Tensor]:
        return {
            level: tf_keras.layers.Activation("linear", dtype="float32", name=f"{name}{level}")(x)
            for level, x in outputs.items()
        }

    outputs = {
        "class_logits": in_float32(logits, "class_logits"),
        "boxes": in_float32(boxes, "encoded_boxes"),
    }
    return tf_keras.Model(features, outputs, name="head")
