"""From measurements to a cost model, and how far it is off on networks that it has not seen."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.calibration.plan import Plan, key_of
from tunas_tf.calibration.validation import Validation
from tunas_tf.cost_model import latency_fit, tables
from tunas_tf.cost_model.units import unit_at, unit_slots, units_of
from tunas_tf.search_space import spec
from tunas_tf.search_space.architecture import Architecture

__all__ = ["Fit", "LatencyOf", "fit_cost_model", "validate"]


# From a head to its latency in milliseconds.
LatencyOf = Callable[[Any], float]

# Of a fit and a new look at which pieces cost something; two or three are enough as a rule.
_MAX_ROUNDS = 10


class Fit(NamedTuple):
    """A cost model, and what became of the pieces in it.

    Attributes:
      cost_model: in milliseconds.
      scale: what the latency of a piece alone is multiplied by.
      num_raised: pieces that would cost less than nothing, and cost 0.
    """

    cost_model: tables.CostModel
    scale: float
    num_raised: int


def _measured(networks: Sequence[Architecture], log: MeasurementLog, num_passes: int):
    return np.array([log.latency_ms(key_of(network), num_passes) for network in networks])


class _Correction(NamedTuple):
    """From pieces measured alone to a network: scale * sum - overhead_ms * pieces + bias_ms."""

    scale: float
    overhead_ms: float
    bias_ms: float


def _correction(pieces_ms: Sequence[np.ndarray], measured: np.ndarray) -> _Correction:
    """The correction with the least relative error; none of its three numbers is negative.

    Args:
      pieces_ms: of each network, the latencies of its pieces alone.
      measured: [networks] their latencies.
    """
    correction = _Correction(1.0, 0.0, 0.0)
    for _ in range(_MAX_ROUNDS):
        scale, overhead_ms, _ = correction
        # The others will cost 0: what they would be below it is not to be fitted.
        counted = [pieces[scale * pieces >= overhead_ms] for pieces in pieces_ms]
        rows = np.array([[pieces.sum(), -len(pieces), 1.0] for pieces in counted])
        solution, _ = scipy.optimize.nnls(rows / measured[:, None], np.ones_like(measured))
        before, correction = correction, _Correction(*solution.tolist())
        if correction == before:
            break
    return correction


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
) -> Fit:
    """Tables of latencies, in milliseconds.

    A piece costs what was measured, or is predicted by the fit to what was measured. The sum
    over the pieces is then corrected by the measured latencies of the plan's `fit_networks`: in
    a network a piece finds its input in the cache, and is no run of its own. No piece costs less
    than 0, or a network would get faster by a layer more.

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
    latency_ms = functools.cache(fit.predict_ms)
    slots = unit_slots(space, image_size, num_classes)
    fit_indices = [network.indices for network in plan.fit_networks]
    pieces_ms = [
        np.array([latency_ms(unit) for unit in units_of(space, slots, each) if unit.operations()])
        for each in fit_indices
    ]
    heads = None
    if head_cost is not None:
        heads = head_cost(lambda head: log.latency_ms(key_of(head), num_passes))
        pieces_ms = [np.append(*pair) for pair in zip(pieces_ms, heads.cost(fit_indices))]
    scale, overhead_ms, bias_ms = _correction(
        pieces_ms, _measured(plan.fit_networks, log, num_passes)
    )
    raised: set[Any] = set()

    def corrected(piece: Any, latency: float) -> float:
        cost = scale * latency - overhead_ms
        if cost < 0:
            raised.add(piece)
        return max(0.0, round(cost, 6))

    def entry_cost(slot, own, layers, input_option, output_option):
        unit = unit_at(slot, layers, input_option, output_option, space.filter_base)
        latency = latency_ms(unit)
        # Only a piece that computes nothing takes no time.
        return corrected(unit, latency) if latency else 0.0

    compiled, bias = tables.compile_tables(space, slots, entry_cost, bias_ms)
    if heads is not None:
        bias += corrected("head", heads.bias)
        compiled += tuple(
            tables.Table(table.positions, np.round(scale * table.values, 6))
            for table in heads.tables
        )
    model = tables.CostModel(name, "ms", space, compiled, round(bias, 6), image_size)
    return Fit(model, scale, len(raised))


def validate(fit: Fit, plan: Plan, log: MeasurementLog, num_passes: int) -> Validation:
    """Compares the cost model with the plan's `validation_networks`."""
    networks = plan.validation_networks
    measured = _measured(plan.networks, log, num_passes)
    return Validation(
        measured_ms=tuple(_measured(networks, log, num_passes).tolist()),
        estimated_ms=tuple(fit.cost_model.cost([each.indices for each in networks]).tolist()),
        has_reference=plan.has_reference,
        range_ms=(float(measured.min()), float(measured.max())),
        scale=fit.scale,
        num_raised=fit.num_raised,
    )
