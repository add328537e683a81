"""Cost models that follow from the definition of the layers: multiply-adds, parameters."""

from tunas_tf.cost_model import tables
from tunas_tf.cost_model.units import unit_at, unit_slots
from tunas_tf.search_space import arithmetic, spec

__all__ = ["analytic"]


def analytic(
    quantity: str, space: spec.SearchSpace, image_size: int, num_classes: int
) -> tables.CostModel:
    """The number of multiply-adds ("madds") or of trainable parameters ("params").

    Args:
      quantity: a field of `arithmetic.Count`, also the name and unit of the cost model.
      space: the search space.
      image_size: side of the square input images in pixels.
      num_classes: outputs of the classifier.
    """

    def entry_cost(slot, own, layers, input_option, output_option):
        unit = unit_at(slot, layers, input_option, output_option, space.filter_base)
        return getattr(arithmetic.operations_count(unit.operations()), quantity)

    slots = unit_slots(space, image_size, num_classes)
    compiled, bias = tables.compile_tables(space, slots, entry_cost)
    return tables.CostModel(quantity, quantity, space, compiled, bias)
