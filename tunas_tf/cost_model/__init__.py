"""Cost models: what an architecture costs on a device, as a sum of tables. No TensorFlow.

`tensorflow_evaluator` holds the one module that needs it.
"""

from tunas_tf.common.errors import InputError
from tunas_tf.cost_model.analytic import analytic
from tunas_tf.cost_model.published import pixel1
from tunas_tf.cost_model.tables import CostModel, Table
from tunas_tf.search_space import registry, spec
from tunas_tf.search_space.architecture import Architecture, resolve

__all__ = ["NAMES", "CostModel", "Table", "architecture_cost", "get", "ignored_inputs"]

# Name of each cost model: the arguments of `get` that it does not depend on.
_IGNORED_INPUTS = {
    "pixel1": ("image_size", "num_classes"),
    "madds": (),
    "params": ("image_size",),
}
NAMES = tuple(_IGNORED_INPUTS)


def ignored_inputs(name: str) -> tuple[str, ...]:
    """Which of "image_size" and "num_classes" make no difference to the cost model `name`."""
    if name not in NAMES:
        raise InputError(f"there is no cost model {name!r}; use one of {', '.join(NAMES)}.")
    return _IGNORED_INPUTS[name]


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
    ignored_inputs(name)  # Raises InputError for an unknown name.
    return pixel1(space) if name == "pixel1" else analytic(name, space, image_size, num_classes)


def architecture_cost(
    name: str, architecture: Architecture, image_size: int = 224, num_classes: int = 1001
) -> tuple[float, str]:
    """The cost of one network, and its unit. Arguments as for `get`.

    Multiply-adds and parameters follow from the network alone. A published model has
    figures for the choices of a space, which must still hold the network.
    """
    if name != "pixel1":
        network = spec.SearchSpace(architecture.ssd, architecture.blocks)  # A space of one.
        model = get(name, network, image_size, num_classes)
        return float(model.cost(())), model.unit
    space = registry.get(architecture.ssd)
    model = pixel1(space)
    if resolve(space, architecture.indices) != architecture:
        raise InputError(
            f"the cost model {name} knows the networks of {space.name} with filters multiplier "
            "1, and this network is none of them; use --cost_model=madds or params."
        )
    return float(model.cost(architecture.indices)), model.unit
