"""Finding a network in a search space: the inverse of `resolve`."""

import itertools

from tunas_tf.search_space import slots, spec, traversal
from tunas_tf.search_space.architecture import Architecture, resolve_layer

__all__ = ["locate"]


def locate(space: spec.SearchSpace, architecture: Architecture) -> tuple[int, ...] | None:
    """The first indices at which `space` holds the network, layer by layer; None if none do.

    `resolve(space, locate(space, architecture))` has the blocks of `architecture`. The name
    of the space that the network came from does not matter.
    """
    blocks = architecture.blocks
    if [len(block.layers) for block in blocks] != [len(block.layers) for block in space.blocks]:
        return None
    layer_slots = list(slots.layer_slots(space))
    if any(blocks[slot.block].filters not in slot.outputs.options for slot in layer_slots):
        return None

    choices = traversal.choices_of(space)
    indices = [0] * len(choices)
    for slot, placed in zip(layer_slots, architecture.layers()):
        if slot.outputs.position is not None:
            indices[slot.outputs.position] = slot.outputs.options.index(placed.filters)
        for own in itertools.product(*(range(choices[p].num_options) for p in slot.positions)):
            layer = traversal.prune(slot.layer, own)
            resolved = resolve_layer(layer, placed.input_filters, placed.filters, space.filter_base)
            if resolved == placed.layer:
                break
        else:
            return None
        for position, index in zip(slot.positions, own):
            indices[position] = index
    return tuple(indices)
