"""Statistics of single runs, and the records of a measurement."""

import dataclasses
import json

import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.export import latency

_PROVENANCE = latency.Provenance(
    backend="local",
    device="CPU",
    abi="x86_64",
    operating_system="Linux",
    runtime="ai-edge-litert",
    num_threads=1,
    date="2026-01-31T12:00:00Z",
)


def test_statistics():
    """Of 1 to 10 ms: the percentile q lies (q / 100) * 9 steps behind the first."""
    seconds = [0.003, 0.001, 0.002, 0.010, 0.004, 0.009, 0.005, 0.008, 0.006, 0.007]
    measured = latency.summarize(seconds, num_warmup_runs=4, num_interleaved=3)
    assert dataclasses.asdict(measured) == {
        "mean_ms": pytest.approx(5.5),
        "min_ms": pytest.approx(1.0),
        "max_ms": pytest.approx(10.0),
        "median_ms": pytest.approx(5.5),
        "p5_ms": pytest.approx(1.45),
        "p10_ms": pytest.approx(1.9),
        "p90_ms": pytest.approx(9.1),
        "p95_ms": pytest.approx(9.55),
        "num_runs": 10,
        "num_warmup_runs": 4,
        "num_interleaved": 3,
    }


def test_typical_latency_ignores_single_slow_runs():
    usual = latency.summarize([0.002] * 99, 0, 1)
    disturbed = latency.summarize([0.002] * 98 + [0.5], 0, 1)
    assert disturbed.typical_ms == usual.typical_ms == 2.0
    assert disturbed.mean_ms > 3 * usual.mean_ms


def test_typical_latency_without_a_median():
    measured = latency.Latency(3.0, 1.0, 9.0, num_runs=10, num_warmup_runs=1)
    assert measured.typical_ms == 3.0


def test_json_holds_every_field():
    measured = latency.summarize([0.25], 1, 1)
    document = latency.to_json([latency.Measurement("m", "ab", measured, _PROVENANCE)])
    document = json.loads(json.dumps(document))
    assert (document["format"], document["version"]) == ("tunas_tf latency", 1)
    (entry,) = document["measurements"]
    assert (entry["model"], entry["model_sha256"]) == ("m", "ab")
    assert entry["latency"]["median_ms"] == 250.0
    assert latency.Latency(**entry["latency"]) == measured
    assert latency.Provenance(**entry["provenance"]) == _PROVENANCE


@pytest.mark.parametrize("record", [latency.Latency, latency.Provenance])
def test_every_field_is_documented(record):
    attributes = record.__doc__.partition("Attributes:")[2]
    for field in dataclasses.fields(record):
        assert f" {field.name}" in attributes, field.name


def test_model_by_contents_and_by_path(tmp_path):
    content = b"\x1c\x00\x00\x00TFL3 and more"
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    assert latency.read_model(content) == content
    assert latency.read_model(path) == latency.read_model(str(path)) == content


def test_what_is_no_model(tmp_path):
    for content, message in (
        (b"", "m.tflite is empty; give a .tflite file"),
        (b"TFL3", "m.tflite is no TFLite file: its identifier TFL3 is missing"),
        (b"PK\x03\x04 a zip archive", "m.tflite is no TFLite file"),
    ):
        path = tmp_path / "m.tflite"
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            latency.read_model(path)
    with pytest.raises(InputError, match="a model in memory is empty"):
        latency.read_model(b"")
    with pytest.raises(InputError, match="none.tflite cannot be read .No such file"):
        latency.read_model(tmp_path / "none.tflite")
    with pytest.raises(InputError, match="cannot be read .Is a directory"):
        latency.read_model(tmp_path)
