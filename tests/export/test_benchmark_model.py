"""The command line of benchmark_model and what it prints."""

import benchmark_outputs
import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.export import benchmark_model

_OUTPUTS = {name: value for name, value in vars(benchmark_outputs).items() if name.isupper()}


def _figures(latency):
    return (latency.mean_ms, latency.min_ms, latency.max_ms)


def _percentiles(latency):
    return (latency.p5_ms, latency.p10_ms, latency.median_ms, latency.p90_ms, latency.p95_ms)


def test_usual_output():
    latency = benchmark_model.parse(benchmark_outputs.USUAL)
    assert _figures(latency) == pytest.approx((1.88574, 1.171, 9.925))
    assert (latency.num_warmup_runs, latency.num_runs) == (212, 520)
    assert _percentiles(latency) == (None,) * 5
    assert latency.typical_ms == pytest.approx(1.88574)


def test_older_output():
    latency = benchmark_model.parse(benchmark_outputs.OLD)
    assert _figures(latency) == pytest.approx((83.1004, 82.525, 91.2))
    assert (latency.num_warmup_runs, latency.num_runs) == (6, 50)


def test_newer_output_with_percentiles_and_exponents():
    latency = benchmark_model.parse(benchmark_outputs.PERCENTILES)
    assert _figures(latency) == pytest.approx((1734.57, 1234.567, 2234.567))
    assert _percentiles(latency) == (1234.567, None, 1734.567, None, 2234.567)
    assert (latency.num_warmup_runs, latency.num_runs) == (1, 3)
    assert latency.typical_ms == 1734.567


def test_the_shortest_run_may_take_no_whole_microsecond():
    output = benchmark_outputs.USUAL.replace("min=1171 ", "min=0 ")
    latency = benchmark_model.parse(output)
    assert (latency.min_ms, latency.mean_ms) == (0.0, 1.88574)


def test_runs_that_are_all_the_same():
    latency = benchmark_model.parse(benchmark_outputs.ALL_SAME)
    assert _figures(latency) == (0.007,) * 3
    assert _percentiles(latency) == (0.007,) * 5
    assert latency.num_runs == 30


@pytest.mark.parametrize("name", _OUTPUTS)
def test_line_ends_of_old_devices(name):
    output = _OUTPUTS[name]
    assert benchmark_model.parse(output.replace("\n", "\r\n")) == benchmark_model.parse(output)


@pytest.mark.parametrize("name", _OUTPUTS)
def test_output_that_breaks_off_gives_no_other_figures(name):
    output = _OUTPUTS[name]
    whole = benchmark_model.parse(output)
    refused = 0
    for length in range(len(output)):
        try:
            assert benchmark_model.parse(output[:length]) == whole, output[:length]
        except InputError:
            refused += 1
    # All that end before the last digit of the average.
    end_of_average = max(output.rfind("Inference: "), output.rfind("Inference (avg): "))
    assert refused >= end_of_average


@pytest.mark.parametrize(
    "before, after",
    [
        ("avg=1885.74", "avg=188574"),  # Contradicts the average of the last line.
        ("Inference (avg): 1885.74", "Inference (avg): nan"),
        ("avg=1885.74", "avg=-1885.74"),
        ("min=1171 ", "min=-1 "),
        ("count=520", "count=0"),
        ("min=1171 ", ""),
        ("INFO: count=212", "INFO: number=212"),
    ],
)
def test_what_cannot_be_is_refused(before, after):
    assert before in benchmark_outputs.USUAL
    with pytest.raises(InputError, match="what benchmark_model printed cannot be read"):
        benchmark_model.parse(benchmark_outputs.USUAL.replace(before, after))


def test_command():
    settings = {"num_threads": 2, "num_runs": 30, "num_warmup_runs": 4}
    assert benchmark_model.command(
        "/b", "/m.tflite", **settings, use_xnnpack=False, taskset="f0"
    ) == (
        "taskset f0 /b --graph=/m.tflite --num_threads=2 --warmup_runs=4 --num_runs=30 "
        "--min_secs=0 --use_xnnpack=false"
    )
    plain = benchmark_model.command("/b", "/m.tflite", **settings, use_xnnpack=True, taskset=None)
    assert plain.startswith("/b --graph") and plain.endswith("--use_xnnpack=true")
