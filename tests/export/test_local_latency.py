"""Measuring on this machine."""

import gc
import importlib.metadata
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tiny_tflite
from ai_edge_litert.interpreter import OpResolverType

from tunas_tf.common.errors import InputError
from tunas_tf.export import local_backend
from tunas_tf.export.local_backend import LocalBackend, time_in_turn


class _Machine:
    """A clock, and models that take time on it: `seconds(now)` of a run that starts at `now`."""

    def __init__(self):
        self.now = 0.0
        self.events = []

    def clock(self) -> float:
        return self.now

    def model(self, name, seconds):
        machine = self

        class Model:
            def prepare(self):
                machine.now += 1000.0
                machine.events.append(f"prepare {name}")

            def invoke(self):
                machine.now += seconds(machine.now)
                machine.events.append(f"run {name}")
                assert not gc.isenabled()

        return Model()


def test_models_take_turns():
    machine = _Machine()
    durations = {"a": itertools.count(1), "b": itertools.count(10)}
    models = [
        machine.model(name, lambda _, numbers=numbers: next(numbers))
        for name, numbers in durations.items()
    ]
    seconds = time_in_turn(models, num_runs=3, num_warmup_runs=2, clock=machine.clock)
    assert machine.events == ["prepare a", "run a", "prepare b", "run b"] * 5
    # The two warm-up runs are left out, and so is the time of `prepare`.
    np.testing.assert_array_equal(seconds, [[3, 4, 5], [12, 13, 14]])


def test_drift_of_the_machine_hits_all_alike():
    """A machine that becomes ever slower: models of equal work look equal."""
    machine = _Machine()
    models = [machine.model(name, lambda now: 1 + now / 1e5) for name in "abc"]
    seconds = time_in_turn(models, num_runs=50, num_warmup_runs=0, clock=machine.clock)
    first, last = seconds[:, 0].mean(), seconds[:, -1].mean()
    assert last > 2 * first
    medians = np.median(seconds, axis=1)
    assert medians.max() < 1.02 * medians.min()


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_as_before(enabled):
    def fail(_):
        raise InputError("broken.")

    machine = _Machine()
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        time_in_turn([machine.model("a", lambda _: 1)], 1, 0, machine.clock)
        assert gc.isenabled() is enabled
        with pytest.raises(InputError):
            time_in_turn([machine.model("a", fail)], 1, 0, machine.clock)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_figures_of_real_models(tmp_path):
    path = tmp_path / "small.tflite"
    path.write_bytes(tiny_tflite.convolution())
    large = tiny_tflite.convolution(size=64, input_filters=32, filters=32)
    measured = LocalBackend().measure([path, large], num_runs=30, num_warmup_runs=3)
    for latency in measured:
        figures = [
            latency.min_ms, latency.p5_ms, latency.p10_ms, latency.median_ms,
            latency.p90_ms, latency.p95_ms, latency.max_ms,
        ]  # fmt: skip
        assert figures == sorted(figures) and figures[0] > 0
        assert latency.min_ms < latency.mean_ms < latency.max_ms
        assert (latency.num_runs, latency.num_warmup_runs) == (30, 3)
        assert latency.num_interleaved == 2
    # 680 times the multiply-adds.
    assert measured[1].median_ms > 20 * measured[0].median_ms


def test_no_models():
    assert LocalBackend().measure([]) == []


@pytest.fixture(name="interpreters")
def _interpreters(monkeypatch):
    """The interpreters that are made, with their arguments and the inputs that they got."""
    made = []

    class Recording(local_backend.Interpreter):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.arguments = arguments
            self.inputs = []
            made.append(self)

        def set_tensor(self, tensor_index, value):
            self.inputs.append(value)
            super().set_tensor(tensor_index, value)

    monkeypatch.setattr(local_backend, "Interpreter", Recording)
    return made


