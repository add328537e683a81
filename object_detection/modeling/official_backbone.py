"""Our networks as a backbone that configurations of tf-models-official can name.

Importing this module registers the backbone "tunas_tf":

    config = retinanet.RetinaNet(
        num_classes=91,
        input_size=[320, 320, 3],
        backbone=Backbone(tunas_tf=TunasBackbone(ssd="mobilenet_v3_large")),
    )
    factory.build_retinanet(tf_keras.layers.InputSpec(shape=[None, 320, 320, 3]), config)
"""

import dataclasses
import functools

import tensorflow as tf
import tf_keras
from official.modeling import hyperparams
from official.vision.configs import backbones, common
from official.vision.modeling.backbones import factory

from object_detection.modeling import backbones as own_backbones
from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.models import kernels
from tunas_tf.search_space import architecture as architecture_lib

__all__ = ["Backbone", "TunasBackbone", "build"]

_EPSILON = 1e-3


@dataclasses.dataclass
class TunasBackbone(hyperparams.Config):
    """Which network: a file, or a search space with the indices of a network in it.

    Attributes:
      architecture: path of an architecture.json.
      ssd: name of a search space or network.
      indices: of the network in `ssd`, separated by colons.
      filters_multiplier: factor of the filter counts of `ssd`.
      path_dropout_rate: how often training leaves out the branch of a residual layer.
    """

    architecture: str = ""
    ssd: str = ""
    indices: str = ""
    filters_multiplier: float = 1.0
    path_dropout_rate: float = 0.0

    def resolve(self) -> architecture_lib.Architecture:
        if bool(self.architecture) == bool(self.ssd):
            raise InputError(
                "the backbone tunas_tf needs either `architecture`, the path of an "
                f"architecture.json, or `ssd`; there is {'each' if self.ssd else 'none'} of them."
            )
        if self.architecture:
            return architecture_lib.load(self.architecture)
        space = search_space.get(self.ssd, self.filters_multiplier)
        return search_space.resolve(space, search_space.parse_indices(self.indices))


@dataclasses.dataclass
class Backbone(backbones.Backbone):
    """The backbones of tf-models-official, and "tunas_tf"."""

    type: str | None = "tunas_tf"
    tunas_tf: TunasBackbone = dataclasses.field(default_factory=TunasBackbone)


@factory.register_backbone_builder("tunas_tf")
def build(
    input_specs: tf_keras.layers.InputSpec,
    backbone_config: Backbone,
    norm_activation_config: common.NormActivation,
    l2_regularizer: tf_keras.regularizers.Regularizer | None = None,
) -> own_backbones.Backbone:
    """Builds the backbone, with all levels that its network has.

    Args:
      input_specs: of images [batch, height, width, 3].
      backbone_config: a `Backbone` of type "tunas_tf".
      norm_activation_config: of the batch norm. Activations are those of the network.
      l2_regularizer: of the kernels.
    """
    if norm_activation_config.norm_epsilon != _EPSILON:
        raise InputError(
            f"norm_epsilon is {norm_activation_config.norm_epsilon}, but the backbone tunas_tf "
            f"has batch norm with {_EPSILON} only."
        )
    _, height, width, _ = input_specs.shape
    config = backbone_config.get()
    # In one replica there is nothing to synchronise, and the fused operation is faster.
    has_replicas = tf.distribute.get_strategy().num_replicas_in_sync > 1
    backbone = own_backbones.build_backbone(
        config.resolve(),
        image_size=height if height == width else None,
        batch_norm_momentum=norm_activation_config.norm_momentum,
        path_dropout_rate=config.path_dropout_rate,
        synchronized_batch_norm=norm_activation_config.use_sync_bn and has_replicas,
    )
    if l2_regularizer is not None:
        for kernel in kernels(backbone):
            backbone.add_loss(functools.partial(l2_regularizer, kernel))
    return backbone
