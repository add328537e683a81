"""Calibration against a device whose latencies are known by a formula."""

import dataclasses
import json
import os

import numpy as np
import pytest

from tunas_tf import search_space
from tunas_tf.calibration import fitting, measuring, plan
from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import latency_fit, units
from tunas_tf.export.latency import summarize
from tunas_tf.search_space import operations

SETTINGS = {"device": "imaginary", "image_size": 224}


def formula_ms(operation) -> float:
    """What one operation takes on an imaginary device: rates differ by its kind, and by size."""
    if isinstance(operation, operations.Convolution):
        madds = operation.kernel_size**2 * operation.size**2
        madds *= operation.input_filters * operation.filters
        slow = 1.0 if operation.size > 14 else 1.3  # What no feature of the fit says.
        return 0.004 + slow * madds / 30e6 + operation.input_filters * operation.filters / 4e7
    if isinstance(operation, operations.Depthwise):
        values = operation.size**2 * operation.filters
        return 0.003 + values * (0.5 + operation.kernel_size**2 / 20) / 8e6
    if isinstance(operation, operations.Pool):
        return 0.002 + operation.input_size**2 * operation.filters / 2e7
    if operation.kind == "relu":
        return 0.0
    return 0.001 + operation.size**2 * operation.filters / 3e7


def unit_ms(unit) -> float:
    return sum(map(formula_ms, unit.operations()))


def network_ms(space, indices, overhead_ms=0.0) -> float:
    """In a network everything takes 0.9 of the time without its overhead, and a run 0.2 ms."""
    slots = units.unit_slots(space, 224, 1001)
    pieces = [unit_ms(unit) for unit in units.units_of(space, slots, indices)]
    return 0.2 + sum(max(0.0, 0.9 * piece - overhead_ms) for piece in pieces)


def calibrate(ssd, max_units, path, noise=0.0, overhead_ms=0.0):
    space = search_space.get(ssd)
    chosen = plan.make_plan(space, 224, 1001, max_units, 12, 24, seed=0)
    log = MeasurementLog(str(path), SETTINGS)
    generator = np.random.default_rng(1)
    for number in range(2):
        for unit in chosen.units:
            factor = np.exp(noise * generator.normal())
            log.append(plan.key_of(unit), number, unit_ms(unit) * factor)
        for network in chosen.networks:
            factor = np.exp(noise * generator.normal())
            latency_ms = network_ms(space, network.indices, overhead_ms)
            log.append(plan.key_of(network), number, latency_ms * factor)
    fit = fitting.fit_cost_model(
        "imaginary", space, chosen, log, image_size=224, num_classes=1001, num_passes=2
    )
    return space, chosen, fit, fitting.validate(fit, chosen, log, 2)


def test_all_pieces_measured_gives_the_exact_latency(tmp_path):
    space, chosen, fit, validation = calibrate("proxylessnas_search", 10**6, tmp_path / "log.jsonl")
    # By hand: 5 blocks of 6 first and 6 further bottlenecks, 6 in the last, 3 separable
    # convolutions, stem, head and classifier.
    assert chosen.num_possible_units == len(chosen.units) == 5 * 12 + 6 + 3 + 3
    generator = np.random.default_rng(5)
    num_options = [choice.num_options for choice in search_space.choices_of(space)]
    for _ in range(5):
        indices = generator.integers(num_options)
        expected = network_ms(space, indices)
        assert float(fit.cost_model.cost(indices)) == pytest.approx(expected, rel=1e-3)
    assert fit.scale == pytest.approx(0.9, rel=1e-3) and fit.num_raised == 0
    assert validation.r_squared > 0.999
    assert validation.mean_absolute_percentage_error < 0.1
    assert validation.rank_correlation > 0.99
    assert validation.warning is None


def test_no_piece_costs_less_than_nothing(tmp_path):
    """Pieces that take less alone than each has of overhead take no time in a network."""
    overhead_ms = 0.6
    space, chosen, fit, validation = calibrate(
        "proxylessnas_search", 10**6, tmp_path / "log.jsonl", overhead_ms=overhead_ms
    )
    below = [unit for unit in chosen.units if 0.9 * unit_ms(unit) < overhead_ms]
    assert 5 < len(below) == fit.num_raised < len(chosen.units) - 5
    assert validation.num_raised == fit.num_raised and validation.scale == fit.scale
    assert min(float(table.values.min()) for table in fit.cost_model.tables) == 0
    # Those above it have their exact latency all the same.
    for indices in (network.indices for network in chosen.validation_networks):
        expected = network_ms(space, indices, overhead_ms)
        assert float(fit.cost_model.cost(indices)) == pytest.approx(expected, rel=1e-3)


def test_the_validation_knows_the_reference_network_and_the_range(tmp_path):
    space, chosen, fit, validation = calibrate(
        "proxylessnas_search", 40, tmp_path / "log.jsonl", noise=0.05
    )
    log = MeasurementLog(str(tmp_path / "log.jsonl"), SETTINGS)
    reference = search_space.resolve(space, space.reference_indices)
    measured = log.latency_ms(plan.key_of(reference), 2)
    estimated = float(fit.cost_model.cost(space.reference_indices))
    assert (validation.measured_ms[0], validation.estimated_ms[0]) == (measured, estimated)
    assert validation.reference_error_percent == pytest.approx(100 * (estimated / measured - 1))
    latencies = [log.latency_ms(plan.key_of(network), 2) for network in chosen.networks]
    assert validation.range_ms == (min(latencies), max(latencies))
    swapped = dataclasses.replace(
        chosen,
        fit_networks=chosen.validation_networks,
        validation_networks=chosen.fit_networks,
    )
    assert fitting.validate(fit, swapped, log, 2).range_ms == validation.range_ms


