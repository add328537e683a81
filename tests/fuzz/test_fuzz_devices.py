"""What phones and programs print, measurements, and .tflite files."""

import json
import subprocess

import pytest
from fuzz_inputs import contents, damaged_bytes, expect_sentence, lines, slow, write
from hypothesis import given
from hypothesis import strategies as st

from tunas_tf.calibration.measurement_log import MeasurementLog
from tunas_tf.export import adb, benchmark_model, latency, output, trial
from tunas_tf.export.adb_backend import AdbBackend
from tunas_tf.search_space import architecture as architecture_lib

_PRINTED = b"""STARTING!
INFO: count=10 first=2531 curr=2793 min=1171 max=9925 avg=1885.74 std=870
INFO: count=100 first=2531 curr=2793 min=1171 max=9925 avg=1885.74 std=870 p5=1172 median=1800
INFO: Inference timings in us: Init: 66002, First inference: 2531, Inference (avg): 1885.74
"""
_DEVICES = b"* daemon started\nList of devices attached\nA 1\tdevice\nB\tunauthorized\n\n"
_SETTINGS = {"space": {"name": "s"}, "image_size": 64, "num_runs": 50, "device": {"abi": "x86_64"}}
_MEASUREMENTS = [
    {"settings": _SETTINGS},
    {"key": "unit 1", "pass_number": 0, "latency_ms": 0.25},
    {"key": "unit 1", "pass_number": 1, "latency_ms": 0.5},
]


@pytest.fixture(name="directory", scope="module")
def _directory(tmp_path_factory):
    return tmp_path_factory.mktemp("devices")


def _text(content: bytes) -> str:
    """As `subprocess` decodes it for the reader of adb."""
    return content.decode("utf-8", errors="replace")


@given(
    printed=st.one_of(
        damaged_bytes(_PRINTED),
        damaged_bytes(_PRINTED, max_changes=1),
        st.binary(max_size=200),
        st.sampled_from([b"1e999", b"9" * 5000, b"nan", b"-1", b"0x1", b"1_0", b""]).map(
            lambda number: _PRINTED.replace(b"1885.74", number).replace(b"100", number)
        ),
    )
)
def test_what_benchmark_model_prints(printed):
    found = expect_sentence(lambda: benchmark_model.parse(_text(printed)))
    if found is not None:
        assert 0 < found.typical_ms < float("inf") and found.num_runs >= 1


@given(
    listing=st.one_of(damaged_bytes(_DEVICES), st.binary(max_size=200)),
    answers=st.lists(
        st.one_of(
            damaged_bytes(b"Pixel 1\nexit_code=0\n"),
            st.binary(max_size=60).map(lambda answer: answer + b"\nexit_code=0\n"),
            st.sampled_from([b"exit_code=" + b"9" * 5000, b"x" * 5000, b"7f 45 4c \nexit_code=0"]),
        ),
        min_size=1,
        max_size=9,
    ),
    codes=st.lists(st.integers(-9, 255), min_size=1, max_size=5),
)
def test_what_adb_prints(listing, answers, codes):
    """The listing of devices, and a phone that answers anything."""
    calls = []

    def run(program, arguments, timeout_seconds):
        del program, timeout_seconds
        calls.append(arguments)
        content = listing if arguments == ["devices"] else answers[len(calls) % len(answers)]
        code = 0 if arguments == ["devices"] else codes[len(calls) % len(codes)]
        return subprocess.CompletedProcess(arguments, code, _text(content), _text(answers[0]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adb, "_run", run)
        devices = expect_sentence(adb.connect) or [adb.AdbDevice("A")]
        backend = expect_sentence(lambda: AdbBackend(devices[0]))
        if backend is not None:
            json.dumps(vars(backend.provenance))
            model = b"\x1c\x00\x00\x00TFL3" + bytes(64)
            expect_sentence(lambda: backend.measure([model], num_runs=1))


@given(content=lines(_MEASUREMENTS))
def test_measurements(directory, content):
    path = write(directory / "mine.measurements.jsonl", content)
    log = expect_sentence(lambda: MeasurementLog(path, _SETTINGS))
    if log is not None:
        log.append("unit 2", 0, 1.5)
        again = MeasurementLog(path, _SETTINGS)
        assert again.latency_ms("unit 2", 1) == 1.5 and len(again) == len(log)


@given(content=contents({"format": output.FORMAT, "architecture": {"ssd": "s", "indices": ""}}))
def test_descriptions_of_models(directory, content):
    model = directory / "model.tflite"
    write(directory / "model.json", content)
    expect_sentence(lambda: output.check(str(model)))
    expect_sentence(lambda: output.read_network(str(model)))


@given(content=st.one_of(st.binary(max_size=60), damaged_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(9))))
def test_what_is_no_model(directory, content):
    path = write(directory / "model.tflite", content)
    found = expect_sentence(lambda: latency.read_model(path))
    assert found is None or found[4:8] == b"TFL3"


@pytest.fixture(name="model", scope="module")
def _model() -> bytes:
    """Three layers for images of 8 x 8."""
    from tunas_tf.export import conversion
    from tunas_tf.models import build_classifier
    from tunas_tf.search_space import spec

    block = spec.Block((spec.Conv(3, 2), spec.Activation("relu"), spec.GlobalPool()), 8)
    network = architecture_lib.Architecture("tiny", (), (block,))
    return conversion.convert(build_classifier(network, 2, 8))


def test_damaged_models(directory, model):
    """Whatever they do to the runtime, this process goes on."""
    sound = write(directory / "sound.tflite", model)
    trial.require_runnable([sound])

    # A process each.
    @slow(10)
    @given(content=st.one_of(damaged_bytes(model), damaged_bytes(model, max_changes=1)))
    def check(content):
        path = write(directory / "damaged.tflite", content)
        expect_sentence(lambda: trial.require_runnable([path], max_seconds=60))

    check()
