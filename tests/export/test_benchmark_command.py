"""benchmark, run as a user runs it."""

import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import benchmark_outputs
import fake_adb
import pytest
import tiny_tflite

import tunas_tf
from tunas_tf import cost_model, search_space
from tunas_tf.common.errors import InputError
from tunas_tf.export import latency
from tunas_tf.search_space.architecture import to_json

_PACKAGE_ROOT = str(pathlib.Path(tunas_tf.__file__).parents[1])


def _run(*arguments, path=os.environ["PATH"]):
    return subprocess.run(
        [sys.executable, "-m", "tunas_tf.benchmark", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": _PACKAGE_ROOT, "PATH": path},
        check=False,
    )


def _output(*arguments, **settings):
    result = _run(*arguments, **settings)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture(name="model")
def _model(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(tiny_tflite.convolution())
    return path


@pytest.fixture(name="phone")
def _phone(tmp_path):
    directory = tmp_path / "adb"
    directory.mkdir()
    phone = fake_adb.FakeAdb(directory)
    phone.install_benchmark_model(benchmark_outputs.PERCENTILES)
    return phone


def test_local(model, tmp_path):
    other = tmp_path / "b.tflite"
    other.write_bytes(tiny_tflite.quantized_convolution())
    output = tmp_path / "latency.json"
    models = (f"--model={model}", f"--model={other}")
    text = _output(*models, "--num_runs=7", "--num_threads=2", f"--output={output}")
    device, heading, *rows = text.splitlines()
    assert "; ai-edge-litert 2." in device and "; 2 threads; delegate xnnpack" in device
    assert heading.split() == ["milliseconds", "median", "mean", "p5", "p10", "p90", "p95", "runs"]
    assert [row.split()[0] for row in rows] == [str(model), str(other)]
    assert [row.split()[-1] for row in rows] == ["7", "7"]

    document = json.loads(output.read_text())
    assert document["format"] == "tunas_tf latency"
    first, second = document["measurements"]
    assert (first["model"], second["model"]) == (str(model), str(other))
    assert first["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert rows[1].split()[1] == f"{second['latency']['median_ms']:.4f}"
    assert first["latency"]["num_interleaved"] == 2
    assert first["provenance"]["num_threads"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"a.tflite", "b.tflite", "latency.json"}


def test_json_without_xnnpack(model):
    arguments = ("--format=json", "--nouse_xnnpack", "--num_runs=5", "--num_warmup_runs=2")
    document = json.loads(_output(f"--model={model}", *arguments))
    (measurement,) = document["measurements"]
    assert measurement["provenance"]["delegate"] is None
    assert latency.Latency(**measurement["latency"]).num_warmup_runs == 2


def test_needs_no_tensorflow(model):
    program = (
        "import sys; from absl import flags; from tunas_tf import benchmark\n"
        f"flags.FLAGS(['benchmark', '--model={model}', '--num_runs=1'])\n"
        "benchmark.main()\n"
        "print({'tensorflow', 'tf_keras', 'keras', 'jax'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (result.stdout.splitlines()[-1], result.stderr) == ("set()", "")


def test_two_phones(model, phone, tmp_path):
    phone.set(devices="List of devices attached\nA\tdevice\nB\tdevice\nC\toffline\n\n")
    output = tmp_path / "latency.json"
    arguments = (f"--model={model}", "--backend=adb", "--num_runs=3", f"--output={output}")
    serials = ("--serial=B", "--serial=A")
    text = _output(*arguments, *serials, "--taskset=f0", f"--adb={phone.path}")
    blocks = text.split("\n\n")
    assert len(blocks) == 2
    for block in blocks:
        device, heading, row = block.strip().splitlines()
        assert "Pixel 6 Pro, arm64-v8a, Android 14; benchmark_model (ABI unknown, sha256 " in device
        assert "; 1 thread; delegate xnnpack; cores f0" in device
        assert heading.split() == ["milliseconds", "median", "mean", "p5", "p95", "runs"]
        assert row.split()[1:] == ["1734.5670", "1734.5700", "1234.5670", "2234.5670", "3"]
    runs = [call for call in phone.log() if "--graph" in call[-1]]
    assert [call[1] for call in runs] == ["B", "A"]
    assert all(call[-1].startswith("taskset f0 /data/local/tmp/benchmark_model") for call in runs)
    hashes = [
        measurement["provenance"]["serial_sha256"]
        for measurement in json.loads(output.read_text())["measurements"]
    ]
    assert hashes == [hashlib.sha256(serial).hexdigest()[:12] for serial in (b"B", b"A")]


def test_no_median_is_no_column(model, phone):
    phone.install_benchmark_model(benchmark_outputs.OLD)
    path = f"{phone.path.parent}{os.pathsep}{os.environ['PATH']}"
    _, heading, row = _output(f"--model={model}", "--backend=adb", path=path).splitlines()
    assert heading.split() == ["milliseconds", "mean", "runs"]
    assert row.split() == [str(model), "83.1004", "50"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "no model is named; give --model="),
        (["--model=none.tflite"], "the model none.tflite cannot be read (No such file"),
        (["--model=MODEL", "--model=EMPTY"], "EMPTY is empty; give a .tflite file."),
        (["--model=TRUNCATED"], "LiteRT cannot run TRUNCATED"),
        (["--model=MODEL", "--taskset=f0"], "--taskset has no effect here: only --backend=adb"),
        (["--model=MODEL", "--serial=A"], "--serial has no effect here"),
        (["--model=MODEL", "--adb=adb"], "--adb has no effect here"),
        (["--model=MODEL", "--benchmark_binary=x"], "--benchmark_binary has no effect here"),
        (["--model=MODEL", "--num_runs=0"], "flag --num_runs=0"),
        (["--model=MODEL", "--num_warmup_runs=0"], "flag --num_warmup_runs=0"),
        (["--model=MODEL", "--num_threads=0"], "flag --num_threads=0"),
        (["--model=MODEL", "--output=none/latency.json"], "none/latency.json cannot be written"),
        (["--model=MODEL", "--output=."], ". cannot be written"),
        (["--model=MODEL", "--output=MODEL"], "MODEL exists, and only a file of the format"),
        (["--model=none.tflite", "--output=NOTES"], "NOTES exists, and only a file of the format"),
        (["--model=MODEL", "--backend=adb", "--adb=no_adb"], "the program 'no_adb' cannot be"),
        (["--model=MODEL", "--backend=adb", "--adb=ADB", "--serial=C"], "there is no device C"),
        (["--model=EMPTY", "--backend=adb", "--adb=no_adb"], "EMPTY is empty"),
    ],
)
def test_bad_input_is_one_line(arguments, message, model, phone, tmp_path):
    (tmp_path / "empty.tflite").write_bytes(b"")
    (tmp_path / "truncated.tflite").write_bytes(model.read_bytes()[:700])
    (tmp_path / "notes.json").write_text('{"format": "tunas_tf export"}')
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    names = {
        "MODEL": str(model),
        "EMPTY": str(tmp_path / "empty.tflite"),
        "TRUNCATED": str(tmp_path / "truncated.tflite"),
        "NOTES": str(tmp_path / "notes.json"),
        "ADB": str(phone.path),
    }

    def fill(text):
        for name, value in names.items():
            text = text.replace(name, value)
        return text

    result = _run(*map(fill, arguments))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {fill(message)}")
    assert result.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def _describe(model, image_size):
    """Writes what export_tflite says of a network beside its file."""
    space = search_space.get("proxylessnas_search")
    network = search_space.resolve(space, space.reference_indices)
    shape = [1, image_size, image_size, 3]
    description = {"architecture": to_json(network), "input": {"shape": shape}}
    model.with_suffix(".json").write_text(json.dumps(description))


def test_the_estimate_of_a_cost_model_stands_beside_the_latency(model):
    _describe(model, 224)
    arguments = (f"--model={model}", "--num_runs=3", "--cost_model=pixel1")
    (measurement,) = json.loads(_output(*arguments, "--format=json"))["measurements"]
    assert measurement["estimated_ms"] == pytest.approx(84.416241, abs=1e-5)
    assert measurement["cost_model"] == "pixel1"
    assert "estimated" in _output(*arguments).splitlines()[1].split()

    model.with_suffix(".json").write_text("[]")
    result = _run(*arguments)
    assert result.returncode == 2
    assert "no description of the network" in result.stderr
    assert result.stderr.count("\n") == 1


def test_figures_of_another_image_size_are_no_estimate(model, tmp_path):
    space = search_space.get("proxylessnas_search")
    path = str(tmp_path / "mine.json")
    cost_model.save(cost_model.CostModel("mine", "ms", space, (), 1.5, image_size=96), path, {})
    _describe(model, 96)
    arguments = (f"--model={model}", "--num_runs=1")
    output = _output(*arguments, f"--cost_model={path}", "--format=json")
    (measurement,) = json.loads(output)["measurements"]
    assert (measurement["estimated_ms"], measurement["cost_model"]) == (1.5, path)
    for name in ("pixel1", "x86_litert"):
        result = _run(*arguments, f"--cost_model={name}")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(
            f"error: --cost_model={name} has figures of images of 224 pixels, and those of {model} "
            "have 96; "
        )
        assert result.stderr.count("\n") == 1


def test_the_figures_of_a_built_in_cost_model_are_of_one_image_size():
    """Which is asked of one space of each."""
    for name in ("pixel1", "x86_litert"):
        sizes = set()
        for space in map(search_space.get, search_space.names()):
            with contextlib.suppress(InputError):
                sizes.add(cost_model.get(name, space).image_size)
        assert sizes == {224}


def test_older_results_are_replaced(model, tmp_path):
    output = tmp_path / "latency.json"
    output.write_text('{"format": "tunas_tf latency", "version": 1, "measurements": []}')
    _output(f"--model={model}", "--num_runs=1", f"--output={output}")
    assert len(json.loads(output.read_text())["measurements"]) == 1
