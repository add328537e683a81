"""TensorFlow's `benchmark_model` program: its command line, and reading what it prints.

It prints, in microseconds, one line of statistics for the warm-up and one for the runs, and at
the end the averages:

    INFO: count=10 first=2531 curr=2793 min=1171 max=9925 avg=1885.74 std=870
    INFO: count=100 first=2531 curr=2793 min=1171 max=9925 avg=1.88574e+06 std=870
    INFO: Inference timings in us: Init: 66002, ..., Inference (avg): 1.88574e+06

Newer builds add "p5=... median=... p95=..." to the statistics, older ones begin the last line
with "Average inference timings in us" and end it with "Inference: ...". Runs that all took the
same time, or a single one, are printed as "count=1 curr=2531". The source of the statistics is
`OutputToStream` of xla/tsl/util/stats_calculator.h.
"""

import math
import re

from tunas_tf.common.errors import InputError, one_line
from tunas_tf.export.latency import Latency

__all__ = ["MAX_SECONDS", "command", "parse"]

# The program ends the warm-up, and then the runs, when this time is up: its own default.
MAX_SECONDS = 150

_STATISTICS = re.compile(r"^(?:\w+: )?(count=\d+.*)$", re.MULTILINE)
_FIELD = re.compile(r"(\w+)=([-+.\w]+)")
_AVERAGE = re.compile(
    r"inference timings in us: .*\bInference(?: \(avg\))?: ([-+.\w]+)\s*$",
    re.MULTILINE | re.IGNORECASE,
)

# Averages are printed with 6 digits.
_PRINTED_PRECISION = 1e-5


def command(
    binary: str,
    graph: str,
    *,
    num_threads: int,
    num_runs: int,
    num_warmup_runs: int,
    use_xnnpack: bool,
    taskset: str | None,
) -> str:
    """The command for the shell of a device.

    Args:
      binary, graph: paths on the device, of the program and of the model.
      num_threads: CPU threads.
      num_runs: at most: the program stops after `MAX_SECONDS`.
      num_warmup_runs: at least: the program also warms up for at least half a second.
      use_xnnpack: the kernels of XNNPACK, or TFLite's own.
      taskset: hexadecimal mask of the CPU cores to bind it to, or None.
    """
    words = [
        binary,
        f"--graph={graph}",
        f"--num_threads={num_threads}",
        f"--warmup_runs={num_warmup_runs}",
        f"--num_runs={num_runs}",
        # Else it runs for at least a second, however many runs that are.
        "--min_secs=0",
        f"--use_xnnpack={str(use_xnnpack).lower()}",
    ]
    return " ".join(words if taskset is None else ["taskset", taskset, *words])


def _milliseconds(text: str, may_be_zero: bool = False) -> float:
    """A printed number of microseconds, "1885.74" or "1.88574e+06"."""
    milliseconds = float(text) / 1e3
    if not math.isfinite(milliseconds) or milliseconds < 0 or not (milliseconds or may_be_zero):
        raise ValueError(f"a time of {text} us")
    return milliseconds


def _latency(statistics: dict[str, str], num_warmup_runs: int) -> Latency:
    """The latency that one line of statistics tells."""

    def read(name: str) -> float:
        # Single runs are told in whole microseconds: the shortest may be none.
        return _milliseconds(statistics[name], may_be_zero=name in ("min", "p5"))

    def read_optional(name: str) -> float | None:
        return read(name) if name in statistics else None

    num_runs = int(statistics["count"])
    if num_runs < 1:
        raise ValueError("no runs")
    # All runs took the same time: the latest stands for every figure.
    all_same = "avg" not in statistics
    mean_ms = read("curr" if all_same else "avg")
    return Latency(
        mean_ms=mean_ms,
        min_ms=mean_ms if all_same else read("min"),
        max_ms=mean_ms if all_same else read("max"),
        num_runs=num_runs,
        num_warmup_runs=num_warmup_runs,
        median_ms=mean_ms if all_same else read_optional("median"),
        p5_ms=mean_ms if all_same else read_optional("p5"),
        p10_ms=mean_ms if all_same else None,
        p90_ms=mean_ms if all_same else None,
        p95_ms=mean_ms if all_same else read_optional("p95"),
    )


def parse(output: str) -> Latency:
    """Reads the latency from what the program printed.

    Raises:
      InputError: it is not the complete output of a measurement.
    """
    lines = [dict(_FIELD.findall(line)) for line in _STATISTICS.findall(output)]
    averages = _AVERAGE.findall(output)
    try:
        if len(lines) != 2 or len(averages) != 1:
            raise ValueError(
                f"{len(lines)} lines of statistics where 2 belong, {len(averages)} of averages "
                "where 1 belongs"
            )
        warmup, runs = lines
        latency = _latency(runs, int(warmup["count"]))
        average_ms = _milliseconds(averages[0])
        if not math.isclose(average_ms, latency.mean_ms, rel_tol=_PRINTED_PRECISION):
            raise ValueError(f"averages of {latency.mean_ms:g} and of {average_ms:g} ms")
        return latency
    except (KeyError, ValueError) as error:
        raise InputError(
            f"what benchmark_model printed cannot be read ({one_line(error)}); use a build of "
            "TensorFlow's tensorflow/lite/tools/benchmark."
        ) from None
