"""From measurements to a cost model, and how far it is off on networks that it has not seen."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.calibration.plan import Plan, key_of
from tunas_tf.cost_model import latency_fit, tables
from tunas_tf.cost_model.units import unit_at, unit_slots, units_of
from tunas_tf.search_space import spec
from tunas_tf.search_space.architecture import Architecture

__all__ = ["LatencyOf", "Validation", "fit_cost_model", "validate"]


# From a head to its latency in milliseconds.
LatencyOf = Callable[[Any], float]


@dataclasses.dataclass(frozen=True)
class Validation:
    """Measured and estimated latencies of networks that took no part in the fit.

    Attributes:
      measured_ms, estimated_ms: of each network.
    """

    measured_ms: tuple[float, ...]
    estimated_ms: tuple[float, ...]

    @property
    def r_squared(self) -> float:
        return latency_fit.r_squared(self.measured_ms, self.estimated_ms)

    @property
    def mean_absolute_percentage_error(self) -> float:
        """In percent."""
        return 100 * latency_fit.mean_absolute_percentage_error(self.measured_ms, self.estimated_ms)

    @property
    def rank_correlation(self) -> float:
        """Spearman's."""
        return latency_fit.rank_correlation(self.measured_ms, self.estimated_ms)

    def text(self) -> str:
        """The three figures in a line."""
        return (
            f"{len(self.measured_ms)} networks that took no part in the fit: R2 "
            f"{self.r_squared:.3f}, mean absolute error "
            f"{self.mean_absolute_percentage_error:.1f} %, rank correlation "
            f"{self.rank_correlation:.3f}"
        )

    def to_json(self) -> dict[str, Any]:
        ranks = self.rank_correlation
        return {
            "r_squared": self.r_squared,
            "mean_absolute_percentage_error": self.mean_absolute_percentage_error,
            # Of networks that all cost the same there is none, and JSON has no NaN.
            "rank_correlation": None if math.isnan(ranks) else ranks,
            **dataclasses.asdict(self),
        }


def _measured(networks: Sequence[Architecture], log: MeasurementLog, num_passes: int):
    return np.array([log.latency_ms(key_of(network), num_passes) for network in networks])


class _Correction(NamedTuple):
    """From pieces measured alone to a network: scale * sum - overhead_ms * pieces + bias_ms."""

    scale: float
    overhead_ms: float
    bias_ms: float


def _correction(sums: np.ndarray, num_pieces: np.ndarray, measured: np.ndarray) -> _Correction:
    """The correction with the least relative error; none of its three numbers is negative."""
    rows = np.stack([sums, -num_pieces, np.ones_like(sums)], axis=1) / measured[:, None]
    return _Correction(*scipy.optimize.nnls(rows, np.ones_like(measured))[0].tolist())


def fit_cost_model(
    name: str,
    space: spec.SearchSpace,
    plan: Plan,
    log: MeasurementLog,
    *,
    image_size: int,
    num_classes: int,
    num_passes: int,
    head_cost: Callable[[LatencyOf], tables.CostModel] | None = None,
) -> tables.CostModel:
    """Tables of latencies, in milliseconds.

    A piece costs what was measured, or is predicted by the fit to what was measured. The sum
    over the pieces is then corrected by the measured latencies of the plan's `fit_networks`: in
    a network a piece finds its input in the cache, and is no run of its own.

    Args:
      name: of the cost model.
      space: the search space.
      plan, log: what was measured, all of it.
      image_size, num_classes: of the networks; no classes where their head is no piece.
      num_passes: looks at each subject.
      head_cost: from the latency of every head of the plan to the cost model of the heads alone,
        for the same space. None if the plan has no heads.
    """
    fit = latency_fit.LatencyFit(
        {unit: log.latency_ms(key_of(unit), num_passes) for unit in plan.units}
    )
    predictions: dict = {}

    def latency_ms(slot, own, layers, input_option, output_option):
        unit = unit_at(slot, layers, input_option, output_option, space.filter_base)
        if unit not in predictions:
            predictions[unit] = fit.predict_ms(unit)
        return predictions[unit]

    slots = unit_slots(space, image_size, num_classes)
    fit_indices = [network.indices for network in plan.fit_networks]
    pieces = [
        [unit for unit in units_of(space, slots, indices) if unit.operations()]
        for indices in fit_indices
    ]
    sums = np.array([sum(map(fit.predict_ms, units)) for units in pieces])
    num_pieces = np.array([len(units) for units in pieces], np.float64)
    heads = None
    if head_cost is not None:
        heads = head_cost(lambda head: log.latency_ms(key_of(head), num_passes))
        sums += heads.cost(fit_indices)
        num_pieces += 1
    scale, overhead_ms, bias_ms = _correction(
        sums, num_pieces, _measured(plan.fit_networks, log, num_passes)
    )

    def entry_cost(*entry):
        latency = latency_ms(*entry)
        # Only a piece that computes nothing takes no time.
        return round(scale * latency - overhead_ms, 6) if latency else 0.0

    compiled, bias = tables.compile_tables(space, slots, entry_cost, bias_ms)
    if heads is not None:
        bias += scale * heads.bias - overhead_ms
        compiled += tuple(
            tables.Table(table.positions, np.round(scale * table.values, 6))
            for table in heads.tables
        )
    return tables.CostModel(name, "ms", space, compiled, round(bias, 6), image_size)


def validate(
    cost_model: tables.CostModel, plan: Plan, log: MeasurementLog, num_passes: int
) -> Validation:
    """Compares the cost model with the plan's `validation_networks`."""
    networks = plan.validation_networks
    return Validation(
        tuple(_measured(networks, log, num_passes).tolist()),
        tuple(cost_model.cost([network.indices for network in networks]).tolist()),
    )
