"""The flags of the commands that fit a cost model of a device."""

import os
import shlex
import sys
from typing import TYPE_CHECKING

from absl import flags

from tunas_tf.command_line import device_flags, network_flags
from tunas_tf.common.errors import InputError
from tunas_tf.cost_model import files
from tunas_tf.export import output
from tunas_tf.export.latency import Backend
from tunas_tf.export.quantization import QUANTIZATIONS

if TYPE_CHECKING:
    from tunas_tf.calibration.calibration_job import CalibrationSettings

__all__ = ["backend", "define", "settings", "stem"]

FLAGS = flags.FLAGS


def define() -> None:
    """Defines the flags, and those that say which search space and which device."""
    network_flags.define("ssd", "filters_multiplier", "seed", "format")
    device_flags.define(num_runs=40, num_warmup_runs=2)
    flags.DEFINE_string(
        "output",
        None,
        "The cost model file to write, FILE.json; of what is there, only a cost model is replaced.",
    )
    flags.DEFINE_string("name", None, "What the cost model is called; default: as its file.")
    flags.DEFINE_enum(
        "quantize",
        "none",
        list(QUANTIZATIONS),
        "How the networks will be exported.",
    )
    flags.DEFINE_integer("max_units", 800, "Pieces to measure at most.", lower_bound=1)
    flags.DEFINE_integer("num_passes", 3, "Times that each piece and network is measured.", 1)
    flags.DEFINE_integer("num_fit_networks", 16, "Whole networks that set the scale.", 3)
    flags.DEFINE_integer("num_validation_networks", 24, "Whole networks that check the fit.", 3)


def stem() -> str:
    """--output without its suffix, once it is known that something can be written there."""
    if not FLAGS.output:
        raise InputError("--output is missing; give the cost model file to write.")
    path, suffix = os.path.splitext(FLAGS.output)
    if suffix != ".json":
        raise InputError(f"--output is {FLAGS.output}; give a name that ends in .json.")
    output.check_replaceable(FLAGS.output, files.FORMAT)
    # The picture of a calibration lies beside its other files.
    own = (FLAGS.output, f"{path}.measurements.jsonl")
    if os.path.lexists(f"{path}.png") and not any(map(os.path.exists, own)):
        raise InputError(
            f"{path}.png, where the picture of the calibration goes, exists and is of something "
            "else; give another --output, or remove it."
        )
    return path


def backend() -> Backend:
    """The device to measure on."""
    found, *others = device_flags.backends()
    if others:
        raise InputError("a cost model is of one device; give one --serial.")
    return found


def settings(command: str) -> "CalibrationSettings":
    """What the flags ask for, of `command`, e.g. "tunas_tf.calibrate_cost_model"."""
    from tunas_tf.calibration.calibration_job import CalibrationSettings

    progress = sys.stderr if FLAGS.format == "json" else sys.stdout
    path = stem()
    return CalibrationSettings(
        stem=path,
        name=FLAGS.name or os.path.basename(path),
        quantize=FLAGS.quantize,
        max_units=FLAGS.max_units,
        num_fit_networks=FLAGS.num_fit_networks,
        num_validation_networks=FLAGS.num_validation_networks,
        num_runs=FLAGS.num_runs,
        num_warmup_runs=FLAGS.num_warmup_runs,
        num_passes=FLAGS.num_passes,
        seed=FLAGS.seed,
        command=f"{command} {shlex.join(sys.argv[1:])}",
        say=lambda line: print(line, file=progress, flush=True),
    )
