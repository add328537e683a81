"""Measures the latency of .tflite files: on this machine, or on Android phones by adb.

  python -m tunas_tf.benchmark --model=a.tflite --model=b.tflite --output=latency.json
  python -m tunas_tf.benchmark --model=a.tflite --backend=adb --benchmark_binary=benchmark_model

--backend=local runs the models here with the TFLite interpreter of ai-edge-litert; several take
turns (a b a b ...), so that all see the same state of the machine. --backend=adb runs TensorFlow's
`benchmark_model` on each --serial, one model after another; older builds of it tell no median.
Latencies of different backends, devices, programs or settings cannot be compared: --output keeps
all of that beside the figures, as the docstring of tunas_tf/export/latency.py says.

A file that makes the runtime crash is found out in a process of its own, which runs each once.

--cost_model shows beside each latency what a cost model estimates for the network, if its figures
are of images of the same size.
"""

import dataclasses
from collections.abc import Sequence

from absl import flags

from tunas_tf import cost_model, search_space
from tunas_tf.command_line import app, device_flags, network_flags
from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.export import latency, output, trial

FLAGS = flags.FLAGS

network_flags.define("format")
device_flags.define(num_runs=100, num_warmup_runs=10)
flags.DEFINE_multi_string("model", None, "A .tflite file; may be given several times.")
flags.DEFINE_string(
    "output", None, "latency.json to write; of what is there, only such a file is replaced."
)
flags.DEFINE_string(
    "cost_model",
    None,
    "A cost model in ms, by name or file: what it estimates for the networks, which must come "
    "from export_tflite at the image size of its figures, is shown beside the measured latencies.",
)

# Field of Latency: heading of its column.
_COLUMNS = {
    "median_ms": "median",
    "mean_ms": "mean",
    "p5_ms": "p5",
    "p10_ms": "p10",
    "p90_ms": "p90",
    "p95_ms": "p95",
    "estimated_ms": "estimated",
}


def _image_size_of_figures() -> int | None:
    """Side of the images, in pixels, that --cost_model holds for; None: any."""
    if FLAGS.cost_model not in cost_model.NAMES:
        return cost_model_files.load(FLAGS.cost_model).image_size
    # All figures of a built-in cost model are of one size, and each has some for this space.
    space = search_space.get("proxylessnas_search")
    return cost_model.get(FLAGS.cost_model, space).image_size


def _estimated_ms(model: str) -> float | None:
    """What --cost_model estimates for the network in a .tflite file, by its description."""
    if FLAGS.cost_model is None:
        return None
    network = output.read_network(model)
    cost, unit = cost_model.architecture_cost(FLAGS.cost_model, network.architecture)
    if unit != "ms":
        raise InputError(
            f"--cost_model={FLAGS.cost_model} is in {unit}, which is no latency; give a cost "
            "model in ms."
        )
    image_size = _image_size_of_figures()
    if image_size not in (None, network.image_size):
        raise InputError(
            f"--cost_model={FLAGS.cost_model} has figures of images of {image_size} pixels, and "
            f"those of {model} have {network.image_size}; export the network at --image_size="
            f"{image_size}, or leave --cost_model out."
        )
    return cost


def _device_text(provenance: latency.Provenance) -> str:
    """One line: what the figures below it hold for."""
    parts = [
        f"{provenance.device}, {provenance.abi}, {provenance.operating_system}",
        f"{provenance.runtime} {provenance.runtime_version or ''}".strip(),
        f"{provenance.num_threads} thread{'s' if provenance.num_threads > 1 else ''}",
        f"delegate {provenance.delegate or 'none'}",
    ]
    if provenance.backend == "adb":
        digest, abi = provenance.runtime_sha256, provenance.runtime_abi
        parts[1] += f" ({abi or 'ABI unknown'}, sha256 {digest[:12] if digest else 'unknown'})"
    if provenance.taskset is not None:
        parts.append(f"cores {provenance.taskset}")
    return "; ".join(parts)


def _table(measurements: Sequence[latency.Measurement]) -> str:
    """The latencies of one device; a column that its tool tells nothing for is left out."""
    rows = [
        {**dataclasses.asdict(measurement.latency), "estimated_ms": measurement.estimated_ms}
        for measurement in measurements
    ]
    columns = [name for name in _COLUMNS if any(row[name] is not None for row in rows)]
    width = max(len("milliseconds"), *(len(measurement.model) for measurement in measurements))
    headings = "".join(f" {_COLUMNS[name]:>10}" for name in columns)
    lines = [f"{'milliseconds':{width}}{headings} {'runs':>7}"]
    for measurement, row in zip(measurements, rows):
        cells = ["-" if row[name] is None else f"{row[name]:.4f}" for name in columns]
        figures = "".join(f" {cell:>10}" for cell in cells)
        lines.append(f"{measurement.model:{width}}{figures} {row['num_runs']:7}")
    return "\n".join(lines)


def main() -> None:
    if not FLAGS.model:
        raise InputError("no model is named; give --model=FILE.tflite, once or several times.")
    if FLAGS.output is not None:
        output.check_replaceable(FLAGS.output, latency.FORMAT)
    hashes = [latency.sha256(latency.read_model(model)) for model in FLAGS.model]
    estimates = [_estimated_ms(model) for model in FLAGS.model]

    measurements, texts = [], []
    backends = device_flags.backends()
    if FLAGS.backend == "local":
        trial.require_runnable(FLAGS.model, FLAGS.num_threads, FLAGS.use_xnnpack)
    for backend in backends:
        latencies = backend.measure(FLAGS.model, FLAGS.num_runs, FLAGS.num_warmup_runs)
        of_backend = [
            latency.Measurement(
                model, digest, measured, backend.provenance, estimated, FLAGS.cost_model
            )
            for model, digest, measured, estimated in zip(FLAGS.model, hashes, latencies, estimates)
        ]
        texts.append(f"{_device_text(backend.provenance)}\n{_table(of_backend)}")
        measurements += of_backend

    document = latency.to_json(measurements)
    network_flags.print_result(document, "\n\n".join(texts))
    if FLAGS.output is not None:
        try:
            write_json(FLAGS.output, document)
        except OSError as error:
            raise InputError(
                f"{FLAGS.output} cannot be written ({error.strerror}); give another --output."
            ) from None


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
