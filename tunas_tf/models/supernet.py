"""The one-shot model: every architecture of a search space in one set of weights."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from tunas_tf import layers
from tunas_tf.common.errors import InputError
from tunas_tf.models.basic_modules import width_of
from tunas_tf.models.modules import build_module
from tunas_tf.models.shared_calls import SharedCalls
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec
from tunas_tf.search_space.operations import output_size
from tunas_tf.search_space.slots import layer_slots

__all__ = ["EXECUTIONS", "Supernet", "SupernetOutput", "copy_weights"]

EXECUTIONS = ("mask", "slice")


class SupernetOutput(NamedTuple):
    """What a supernet computes for one sample.

    Attributes:
      logits: [batch, classes] float32; None if there is no classifier.
      endpoints: the feature maps at the endpoints, [batch, height, width, filters] each, of
        the full width in both executions: channels that the sample does not use are zeros.
      l2_loss: float32 scalar, half the sum of squares of the kernels that the sample uses.
    """

    logits: tf.Tensor | None
    endpoints: tuple[tf.Tensor, ...]
    l2_loss: tf.Tensor

    @property
    def predictions(self) -> tf.Tensor | None:
        """The logits."""
        return self.logits


class Supernet(tf_keras.Model):
    """The supernet of a search space, with a classifier on top.

    Called with images and a sample, it runs the sampled architecture only:

        supernet(images, masks) -> SupernetOutput

    `masks` [choices, options] float32 has a row per choice: one-hot for an option, or equal
    weights for all options, whose outputs are then averaged (warmup, TuNAS section 4.2). The
    supernet mirrors the tree of its space; batch norm always uses the current batch.

    Attributes:
      space: the search space.
      num_classes: outputs of the classifier; with 0 there is none.
      execution: "mask", where shapes are static and every sample costs as much as the widest
        network, or "slice", where a sample costs what its network costs. Both compute the same
        from the same weights.
      rematerialize: whether the outermost choices compute their options again in the backward
        pass, rather than to keep intermediate tensors (TuNAS, section 4.3). XLA compiles a
        supernet with rematerialization in mask execution only.

    Raises:
      InputError: there is no such execution.
    """

    def __init__(
        self,
        space: spec.SearchSpace,
        num_classes: int,
        execution: str = "mask",
        rematerialize: bool = False,
    ):
        super().__init__(name="supernet")
        if execution not in EXECUTIONS:
            raise InputError(f"the execution is {execution!r}; use one of {', '.join(EXECUTIONS)}.")
        self.space = space
        self.num_classes = num_classes
        self.execution = execution
        self.rematerialize = rematerialize
        self.slots = tuple(layer_slots(space))
        self.tower = [
            None
            if isinstance(slot.layer, spec.Endpoint)
            else build_module(
                slot, space.filter_base, rematerialize, rematerialize and execution == "mask"
            )
            for slot in self.slots
        ]
        self.shared_calls = SharedCalls(any_size=execution == "slice")
        self.classifier = None
        if num_classes:
            self.classifier = layers.MaskedConv2D(
                num_classes,
                kernel_size=1,
                use_bias=True,
                kernel_initializer=tf_keras.initializers.RandomNormal(stddev=0.01),
                name="classifier",
            )
            self.classifier.build((None, None, None, self.slots[-1].outputs.largest))

    def call(self, images: tf.Tensor, masks: tf.Tensor, training=None) -> SupernetOutput:
        """Runs the architecture that `masks` select on images [batch, height, width, channels]."""
        del training  # Nothing here differs between training and validation.
        is_sliced = self.execution == "slice"
        outputs, l2_loss, endpoints = images, tf.zeros([]), []
        sizes = images.shape[1:3]
        for slot, module in zip(self.slots, self.tower):
            if module is None:
                endpoints.append(layers.widen(outputs, slot.inputs.largest))
                continue
            # A layer's choices are neighbours; one without choices gets no rows.
            first = slot.positions[0] if slot.positions else 0
            own_masks = masks[first : first + len(slot.positions)]
            input_width = width_of(slot.inputs, masks, is_sliced)
            output_width = width_of(slot.outputs, masks, is_sliced)
            definition = slot.layer
            if not is_sliced:  # Masks need static widths.
                definition = slot.layer, slot.inputs.options, slot.outputs.options
            outputs, loss = self.shared_calls(
                definition, module, outputs, own_masks, input_width, output_width
            )
            l2_loss += loss
            if is_sliced and not tf.executing_eagerly():
                # Endpoints have static sizes, which functions for any size do not know.
                sizes = [size and output_size(slot.layer, size) for size in sizes]
                channels = slot.outputs.largest if output_width.filters is None else None
                outputs.set_shape([images.shape[0], *sizes, channels])
        if self.classifier is None:
            return SupernetOutput(None, tuple(endpoints), l2_loss)
        active = width_of(self.slots[-1].outputs, masks, is_sliced).active
        logits = tf.cast(self.classifier(outputs, active), tf.float32)
        l2_loss += self.classifier.l2_loss(active)
        return SupernetOutput(tf.reduce_mean(logits, axis=[1, 2]), tuple(endpoints), l2_loss)


def copy_weights(supernet: Supernet, indices: Sequence[int], network: tf_keras.Model) -> None:
    """Gives a stand-alone network the weights that its architecture has in the supernet.

    Args:
      supernet: the source.
      indices: the architecture, which `network` was built from.
      network: a network from `build_classifier`, or a backbone if `supernet` has no classifier.
    """
    architecture = architecture_lib.resolve(supernet.space, indices)
    weights = {}
    for placed, slot, module in zip(architecture.layers(), supernet.slots, supernet.tower):
        if module is not None:
            own = [indices[position] for position in slot.positions]
            found = module.weights_at(own, placed.input_filters, placed.filters)
            weights.update({f"{placed.name}_{role}": values for role, values in found.items()})
    if (classifier := supernet.classifier) is not None:
        kernel = classifier.kernel.numpy()[:, :, : architecture.output_filters]
        weights["classifier"] = [kernel, classifier.bias.numpy()]
    for layer in network.layers:
        if layer.trainable_variables:
            for variable, value in zip(layer.trainable_variables, weights.pop(layer.name)):
                variable.assign(np.asarray(value))
    if weights:
        raise ValueError(f"the network has no layers for {sorted(weights)}.")