@pytest.mark.parametrize("ssd", ["proxylessnas_enlarged_search", "mobilenet_v3_like_search"])
def test_a_part_of_the_pieces_predicts_the_others(ssd, tmp_path):
    _, chosen, fit, validation = calibrate(ssd, 400, tmp_path / "log.jsonl", noise=0.05)
    assert chosen.num_possible_units > 4 * len(chosen.units) == 1600
    assert validation.r_squared > 0.97
    assert validation.mean_absolute_percentage_error < 5
    assert fit.cost_model.unit == "ms" and fit.cost_model.image_size == 224


def test_fit_is_exact_for_latencies_of_its_own_form():
    space = search_space.get("proxylessnas_search")
    pieces = plan.all_units(units.unit_slots(space, 224, 1001), 8)

    def latency_ms(unit):
        madds = [
            o.size**2 * o.input_filters * o.filters
            for o in unit.operations()
            if isinstance(o, operations.Convolution) and o.kernel_size == 1
        ]
        return 0.01 + sum(madds) / 1e7

    measured = pieces[::2]
    fit = latency_fit.LatencyFit({unit: latency_ms(unit) for unit in measured})
    others = [unit for unit in pieces[1::2] if len(unit.layers) == 1 and len(unit.operations()) > 4]
    errors = [abs(fit.predict_ms(unit) / latency_ms(unit) - 1) for unit in others]
    assert len(errors) > 20 and np.median(errors) < 0.05
    assert fit.predict_ms(measured[0]) == latency_ms(measured[0])


def test_statistics_by_hand():
    actual, predicted = [1.0, 2.0, 3.0, 4.0], [1.1, 1.8, 3.0, 4.4]
    # Residuals 0.01 + 0.04 + 0 + 0.16 = 0.21; around the mean 2.5: 5.
    assert latency_fit.r_squared(actual, predicted) == pytest.approx(1 - 0.21 / 5)
    assert latency_fit.mean_absolute_percentage_error(actual, predicted) == pytest.approx(
        (0.1 + 0.1 + 0.0 + 0.1) / 4
    )
    # Ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15).
    assert latency_fit.rank_correlation(actual, [1, 3, 2, 4]) == pytest.approx(0.8)


class CountingBackend:
    """Answers with the size of the model; stops after some models, as if it was killed."""

    def __init__(self, stop_after=10**9):
        self.measured = 0
        self.stop_after = stop_after

    def measure(self, paths, num_runs, num_warmup_runs):
        if self.measured >= self.stop_after:
            raise KeyboardInterrupt
        self.measured += len(paths)
        sizes = [os.path.getsize(path) / 1e9 for path in paths]
        return [summarize([size] * num_runs, num_warmup_runs, 1) for size in sizes]


@pytest.mark.slow
def test_an_interrupted_calibration_continues(tmp_path):
    space = search_space.get("quickstart_search")
    chosen = plan.make_plan(space, 32, 10, 30, 3, 5, seed=0)
    path = str(tmp_path / "log.jsonl")
    task = measuring.Classification(image_size=32, num_classes=10)
    arguments = {
        "task": task, "quantize": "none", "num_runs": 3, "num_warmup_runs": 1, "num_passes": 2,
        "say": lambda line: None,
    }  # fmt: skip
    first = CountingBackend(stop_after=25)
    with pytest.raises(KeyboardInterrupt):
        measuring.measure_plan(chosen, first, MeasurementLog(path, SETTINGS), **arguments)
    log = MeasurementLog(path, SETTINGS)
    assert len(log) == first.measured
    second = CountingBackend()
    measuring.measure_plan(chosen, second, log, **arguments)
    assert first.measured + second.measured == len(log) == 2 * (len(chosen.units) + 8)
    third = CountingBackend()
    measuring.measure_plan(chosen, third, MeasurementLog(path, SETTINGS), **arguments)
    assert third.measured == 0
    # What was measured were real exports: a model with more weights is larger.
    sizes = [log.latency_ms(plan.key_of(network), 2) for network in chosen.networks]
    params = [
        sum(int(np.prod(v.shape)) for v in measuring.models.build_classifier(n, 10).weights)
        for n in chosen.networks
    ]
    assert latency_fit.rank_correlation(sizes, params) > 0.9
    # The temporary files are about as large as was said before.
    megabytes = measuring.disk_megabytes(chosen, task)
    subjects = (*chosen.units, *chosen.networks)
    on_disk = sum(log.latency_ms(plan.key_of(subject), 2) for subject in subjects)
    assert on_disk == pytest.approx(megabytes, rel=0.5)


def test_measurements_survive_a_cut_line(tmp_path):
    path = tmp_path / "log.jsonl"
    log = MeasurementLog(str(path), SETTINGS)
    log.append("a", 0, 1.0)
    log.append("a", 1, 3.0)
    log.append("a", 2, 8.0)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"key": "b", "pass_nu')
    log = MeasurementLog(str(path), SETTINGS)
    assert len(log) == 3 and not log.has("b", 0) and log.latency_ms("a", 3) == 1.0
    log.append("b", 0, 2.0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1] == {"key": "b", "pass_number": 0, "latency_ms": 2.0} and len(lines) == 5


def test_measurements_of_something_else_are_refused(tmp_path):
    path = str(tmp_path / "log.jsonl")
    MeasurementLog(path, SETTINGS)
    with pytest.raises(InputError, match="device=imaginary, now it is another"):
        MeasurementLog(path, {**SETTINGS, "device": "another"})
    (tmp_path / "other.jsonl").write_text("hello\n")
    with pytest.raises(InputError, match="no file of measurements"):
        MeasurementLog(str(tmp_path / "other.jsonl"), SETTINGS)
