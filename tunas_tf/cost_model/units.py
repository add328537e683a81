"""The pieces of a network whose costs add up, as they run: one layer with what is fused to it.

An activation or a pool behind a layer is measured together with it, since runtimes fuse them;
the classifier is a piece too. A piece stands at a `LayerSlot` whose layer is a tuple.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import operations, spec, traversal
from tunas_tf.search_space.slots import FilterCounts, LayerSlot, layer_slots

__all__ = ["Unit", "unit_at", "unit_slots", "units_of"]


@dataclasses.dataclass(frozen=True)
class Unit:
    """Layers in a row, without choices, together with what their costs depend on.

    Attributes:
      layers: as in an `Architecture`.
      input_filters: channels before the first layer.
      filters: channels behind each of them.
      input_size: side of the input in pixels.
    """

    layers: tuple
    input_filters: int
    filters: int
    input_size: int

    def operations(self) -> list:
        """Its primitive operations; an empty list if it computes nothing."""
        found, input_filters, size = [], self.input_filters, self.input_size
        for layer in self.layers:
            found += operations.layer_operations(layer, input_filters, self.filters, size)
            input_filters, size = self.filters, operations.output_size(layer, size)
        return found


def _is_fused(layer) -> bool:
    return isinstance(layer, (spec.Activation, spec.GlobalPool))


def unit_slots(space: spec.SearchSpace, image_size: int, num_classes: int) -> list[LayerSlot]:
    """The pieces of `space` in order, the classifier last (without classes there is none)."""
    found: list[LayerSlot] = []
    size = image_size
    for slot in layer_slots(space, image_size):
        if isinstance(slot.layer, spec.Endpoint):
            continue
        size = operations.output_size(slot.layer, slot.input_size)
        if found and found[-1].block == slot.block and _is_fused(slot.layer):
            before = found.pop()
            found.append(dataclasses.replace(before, layer=(*before.layer, slot.layer)))
        else:
            found.append(dataclasses.replace(slot, layer=(slot.layer,)))
    if num_classes:
        classifier = LayerSlot(
            block=len(space.blocks),
            path="classifier",
            layer=(spec.Conv(1, batch_norm=False), spec.GlobalPool()),
            positions=(),
            inputs=found[-1].outputs,
            outputs=FilterCounts((num_classes,)),
            input_size=size,
        )
        found.append(classifier)
    return found


def unit_at(
    slot: LayerSlot, layers: tuple, input_option: int, output_option: int, base: int
) -> Unit:
    """The piece at `slot` once its choices are made.

    Args:
      slot: one of `unit_slots`.
      layers: those of the slot without choices.
      input_option, output_option: which of the slot's filter counts there are.
      base: of the space's filter counts.
    """
    input_filters = slot.inputs.options[input_option]
    filters = slot.outputs.options[output_option]
    resolved: list[Any] = []
    for layer in layers:
        before = filters if resolved else input_filters
        resolved.append(architecture_lib.resolve_layer(layer, before, filters, base))
    return Unit(tuple(resolved), input_filters, filters, slot.input_size)


def units_of(
    space: spec.SearchSpace, slots: Sequence[LayerSlot], indices: Sequence[int]
) -> list[Unit]:
    """The pieces of one architecture of `space`; `slots` are its `unit_slots`."""

    def option(counts: FilterCounts) -> Any:
        return 0 if counts.position is None else indices[counts.position]

    found = []
    for slot in slots:
        layers = traversal.prune(slot.layer, [indices[p] for p in slot.positions])
        inputs, outputs = option(slot.inputs), option(slot.outputs)
        found.append(unit_at(slot, layers, inputs, outputs, space.filter_base))
    return found
