"""Cost models that follow from the layers: multiply-adds, parameters, or your own counts."""

from collections.abc import Callable

from tunas_tf.cost_model import tables
from tunas_tf.cost_model.units import unit_at, unit_slots
from tunas_tf.search_space import arithmetic, spec

__all__ = ["analytic", "from_operations"]


def from_operations(
    name: str,
    unit: str,
    operations_cost: Callable[[list], float],
    space: spec.SearchSpace,
    image_size: int = 224,
    num_classes: int = 1001,
) -> tables.CostModel:
    """A cost that adds up over the pieces of a network, each priced by what it computes.

    Args:
      name, unit: of the cost model.
      operations_cost: the cost of one piece, a layer together with the activation or the pool
        that is fused to it, from its operations in order: `Convolution`, `Depthwise`,
        `Elementwise`, `Pool` of `tunas_tf.search_space.operations`. There are none in a layer
        that is left out.
      space: the search space.
      image_size: side of the square input images in pixels.
      num_classes: outputs of the classifier, which is a piece too; 0 leaves it out.
    """

    def entry_cost(slot, own, layers, input_option, output_option):
        piece = unit_at(slot, layers, input_option, output_option, space.filter_base)
        return operations_cost(piece.operations())

    slots = unit_slots(space, image_size, num_classes)
    compiled, bias = tables.compile_tables(space, slots, entry_cost)
    return tables.CostModel(name, unit, space, compiled, bias)


def analytic(
    quantity: str, space: spec.SearchSpace, image_size: int, num_classes: int
) -> tables.CostModel:
    """The number of multiply-adds ("madds") or of trainable parameters ("params").

    Args:
      quantity: a field of `arithmetic.Count`, also the name and unit of the cost model.
      space, image_size, num_classes: as for `from_operations`.
    """

    def quantity_of(operations: list) -> float:
        return getattr(arithmetic.operations_count(operations), quantity)

    return from_operations(quantity, quantity, quantity_of, space, image_size, num_classes)