@pytest.mark.parametrize("use_xnnpack", [True, False])
def test_settings_reach_the_runtime(interpreters, use_xnnpack):
    backend = LocalBackend(num_threads=2, use_xnnpack=use_xnnpack)
    backend.measure([tiny_tflite.convolution()], num_runs=1)
    (interpreter,) = interpreters
    assert interpreter.arguments["num_threads"] == 2
    resolver = interpreter.arguments["experimental_op_resolver_type"]
    assert (resolver == OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES) is not use_xnnpack
    # A delegate takes the place of the operations in the graph.
    operations = {details["op_name"] for details in interpreter._get_ops_details()}
    assert ("DELEGATE" in operations) is use_xnnpack
    assert backend.provenance.delegate == ("xnnpack" if use_xnnpack else None)
    assert backend.provenance.num_threads == 2


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
def test_inputs_are_random_in_the_valid_range(interpreters, dtype):
    model = (
        tiny_tflite.convolution()
        if dtype == "float32"
        else tiny_tflite.quantized_convolution(tf.as_dtype(dtype))
    )
    (latency,) = LocalBackend().measure([model], num_runs=5, num_warmup_runs=2)
    assert latency.median_ms > 0
    (interpreter,) = interpreters
    assert len(interpreter.inputs) == 7
    values = interpreter.inputs[0]
    assert (values.dtype, values.shape) == (dtype, (1, 16, 16, 3))
    # All of 768 values miss the outer tenth at one end by a chance of 0.9^768.
    low, high = {"float32": (0, 1), "int8": (-128, 127), "uint8": (0, 255)}[dtype]
    tenth = (high - low) / 10
    assert low <= values.min() < low + tenth
    assert high - tenth < values.max() <= high


def test_open_batch_size_is_one(interpreters):
    LocalBackend().measure([tiny_tflite.convolution(batch=None)], num_runs=1)
    assert interpreters[0].inputs[0].shape == (1, 16, 16, 3)


@pytest.mark.parametrize(
    "model, message",
    [
        (
            lambda: tiny_tflite.convolution(size=None),
            r"has the open shape \[1, -1, -1, 3\]; export the model with a fixed size",
        ),
        (tiny_tflite.lookup, "is int32; only models with float32, int8, uint8 or int16 inputs"),
        (tiny_tflite.inverse_matrix, "a model in memory needs operations of TensorFlow "
         r"\(FlexMatrixInverse\), which the TFLite runtime does not have"),
        (lambda: tiny_tflite.convolution()[:-8], "LiteRT cannot run a model in memory .The model"),
        (lambda: b"\x1c\x00\x00\x00TFL3" + bytes(500), "LiteRT cannot run a model in memory"),
        (lambda: b"not a model", "a model in memory is no TFLite file"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_measured(model, message):
    with pytest.raises(InputError, match=message):
        LocalBackend().measure([model()])


def test_truncated_files_are_refused_at_every_length():
    content = tiny_tflite.convolution()
    for length in range(0, len(content), 13):
        with pytest.raises(InputError, match="LiteRT cannot run|no TFLite file|is empty"):
            LocalBackend().measure([content[:length]], num_runs=1)


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(tiny_tflite.convolution()[:300])
    with pytest.raises(InputError, match="LiteRT cannot run .*damaged.tflite"):
        LocalBackend().measure([path])


def test_provenance():
    provenance = LocalBackend().provenance
    assert (provenance.backend, provenance.runtime) == ("local", "ai-edge-litert")
    assert provenance.runtime_version == importlib.metadata.version("ai-edge-litert")
    assert provenance.device and provenance.abi
    assert provenance.serial_sha256 is None


@pytest.mark.parametrize("cores, mask", [({4, 5, 6, 7}, "f0"), (set(range(8)), None)])
def test_provenance_names_the_cores_that_the_process_is_bound_to(monkeypatch, cores, mask):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: cores, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert LocalBackend().provenance.taskset == mask


def test_number_of_threads():
    with pytest.raises(InputError, match="num_threads is 0; at least 1 is needed"):
        LocalBackend(num_threads=0)
