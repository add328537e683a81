"""The places of a search space's layers: which choices decide what stands there.

A layer depends on its own choices, on the output filters of its block and on the
filters of its input. Cost tables, the supernet and the selection of a network all
walk these slots.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from tunas_tf.search_space import operations, spec, traversal

__all__ = ["FilterCounts", "LayerSlot", "layer_slots"]


@dataclasses.dataclass(frozen=True)
class FilterCounts:
    """The filter counts that are possible at one point of the tower.

    Attributes:
      options: the counts, in the order of the choice.
      position: the choice that decides, None if the count is fixed.
    """

    options: tuple[int, ...]
    position: int | None = None

    @property
    def largest(self) -> int:
        return max(self.options)


@dataclasses.dataclass(frozen=True)
class LayerSlot:
    """One layer of the tower, choices included.

    Attributes:
      block: index of its block.
      path: where it stands in the tree, the prefix of the paths of its choices.
      layer: the sub-tree.
      positions: its own choices, in traversal order.
      inputs, outputs: filter counts before and after it. Within a block both are the
        block's, and so are decided by the same choice.
      input_size: side of its input in pixels.
    """

    block: int
    path: str
    layer: Any
    positions: tuple[int, ...]
    inputs: FilterCounts
    outputs: FilterCounts
    input_size: int


def layer_slots(space: spec.SearchSpace, image_size: int = 224) -> Iterator[LayerSlot]:
    """The layers of `space` in order, for square images of side `image_size`."""
    position = 0
    inputs = FilterCounts((3,))
    size = image_size
    for block_index, block in enumerate(space.blocks):
        own_counts = [len(traversal.choices_of(layer)) for layer in block.layers]
        if isinstance(block.filters, spec.OneOf):
            outputs = FilterCounts(block.filters.choices, position + sum(own_counts))
        else:
            outputs = FilterCounts((block.filters,))
        for layer_index, (layer, num_own) in enumerate(zip(block.layers, own_counts)):
            yield LayerSlot(
                block=block_index,
                path=f"blocks/{block_index}/layers/{layer_index}",
                layer=layer,
                positions=tuple(range(position, position + num_own)),
                inputs=inputs,
                outputs=outputs,
                input_size=size,
            )
            position += num_own
            inputs = outputs
            size = operations.output_size(layer, size)
        if outputs.position is not None:
            position += 1
