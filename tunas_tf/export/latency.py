"""What the latency of a .tflite file is, what measures it, and the file that holds it.

A latency.json holds

    format, version    "tunas_tf latency", 1
    measurements       one for every model on every device:
        model          the path of the .tflite file, as it was given
        model_sha256   hash of its contents
        latency        the fields of `Latency`, in milliseconds where the name ends in _ms
        estimated_ms   what a cost model estimates for the network; null without one
        cost_model     its name or file, as it was given; null without one
        provenance     the fields of `Provenance`

What a measuring tool does not tell is null.
"""

import dataclasses
import datetime
import hashlib
import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tunas_tf.common.errors import InputError
from tunas_tf.common.json_files import VERSIONS, read_bytes

__all__ = [
    "FORMAT",
    "Backend",
    "Latency",
    "Measurement",
    "Model",
    "Provenance",
    "model_name",
    "now",
    "read_model",
    "sha256",
    "summarize",
    "to_json",
]

# What --output may replace.
FORMAT = "tunas_tf latency"

# Of a FlatBuffer, whose offsets have 32 bits and a sign.
_MAX_MODEL_BYTES = 2**31

# A model to measure: the contents of a .tflite file, or its path.
Model = bytes | str | os.PathLike


@dataclasses.dataclass(frozen=True)
class Latency:
    """Time of one inference with a batch of 1, over many runs of one model.

    Attributes:
      mean_ms, min_ms, max_ms: mean, fastest and slowest run.
      median_ms: None where the tool tells no median.
      p5_ms, p10_ms, p90_ms, p95_ms: percentiles, for how much the runs differ; None where the
        tool does not tell them.
      num_runs: runs that these figures are of.
      num_warmup_runs: runs before them, which do not count.
      num_interleaved: models that took turns, this one included: A B C A B C. 1 is a model that
        ran alone, with its weights in the caches since the run before.
    """

    mean_ms: float
    min_ms: float
    max_ms: float
    num_runs: int
    num_warmup_runs: int
    median_ms: float | None = None
    p5_ms: float | None = None
    p10_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    num_interleaved: int = 1

    @property
    def typical_ms(self) -> float:
        """The median, which single slow runs do not move; the mean where there is none."""
        return self.mean_ms if self.median_ms is None else self.median_ms


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a latency comes from: without this it can be compared with nothing.

    Attributes:
      backend: "local" or "adb".
      device: model of the CPU, or of the phone.
      abi: instruction set of the device, e.g. "x86_64", "arm64-v8a".
      operating_system: e.g. "Linux 6.1.0", "Android 14".
      serial_sha256: the first 12 digits of the hash of the phone's serial number: enough to
        tell two phones apart.
      runtime: "ai-edge-litert", or "benchmark_model".
      runtime_version: of ai-edge-litert.
      runtime_sha256: hash of the benchmark_model program.
      runtime_abi: what the benchmark_model program was built for. A 32-bit program is several
        times slower than the same phone with a 64-bit one.
      num_threads: CPU threads of the runtime.
      delegate: "xnnpack", or None for TFLite's own kernels.
      taskset: hexadecimal mask of the CPU cores that it was bound to; None: not bound.
      date: when the measurements began, UTC, e.g. "2026-01-31T12:00:00Z".
    """

    backend: str
    device: str
    abi: str
    operating_system: str
    runtime: str
    num_threads: int
    date: str
    runtime_version: str | None = None
    runtime_sha256: str | None = None
    runtime_abi: str | None = None
    delegate: str | None = None
    taskset: str | None = None
    serial_sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One model on one device: its path, the hash of its contents, its latency, from where.

    `estimated_ms` is what `cost_model` estimates for the network in it; None without one.
    """

    model: str
    model_sha256: str
    latency: Latency
    provenance: Provenance
    estimated_ms: float | None = None
    cost_model: str | None = None


class Backend(Protocol):
    """A device that models can be measured on."""

    provenance: Provenance

    def measure(
        self, models: Sequence[Model], num_runs: int = 100, num_warmup_runs: int = 10
    ) -> list[Latency]:
        """The latency of each of `models`, in their order.

        The local backend holds all of them in memory and lets them take turns; the size of such
        a group is the caller's choice.

        Raises:
          InputError: a model cannot be read or run, or the device cannot be reached.
        """


def model_name(model: Model) -> str:
    """What messages call a model."""
    return "a model in memory" if isinstance(model, bytes) else os.fspath(model)


def read_model(model: Model) -> bytes:
    """The contents of a .tflite file; raises InputError if it cannot be read or is none."""
    if isinstance(model, bytes):
        content = model
    else:
        try:
            content = read_bytes(model, _MAX_MODEL_BYTES)
        except OSError as error:
            raise InputError(
                f"the model {model_name(model)} cannot be read ({error.strerror}); give a .tflite "
                "file."
            ) from None
    # A FlatBuffer names its schema in the bytes 4 to 7.
    if content[4:8] != b"TFL3":
        what = "is empty" if not content else "is no TFLite file: its identifier TFL3 is missing"
        raise InputError(f"{model_name(model)} {what}; give a .tflite file.")
    return content


def summarize(seconds: Sequence[float], num_warmup_runs: int, num_interleaved: int) -> Latency:
    """The latency of a model from the times of its single runs, in seconds."""
    milliseconds = 1e3 * np.asarray(seconds)
    p5, p10, median, p90, p95 = np.percentile(milliseconds, [5, 10, 50, 90, 95]).tolist()
    return Latency(
        mean_ms=float(milliseconds.mean()),
        min_ms=float(milliseconds.min()),
        max_ms=float(milliseconds.max()),
        num_runs=milliseconds.size,
        num_warmup_runs=num_warmup_runs,
        median_ms=median,
        p5_ms=p5,
        p10_ms=p10,
        p90_ms=p90,
        p95_ms=p95,
        num_interleaved=num_interleaved,
    )


def sha256(content: bytes) -> str:
    """The hash that identifies a file by its contents, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def now() -> str:
    """The date for `Provenance`."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_json(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The contents of a latency.json."""
    return {
        "format": FORMAT,
        "version": VERSIONS["latency"],
        "measurements": [dataclasses.asdict(measurement) for measurement in measurements],
    }
