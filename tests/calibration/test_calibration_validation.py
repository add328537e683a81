"""What is said of a cost model, and when it is not to be trusted."""

import json
import math
import types
import warnings

import numpy as np
import pytest

from tunas_tf import search_space
from tunas_tf.calibration import calibration_job, measuring, plan
from tunas_tf.calibration.validation import Validation
from tunas_tf.cost_model import files
from tunas_tf.export.latency import Provenance

_MEASURED = (1.0, 2.0, 3.0, 4.0)


def _validation(estimated, measured=_MEASURED, **changes):
    given = {"range_ms": (0.5, 9.0), "scale": 0.9, "num_raised": 0, "has_reference": True}
    return Validation(tuple(measured), tuple(estimated), **{**given, **changes})


def test_what_is_said_by_hand():
    # Residuals 0.01 + 0.04 + 0 + 0.16 = 0.21, around the mean 5; errors 10, 10, 0, 10 %.
    validation = _validation((1.1, 1.8, 3.0, 4.4), num_raised=2)
    assert validation.text().splitlines() == [
        "4 networks that took no part in the fit: R2 0.958, mean absolute error 7.5 %, rank "
        "correlation 1.000",
        "reference network: estimated 1.1 ms, measured 1 ms, error +10.0 %",
        "latencies of all measured networks: 0.5 to 9 ms",
        "pieces that would cost less than nothing, and cost 0: 2",
    ]
    value = validation.to_json()
    assert value["reference_error_percent"] == pytest.approx(10)
    assert value["range_ms"] == (0.5, 9.0) and value["warning"] is None


def test_what_there_is_not_is_not_said():
    texts = _validation(_MEASURED, has_reference=False).texts()
    assert set(texts) == {"validation", "range"}
    assert _validation(_MEASURED, has_reference=False).to_json()["reference_error_percent"] is None


# Of _MEASURED, whose squares around the mean add up to 5.
@pytest.mark.parametrize(
    ("estimated", "doubts"),
    [
        ((1.0, 2.0, 3.0, 4.9), []),  # R2 1 - 0.81 / 5 = 0.838.
        ((1.0, 2.0, 3.0, 5.1), ["R2 is 0.758"]),  # 1 - 1.21 / 5.
        ((1.0, 2.6, 2.5, 4.0), ["rank correlation is 0.800"]),  # R2 1 - 0.61 / 5 = 0.878.
        ((4.0, 3.0, 2.0, 1.0), ["R2 is -3.000", "rank correlation is -1.000"]),  # 1 - 20 / 5.
        ((2.5, 2.5, 2.5, 2.5), ["R2 is 0.000", "rank correlation is undefined"]),
    ],
)
def test_a_cost_model_that_is_far_off_is_not_to_be_trusted(estimated, doubts):
    warning = _validation(estimated).warning
    assert (warning is None) == (not doubts)
    found = [what for what in ("R2 is ", "rank correlation is ") if what in (warning or "")]
    assert len(found) == len(doubts) and all(doubt in warning for doubt in doubts)
    assert warning is None or ("--num_runs" in warning and warning.count(". ") == 0)


def test_pieces_without_a_part_in_it_are_a_warning():
    assert "scale 0" in _validation(_MEASURED, scale=0.0).warning


def test_networks_that_all_take_the_same_time():
    """Neither NaN in the JSON, nor Python's warnings of a division by 0."""
    validation = _validation((1.0, 2.0, 3.0, 4.0), measured=(2.0,) * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = json.loads(json.dumps(validation.to_json(), allow_nan=False))
    assert value["r_squared"] is None and value["rank_correlation"] is None
    assert math.isnan(validation.r_squared)
    assert "R2 undefined" in validation.text() and "nan" not in validation.text()
    assert "R2 is undefined" in value["warning"] and "correlation is undefined" in value["warning"]


@pytest.mark.parametrize("is_good", [True, False])
def test_a_calibration_warns_and_writes_it_down(is_good, tmp_path, monkeypatch, capsys):
    space = search_space.get("quickstart_search")
    generator = np.random.default_rng(0)

    def measure_plan(to_measure, backend, log, task, **settings):
        for subject in to_measure.units:
            log.append(plan.key_of(subject), 0, sum(map(_weights, subject.operations())))
        for network in to_measure.networks:
            exact = measuring.arithmetic.count(network, 32, 10).params
            log.append(plan.key_of(network), 0, exact if is_good else generator.uniform(1, 2))

    monkeypatch.setattr(measuring, "measure_plan", measure_plan)
    settings = calibration_job.CalibrationSettings(
        stem=str(tmp_path / "mine"), name="mine", quantize="none", max_units=100,
        num_fit_networks=6, num_validation_networks=8, num_runs=1, num_warmup_runs=1,
        num_passes=1, seed=0, command="calibrate", say=lambda line: None,
    )  # fmt: skip
    backend = types.SimpleNamespace(
        provenance=Provenance("local", "imaginary", "none", "none", "none", 1, "today")
    )
    task = measuring.Classification(32, 10)
    validation = calibration_job.calibrate(settings, space, 10, task, backend)
    provenance = files.load_provenance(str(tmp_path / "mine.json"))
    assert {"validation", "reference_network", "range"} <= set(provenance)
    error = capsys.readouterr().err
    if is_good:
        assert validation.mean_absolute_percentage_error < 1
        assert not error and "warning" not in provenance
    else:
        assert error == f"warning: {provenance['warning']}\n"
        assert "the cost model is not to be trusted" in error


def _weights(operation) -> float:
    return measuring.arithmetic.operations_count([operation]).params
