"""Detectors: a stand-alone one of an architecture, and one that holds a whole search space.

Both give the raw outputs of `build_head`; anchors, losses and detections are the same.
"""

from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from object_detection.modeling import definitions, feature_maps
from object_detection.modeling.backbones import build_backbone
from object_detection.modeling.definitions import Definition
from object_detection.modeling.heads import build_head
from tunas_tf.common.errors import InputError
from tunas_tf.models import Supernet, kernels
from tunas_tf.search_space import spec
from tunas_tf.search_space.architecture import Architecture

__all__ = ["SupernetDetector", "SupernetDetectorOutput", "build_detector"]


def build_detector(
    definition: Definition,
    architecture: Architecture,
    image_size: int,
    num_classes: int,
    batch_norm_momentum: float = 0.99,
    path_dropout_rate: float = 0.0,
    synchronized_batch_norm: bool = False,
) -> tf_keras.Model:
    """The detector of one network: images [batch, size, size, 3] -> raw outputs.

    Its two layers are called "backbone" and "head".

    Args:
      definition: the detector.
      architecture: the network that the backbone is taken from.
      image_size: side of the images in pixels.
      num_classes: class 0, which is no object, included.
      batch_norm_momentum: of the moving averages that evaluation normalises by.
      path_dropout_rate: how often training leaves out the branch of a residual layer.
      synchronized_batch_norm: whether training normalises by the batch of all replicas.

    Raises:
      InputError: the architecture lacks an endpoint, or the size does not suit the detector.
    """
    definitions.check_image_size(definition, image_size)
    backbone = build_backbone(
        architecture,
        definition.input_levels,
        image_size,
        definition.expanded_features,
        batch_norm_momentum,
        path_dropout_rate,
        synchronized_batch_norm,
    )
    shapes = {int(level): tuple(shape[1:]) for level, shape in backbone.output_specs.items()}
    head = build_head(definition, shapes, num_classes, batch_norm_momentum, synchronized_batch_norm)
    images = tf_keras.Input((image_size, image_size, 3), name="images")
    return tf_keras.Model(images, head(backbone(images)), name=definition.name)


class SupernetDetectorOutput(NamedTuple):
    """What a supernet detector computes for one sample.

    Attributes:
      predictions: raw outputs, as of `build_head`.
      l2_loss: float32 scalar, half the sum of squares of the kernels in use: those of the
        backbone that the sample uses, and all of the head.
    """

    predictions: dict[str, Any]
    l2_loss: tf.Tensor


class SupernetDetector(tf_keras.Model):
    """The detector of a search space: `detector(images, masks) -> SupernetDetectorOutput`.

    The head is built on feature maps of the full width, whatever is sampled: channels that
    a sample does not use are zeros. As in the supernet, batch norm always uses the current
    batch, in the head too: its moving averages are of no network in particular, and nothing
    reads them.

    Attributes:
      space: the search space without what the detector does not need. Masks may have the rows
        of the whole space: those of the choices that are left come first.
      definition, num_classes: what it was built from.
    """

    def __init__(
        self,
        definition: Definition,
        space: spec.SearchSpace,
        image_size: int,
        num_classes: int,
        execution: str = "mask",
        rematerialize: bool = False,
    ):
        """
        Args:
          definition: the detector.
          space: the search space.
          image_size: side of the images in pixels.
          num_classes: class 0, which is no object, included.
          execution, rematerialize: as of `Supernet`.

        Raises:
          InputError: the space lacks an endpoint, the size does not suit the detector, or
            expanded features are asked for.
        """
        # The l2 loss needs float32 also where the layers compute in a lower precision.
        super().__init__(name="supernet_detector", dtype="float32")
        if definition.expanded_features:
            raise InputError(
                "expanded features were asked for in a search, but they are those of one "
                "network only; leave --expanded_features out."
            )
        definitions.check_image_size(definition, image_size)
        self.definition = definition
        self.num_classes = num_classes
        levels = definition.input_levels
        self.space = feature_maps.trim(space, levels)
        numbers = feature_maps.endpoint_levels(self.space)
        self._endpoint_numbers = {str(level): numbers[level] for level in levels}
        self.supernet = Supernet(
            self.space, num_classes=0, execution=execution, rematerialize=rematerialize
        )
        shapes = {
            level: (-(-image_size // 2**level),) * 2 + (counts.largest,)
            for level, counts in feature_maps.feature_filters(self.space, levels).items()
        }
        self.head = build_head(definition, shapes, num_classes)

    def call(self, images: tf.Tensor, masks: tf.Tensor, training=None) -> SupernetDetectorOutput:
        """Runs the architecture that `masks` select on images [batch, size, size, 3]."""
        del training  # Nothing here differs between training and validation.
        backbone = self.supernet(images, masks)
        features = {
            level: backbone.endpoints[number] for level, number in self._endpoint_numbers.items()
        }
        outputs = self.head(features, training=True)
        l2_loss = tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels(self.head)])
        return SupernetDetectorOutput(outputs, backbone.l2_loss + l2_loss)
