"""Cost models that follow from the definition of the layers: multiply-adds, parameters."""

import numpy as np

from tunas_tf.cost_model import tables
from tunas_tf.search_space import arithmetic, operations, spec
from tunas_tf.search_space.architecture import resolve_layer
from tunas_tf.search_space.slots import layer_slots

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

    def entry_cost(slot, own, layer, input_option, output_option):
        input_filters = slot.inputs.options[input_option]
        filters = slot.outputs.options[output_option]
        resolved = resolve_layer(layer, input_filters, filters, space.filter_base)
        count = arithmetic.layer_count(resolved, input_filters, filters, slot.input_size)
        return getattr(count, quantity)

    compiled, bias = tables.compile_tables(space, entry_cost, image_size)
    *_, last = layer_slots(space, image_size)
    size = operations.output_size(last.layer, last.input_size)
    counts = [
        arithmetic.classifier_count(filters, num_classes, size) for filters in last.outputs.options
    ]
    classifier = np.array([getattr(count, quantity) for count in counts], dtype=np.float64)
    if len(classifier) == 1:
        bias += float(classifier[0])
    else:
        compiled += (tables.Table((last.outputs.position,), classifier),)
    return tables.CostModel(quantity, quantity, space, compiled, bias)
