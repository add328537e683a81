"""Cost models: what an architecture costs on a device, as a sum of tables. No TensorFlow.

`tensorflow_evaluator` holds the one module that needs it.
"""

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model.analytic import analytic
from tunas_tf.cost_model.published import pixel1
from tunas_tf.cost_model.tables import CostModel, Table
from tunas_tf.search_space import spec

__all__ = ["NAMES", "CostModel", "Table", "get"]

NAMES = ("pixel1", "madds", "params")


def get(
    name: str, space: spec.SearchSpace, image_size: int = 224, num_classes: int = 1001
) -> CostModel:
    """The cost model `name` for `space`.

    Args:
      name: "pixel1" (published latency in ms; its resolution is fixed), "madds" or "params".
      space: the search space, already scaled by the filters multiplier.
      image_size: side of the input images in pixels, for multiply-adds.
      num_classes: outputs of the classifier, for multiply-adds and parameters.
    """
    if name == "pixel1":
        return pixel1(space)
    if name in ("madds", "params"):
        return analytic(name, space, image_size, num_classes)
    raise InputError(f"there is no cost model {name!r}; use one of {', '.join(NAMES)}.")
