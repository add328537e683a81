"""Calibration for detectors, against a device whose latencies are known by a formula."""

import dataclasses
import types

import detector_spaces
import numpy as np
import pytest

from object_detection import cost_model, modeling
from object_detection.cost_model.calibration import DetectionTask, heads_of
from tunas_tf.calibration import calibration_job, measuring, plan
from tunas_tf.export.conversion import convert
from tunas_tf.export.latency import Provenance, summarize
from tunas_tf.export.runtime import TFLiteFunction
from tunas_tf.search_space import resolve

_SIZES = (detector_spaces.IMAGE_SIZE, detector_spaces.NUM_CLASSES)
_DEFINITIONS = [modeling.define("ssdlite"), modeling.define("retinanet", num_filters=8)]


def _settings(directory, **changes):
    return calibration_job.CalibrationSettings(
        **{
            "stem": str(directory / "mine"),
            "name": "mine",
            "quantize": "none",
            "max_units": 1000,
            "num_fit_networks": 12,
            "num_validation_networks": 10,
            "num_runs": 1,
            "num_warmup_runs": 1,
            "num_passes": 1,
            "seed": 0,
            "command": "calibrate",
            "say": lambda line: None,
            **changes,
        }
    )


def _backend(measure):
    provenance = Provenance(
        backend="local", device="imaginary", abi="none", operating_system="none",
        runtime="none", num_threads=1, date="today",
    )  # fmt: skip
    return types.SimpleNamespace(provenance=provenance, measure=measure)


@pytest.mark.parametrize("definition", _DEFINITIONS, ids=lambda definition: definition.name)
def test_the_cost_model_is_that_of_whole_detectors(definition, tmp_path, monkeypatch):
    """All pieces and heads are measured: every detector of the space has its exact latency."""
    space = dataclasses.replace(detector_spaces.space(), reference_indices=(0, 1) * 4)
    trimmed = modeling.trim(space, definition.input_levels)
    task = DetectionTask(definition, *_SIZES)

    def measure_by_formula(to_measure, backend, log, task, **settings):
        for subject in to_measure.pieces + to_measure.networks:
            milliseconds = detector_spaces.latency_ms(subject, definition)
            log.append(plan.key_of(subject), 0, milliseconds)

    monkeypatch.setattr(measuring, "measure_plan", measure_by_formula)
    validation = calibration_job.calibrate(
        _settings(tmp_path), trimmed, 0, task, _backend(None), heads_of(task, trimmed)
    )
    assert validation.mean_absolute_percentage_error < 0.1
    reference = resolve(trimmed, trimmed.reference_indices)
    expected = detector_spaces.latency_ms(reference, definition)
    assert validation.measured_ms[0] == expected
    assert validation.reference_error_percent == pytest.approx(0, abs=0.1)
    model = cost_model.get(str(tmp_path / "mine.json"), definition, space, *_SIZES)
    assert model.unit == "ms" and model.image_size == 64
    for indices in np.random.default_rng(1).integers(2, size=(5, 8)):
        architecture = resolve(trimmed, tuple(indices))
        expected = detector_spaces.latency_ms(architecture, definition)
        assert float(model.cost(indices)) == pytest.approx(expected, rel=1e-3)


def test_heads_cover_every_width_once():
    space = modeling.trim(detector_spaces.space(), (4, 5))
    heads = heads_of(DetectionTask(_DEFINITIONS[0], *_SIZES), space)
    widths = [tuple(filters for _, filters in head.filters) for head in heads.subjects]
    assert widths == [(24, 32), (32, 32), (24, 48)]
    assert len({plan.key_of(head) for head in heads.subjects}) == 3


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_head_is_measured_as_it_runs(quantize):
    """With its feature maps as inputs and raw outputs."""
    task = DetectionTask(_DEFINITIONS[0], *_SIZES)
    head = heads_of(task, modeling.trim(detector_spaces.space(), (4, 5))).subjects[1]
    network, shapes = task.build(head)
    assert shapes == {"4": (4, 4, 32), "5": (2, 2, 32)}
    generator = np.random.default_rng(0)
    maps = [
        {name: generator.random(shape, np.float32) for name, shape in shapes.items()}
        for _ in range(3)
    ]
    images = maps if quantize == "int8" else None
    tflite = convert(network, shapes, quantize, images, float_outputs=True)
    given = {name: values[np.newaxis] for name, values in maps[0].items()}
    function = TFLiteFunction(tflite)
    assert sorted(function.inputs) == ["4", "5"]
    for name, info in function.inputs.items():
        if info.affine is not None:
            given[name] = info.affine.quantize(given[name])
    outputs = function(**given)
    expected = network({name: values[np.newaxis] for name, values in maps[0].items()})
    tolerance = {"none": 1e-4, "int8": 0.2}[quantize]
    for name, values in expected.items():
        np.testing.assert_allclose(outputs[name], values, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_real_measurements_of_a_few(tmp_path):
    """What is measured are real exports of pieces, heads and whole detectors."""
    seen = []

    def measure(paths, num_runs, num_warmup_runs):
        sizes = [len(open(path, "rb").read()) for path in paths]
        seen.extend(sizes)
        return [summarize([size / 1e9], num_warmup_runs, 1) for size in sizes]

    definition = _DEFINITIONS[0]
    trimmed = modeling.trim(detector_spaces.space(), definition.input_levels)
    task = DetectionTask(definition, *_SIZES)
    validation = calibration_job.calibrate(
        _settings(tmp_path, max_units=1, num_fit_networks=1, num_validation_networks=2),
        trimmed, 0, task, _backend(measure), heads_of(task, trimmed),
    )  # fmt: skip
    assert len(seen) == 1 + 3 + 3 and len(validation.measured_ms) == 2
    # A detector is larger than the head in it.
    params = [task.num_params(head) for head in heads_of(task, trimmed).subjects]
    assert max(seen) > 4 * min(params)
