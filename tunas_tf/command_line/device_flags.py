"""The flags that say which device is measured, and how, shared by the commands that measure."""

from collections.abc import Sequence

from absl import flags

from tunas_tf.command_line import app
from tunas_tf.export import latency

__all__ = ["backends", "define"]

FLAGS = flags.FLAGS

_ADB_FLAGS = ["serial", "adb", "benchmark_binary", "taskset"]


def define(num_runs: int, num_warmup_runs: int) -> None:
    """Defines the flags, with the given defaults."""
    flags.DEFINE_enum(
        "backend", "local", ["local", "adb"], "This machine, or Android phones by adb."
    )
    flags.DEFINE_integer("num_threads", 1, "CPU threads of the TFLite runtime.", lower_bound=1)
    flags.DEFINE_integer("num_runs", num_runs, "Runs of each model.", lower_bound=1)
    flags.DEFINE_integer(
        "num_warmup_runs",
        num_warmup_runs,
        "Runs before them that do not count; adb: at least.",
        lower_bound=1,
    )
    flags.DEFINE_bool("use_xnnpack", True, "The kernels of XNNPACK, rather than TFLite's own.")
    flags.DEFINE_multi_string(
        "serial", None, "adb: serial number of a device; may be given several times."
    )
    flags.DEFINE_string("adb", "adb", "adb: the program itself.")
    flags.DEFINE_string(
        "benchmark_binary",
        None,
        "adb: benchmark_model for the device's ABI; default: the device's own, in /data/local/tmp.",
    )
    flags.DEFINE_string(
        "taskset",
        None,
        "adb: hexadecimal mask of the CPU cores to use, e.g. f0 for the cores 4 to 7.",
    )


def backends() -> Sequence[latency.Backend]:
    """The devices to measure on, at least one."""
    app.require_effect(FLAGS.backend == "adb", _ADB_FLAGS, "only --backend=adb uses it")
    # Only what is needed: the local runtime takes a while to import.
    if FLAGS.backend == "local":
        from tunas_tf.export.local_backend import LocalBackend

        return [LocalBackend(FLAGS.num_threads, FLAGS.use_xnnpack)]
    from tunas_tf.export import adb
    from tunas_tf.export.adb_backend import AdbBackend

    return [
        AdbBackend(
            device, FLAGS.benchmark_binary, FLAGS.num_threads, FLAGS.use_xnnpack, FLAGS.taskset
        )
        for device in adb.connect(FLAGS.serial or (), FLAGS.adb)
    ]
