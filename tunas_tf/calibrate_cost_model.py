"""Fits a cost model of a device: latencies of its layers, measured where networks will run.

  python -m tunas_tf.calibrate_cost_model --ssd=proxylessnas_search --output=mine.json
  python -m tunas_tf.search --ssd=proxylessnas_search --cost_model=mine.json ...

Measures the pieces that the networks of a search space consist of, one by one, and a few
whole networks. Pieces that were not measured are predicted from those that were. The cost
model is then compared with other whole networks, which took no part in the fit: its error is
printed, kept in the file, and drawn as mine.png.

Every measurement is appended to mine.measurements.jsonl at once; the same command again
continues where it was stopped.
"""

import dataclasses
import datetime
import os
import shlex
import sys

from absl import flags

from tunas_tf import __version__
from tunas_tf.command_line import app, device_flags, network_flags
from tunas_tf.common.errors import InputError

FLAGS = flags.FLAGS

network_flags.define("ssd", "filters_multiplier", "image_size", "num_classes", "seed", "format")
device_flags.define(num_runs=40, num_warmup_runs=2)
flags.DEFINE_string("output", None, "The cost model file to write, FILE.json.")
flags.DEFINE_string("name", None, "What the cost model is called; default: as its file.")
flags.DEFINE_enum(
    "quantize",
    "none",
    ["none", "float16", "dynamic", "int8"],
    "How the networks will be exported.",
)
flags.DEFINE_integer("max_units", 800, "Pieces to measure at most.", lower_bound=1)
flags.DEFINE_integer("num_passes", 3, "Times that each piece and network is measured.", 1)
flags.DEFINE_integer("num_fit_networks", 16, "Whole networks that set the scale.", 1)
flags.DEFINE_integer("num_validation_networks", 24, "Whole networks that check the fit.", 3)


def _stem() -> str:
    """--output without its suffix, once it is known that something can be written there."""
    if not FLAGS.output:
        raise InputError("--output is missing; give the cost model file to write.")
    stem, suffix = os.path.splitext(FLAGS.output)
    if suffix != ".json":
        raise InputError(f"--output is {FLAGS.output}; give a name that ends in .json.")
    directory = os.path.dirname(FLAGS.output) or "."
    if not os.path.isdir(directory) or not os.access(directory, os.W_OK):
        raise InputError(
            f"{FLAGS.output} cannot be written; --output is a file in a directory that you may "
            "write to."
        )
    return stem


def main() -> None:
    stem = _stem()
    space = network_flags.space()
    backend, *others = device_flags.backends()
    if others:
        raise InputError("a cost model is of one device; give one --serial.")

    from tunas_tf.calibration import fitting, plan, report
    from tunas_tf.calibration.measurement_log import MeasurementLog
    from tunas_tf.cost_model import files
    from tunas_tf.search_space import architecture as architecture_lib

    to_measure = plan.make_plan(
        space,
        FLAGS.image_size,
        FLAGS.num_classes,
        FLAGS.max_units,
        FLAGS.num_fit_networks,
        FLAGS.num_validation_networks,
        FLAGS.seed,
    )
    device = dataclasses.asdict(backend.provenance)
    # What differs from one process to the next on the same device.
    date = device.pop("date")
    operating_system = device.pop("operating_system")
    settings = {
        "space": architecture_lib.to_json(space),
        "image_size": FLAGS.image_size,
        "num_classes": FLAGS.num_classes,
        "quantize": FLAGS.quantize,
        "num_runs": FLAGS.num_runs,
        "device": device,
    }
    log = MeasurementLog(f"{stem}.measurements.jsonl", settings)
    sizes = {"image_size": FLAGS.image_size, "num_classes": FLAGS.num_classes}

    progress = sys.stderr if FLAGS.format == "json" else sys.stdout

    def say(line: str) -> None:
        print(line, file=progress, flush=True)

    say(
        f"{len(to_measure.units)} of the {to_measure.num_possible_units} pieces of {space.name} "
        f"and {len(to_measure.networks)} whole networks, {FLAGS.num_passes} times each, on "
        f"{backend.provenance.device}"
    )
    if len(log):
        say(f"{len(log)} measurements are in {log.path} already")

    from tunas_tf.calibration import measuring

    megabytes = measuring.disk_megabytes(to_measure, FLAGS.image_size, FLAGS.num_classes)
    say(f"up to {megabytes:,.0f} MB of temporary files")
    measuring.measure_plan(
        to_measure,
        backend,
        log,
        **sizes,
        quantize=FLAGS.quantize,
        num_runs=FLAGS.num_runs,
        num_warmup_runs=FLAGS.num_warmup_runs,
        num_passes=FLAGS.num_passes,
        say=say,
    )
    cost_model = fitting.fit_cost_model(
        FLAGS.name or os.path.basename(stem),
        space,
        to_measure,
        log,
        **sizes,
        num_passes=FLAGS.num_passes,
    )
    validation = fitting.validate(cost_model, to_measure, log, FLAGS.num_passes)
    provenance = {
        **{name: str(value) for name, value in device.items() if value is not None},
        "operating_system": operating_system,
        "quantize": FLAGS.quantize,
        "measured": f"{len(to_measure.units)} of {to_measure.num_possible_units} pieces, "
        f"{len(to_measure.fit_networks)} networks for the scale, {FLAGS.num_passes} passes of "
        f"{FLAGS.num_runs} runs",
        "validation": validation.text(),
        "command": "tunas_tf.calibrate_cost_model " + shlex.join(sys.argv[1:]),
        "tunas_tf": __version__,
        "date": date,
        "fitted": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    report.draw(validation, f"{space.name} on {backend.provenance.device}", f"{stem}.png")
    files.save(cost_model, FLAGS.output, provenance)
    text = f"{validation.text()}\nwrote {FLAGS.output}, {stem}.png"
    network_flags.print_result({**validation.to_json(), "output": FLAGS.output}, text)


def run() -> None:
    app.run(main)


if __name__ == "__main__":
    run()
