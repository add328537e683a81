"""A cost model inside a TensorFlow graph: one gather for all tables."""

import numpy as np
import tensorflow as tf

from tunas_tf.cost_model.tables import CostModel
from tunas_tf.search_space import traversal

__all__ = ["TensorFlowCostModel"]


def _pad(rows, fill: int) -> np.ndarray:
    """[rows, longest row] int32, short rows filled up."""
    width = max(len(row) for row in rows)
    return np.array([list(row) + [fill] * (width - len(row)) for row in rows], dtype=np.int32)


class TensorFlowCostModel:
    """Evaluates a `CostModel` on tensors; agrees with its NumPy evaluation to 1e-4 of the cost.

    All tables lie behind each other in one vector. An architecture selects one entry per
    table; a mask weighs every entry by the product of the masks of its choices.
    """

    def __init__(self, cost_model: CostModel):
        self.cost_model = cost_model
        num_choices = len(traversal.choices_of(cost_model.space))
        max_options = max(
            (choice.num_options for choice in traversal.choices_of(cost_model.space)), default=1
        )
        self._bias = cost_model.bias
        self._num_tables = len(cost_model.tables)
        if not self._num_tables:
            return
        offsets = np.cumsum([0] + [table.values.size for table in cost_model.tables[:-1]])
        strides = [
            [int(np.prod(table.values.shape[axis + 1 :])) for axis in range(table.values.ndim)]
            for table in cost_model.tables
        ]
        self._offsets = offsets.astype(np.int32)  # [tables]
        self._positions = _pad([table.positions for table in cost_model.tables], 0)
        self._strides = _pad(strides, 0)  # [tables, widest scope]; stride 0 ignores the padding.
        self._values = np.concatenate([table.values.ravel() for table in cost_model.tables]).astype(
            np.float32
        )

        # For masks: where in the flattened [choices, options] matrix, with a 1 appended, the
        # factors of each entry stand.
        factors = []
        for table in cost_model.tables:
            for entry in np.ndindex(*table.values.shape):
                factors.append(
                    [p * max_options + option for p, option in zip(table.positions, entry)]
                )
        self._factors = _pad(factors, num_choices * max_options)  # [entries, widest scope]

    def cost(self, indices: tf.Tensor) -> tf.Tensor:
        """Costs of architectures: int32 [..., choices] -> float32 [...]."""
        if not self._num_tables:
            return tf.fill(tf.shape(indices)[:-1], tf.constant(self._bias, tf.float32))
        selected = tf.gather(indices, self._positions, axis=-1)  # [..., tables, scope]
        entries = self._offsets + tf.reduce_sum(selected * self._strides, axis=-1)
        return self._bias + tf.reduce_sum(tf.gather(self._values, entries), axis=-1)

    def expected_cost(self, masks: tf.Tensor) -> tf.Tensor:
        """Cost under masks or probabilities: float32 [choices, options] -> float32 [].

        Multilinear in the rows, so it is the exact mean cost of the controller's
        distribution, and the cost of a warmup sample.
        """
        if not self._num_tables:
            return tf.constant(self._bias, tf.float32)
        flat = tf.concat([tf.reshape(masks, [-1]), [1.0]], axis=0)
        weights = tf.reduce_prod(tf.gather(flat, self._factors), axis=-1)  # [entries]
        return self._bias + tf.reduce_sum(weights * self._values)
