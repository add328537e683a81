"""Cost models: what an architecture costs on a device, as a sum of tables. No TensorFlow.

`tensorflow_evaluator` holds the one module that needs it.
"""

from tunas_tf.cost_model.analytic import from_operations
from tunas_tf.cost_model.files import save
from tunas_tf.cost_model.lookup import (
    NAMES,
    architecture_cost,
    default_name,
    get,
    ignored_inputs,
)
from tunas_tf.cost_model.tables import CostModel, Table

__all__ = [
    "NAMES",
    "CostModel",
    "Table",
    "architecture_cost",
    "default_name",
    "from_operations",
    "get",
    "ignored_inputs",
    "save",
]
