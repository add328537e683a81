"""Predicts the latency of pieces of networks from measurements of others like them.

A piece is a list of primitive operations (`search_space.operations`). Its predicted latency
is a sum over them, linear in quantities that a runtime's work is made of:

    latency = sum over operations o of  w[class of o] . (1, work, bytes in, bytes out, weights)

with weights w >= 0 for every class of operation (its kind, kernel and stride), found by
non-negative least squares on relative errors. What is left over is smooth along a layer's
filters and expansion: it is averaged over the measured pieces that are nearest.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.optimize
import scipy.stats
from numpy.typing import ArrayLike

from tunas_tf.cost_model.units import Unit
from tunas_tf.search_space import operations

__all__ = [
    "LatencyFit",
    "family",
    "mean_absolute_percentage_error",
    "r_squared",
    "rank_correlation",
]

# Runtimes compute whole vectors of channels.
_VECTOR = 16

# Measured neighbours that a remainder is averaged over.
_NEIGHBOURS = 8

# Activations that are part of the convolution before them.
_FUSED = ("relu", "relu6")


def _rounded(filters: int) -> int:
    return -(-filters // _VECTOR) * _VECTOR


def _operation_features(operation) -> dict[tuple, float]:
    """(class, quantity) -> amount, in thousands where it counts numbers."""
    kind: tuple
    if isinstance(operation, operations.Convolution):
        kind = ("convolution", operation.kernel_size, operation.strides)
        inputs = operation.input_filters * operation.input_size**2
        outputs = operation.filters * operation.size**2
        weights = operation.kernel_size**2 * operation.input_filters * operation.filters
        work = weights * operation.size**2
        padded = weights / operation.filters * _rounded(operation.filters) * operation.size**2
        amounts = {"work": work, "padded": padded, "weights": weights}
    elif isinstance(operation, operations.Depthwise):
        kind = ("depthwise", operation.kernel_size, operation.strides)
        inputs = operation.filters * operation.input_size**2
        outputs = operation.filters * operation.size**2
        amounts = {"work": operation.kernel_size**2 * outputs}
    elif isinstance(operation, operations.Pool):
        kind = ("pool",)
        inputs, outputs, amounts = operation.filters * operation.input_size**2, 0, {}
    elif operation.kind in _FUSED:
        return {}
    else:
        kind = (operation.kind,)
        inputs, outputs, amounts = 0, operation.filters * operation.size**2, {}
    amounts = {"once": 1e3, "inputs": inputs, "outputs": outputs, **amounts}
    return {(kind, name): amount / 1e3 for name, amount in amounts.items() if amount}


def _features(unit: Unit) -> dict[tuple, float]:
    total: dict[tuple, float] = {}
    for operation in unit.operations():
        for name, amount in _operation_features(operation).items():
            total[name] = total.get(name, 0.0) + amount
    return total


def family(unit: Unit) -> tuple:
    """Pieces of one family differ in filter counts only."""
    signature = []
    for operation in unit.operations():
        fields = vars(operation)
        signature.append(
            (
                type(operation).__name__,
                *tuple(fields[n] for n in sorted(fields) if "filters" not in n),
            )
        )
    return tuple(signature)


def _position(unit: Unit) -> np.ndarray:
    """Logarithms of the filter counts inside a piece: where it stands in its family."""
    counts = [
        value
        for operation in unit.operations()
        for name, value in sorted(vars(operation).items())
        if "filters" in name
    ]
    return np.log(np.array(counts, np.float64))


class LatencyFit:
    """Latencies of measured pieces, and predictions for all others."""

    def __init__(self, measured_ms: Mapping[Unit, float]):
        """
        Args:
          measured_ms: latency of every measured piece, all above 0.
        """
        self._measured_ms = dict(measured_ms)
        units = list(measured_ms)
        latencies = np.array([measured_ms[unit] for unit in units])
        rows = [_features(unit) for unit in units]
        self._names = sorted({name for row in rows for name in row}, key=repr)
        matrix = self._matrix(rows)
        # In relative errors; columns scaled to one size, for the solver's sake.
        scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12)
        weights, _ = scipy.optimize.nnls(
            matrix / scale / latencies[:, None], np.ones(len(units)), maxiter=100 * len(scale)
        )
        self._weights = weights / scale
        self._families: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
        ratios = np.log(latencies / np.maximum(matrix @ self._weights, 1e-9))
        families: dict[tuple, list[int]] = {}
        for index, unit in enumerate(units):
            families.setdefault(family(unit), []).append(index)
        for name, members in families.items():
            positions = np.stack([_position(units[i]) for i in members])
            self._families[name] = positions, ratios[members]

    def _matrix(self, rows: Sequence[dict[tuple, float]]) -> np.ndarray:
        return np.array([[row.get(name, 0.0) for name in self._names] for row in rows])

    def predict_ms(self, unit: Unit) -> float:
        """Latency as measured, else as predicted; 0 for a piece that computes nothing."""
        if not unit.operations():
            return 0.0
        if unit in self._measured_ms:
            return self._measured_ms[unit]
        linear = float((self._matrix([_features(unit)]) @ self._weights)[0])
        if family(unit) not in self._families:
            return linear
        positions, ratios = self._families[family(unit)]
        squares = np.sum((positions - _position(unit)) ** 2, axis=1)
        nearest = np.argsort(squares)[:_NEIGHBOURS]
        # A prior towards no remainder, as strong as a neighbour at a distance of one half.
        closeness = 1.0 / (squares[nearest] + 0.02)
        remainder = np.sum(closeness * ratios[nearest]) / (np.sum(closeness) + 4.0)
        return linear * math.exp(remainder)


def r_squared(actual: ArrayLike, predicted: ArrayLike) -> float:
    """1 - residual variance / variance of the actual values, [n] each."""
    truth = np.asarray(actual, np.float64)
    residuals = truth - np.asarray(predicted, np.float64)
    return 1.0 - float(np.sum(residuals**2) / np.sum((truth - truth.mean()) ** 2))


def mean_absolute_percentage_error(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean of |predicted / actual - 1|, as a fraction."""
    return float(np.mean(np.abs(np.asarray(predicted) / np.asarray(actual) - 1.0)))


def rank_correlation(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Spearman's: the correlation of the ranks."""
    return float(scipy.stats.spearmanr(actual, predicted).statistic)
