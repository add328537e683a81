"""The feature maps of an architecture as a Keras network."""

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from object_detection.modeling import feature_maps
from tunas_tf.models import standalone
from tunas_tf.search_space.architecture import Architecture

__all__ = ["Backbone", "build_backbone", "copy_backbone_weights"]


class Backbone(tf_keras.Model):
    """Images [batch, size, size, 3] -> {level: [batch, height, width, filters]}.

    A functional network with what tf-models-official expects of a backbone. Its layers are
    called as in the classifier of the same architecture.
    """

    @property
    def output_specs(self) -> dict[str, tf.TensorShape]:
        """Level -> shape of its feature map."""
        return {level: output.shape for level, output in self.output.items()}


def build_backbone(
    architecture: Architecture,
    levels: Sequence[int] | None = None,
    image_size: int | None = None,
    expanded_features: bool = False,
    batch_norm_momentum: float = 0.99,
    path_dropout_rate: float = 0.0,
    synchronized_batch_norm: bool = False,
) -> Backbone:
    """The part of a network that a detector needs.

    Args:
      architecture: the network.
      levels: of the feature maps: that of level l has the stride 2**l. None for all there are.
      image_size: side of the images in pixels; None leaves it open.
      expanded_features: take the maps of `feature_maps.expanded_feature_maps` instead of the
        endpoints.
      batch_norm_momentum: of the moving averages that evaluation normalises by.
      path_dropout_rate: how often training leaves out the branch of a residual layer.
      synchronized_batch_norm: whether training normalises by the batch of all replicas.

    Raises:
      InputError: the architecture has no endpoint of a level.
    """
    images = tf_keras.Input((image_size, image_size, 3), name="images")
    if levels is None:
        levels = sorted(feature_maps.endpoint_levels(architecture))
    maps: Mapping[int, feature_maps.FeatureMap] = {}
    if expanded_features:
        trimmed, maps = feature_maps.expanded_feature_maps(architecture, levels)
    else:
        trimmed = feature_maps.trim(architecture, levels)
    last, endpoints = standalone.build_backbone(
        trimmed, images, batch_norm_momentum, path_dropout_rate, synchronized_batch_norm
    )
    numbers = feature_maps.endpoint_levels(trimmed)
    outputs = {str(level): endpoints[numbers[level]] for level in levels}
    if expanded_features:
        tower = tf_keras.Model(images, last)
        outputs = {str(level): tower.get_layer(maps[level].layer).output for level in levels}
    return Backbone(images, outputs, name="backbone")


def copy_backbone_weights(network: tf_keras.Model, backbone: Backbone) -> None:
    """Gives a backbone the weights and batch norm averages of a network of its architecture.

    Args:
      network: the classifier of the same architecture, or another backbone of it.
      backbone: what receives them.
    """
    for layer in backbone.layers:
        if layer.weights:
            layer.set_weights(network.get_layer(layer.name).get_weights())
