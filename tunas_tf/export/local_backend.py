"""Latency on this machine, by the TFLite interpreter of ai-edge-litert. No TensorFlow.

The interpreter and LiteRT's newer CompiledModel give different figures; these are all of the
interpreter, with TFLite's own kernels or with those of XNNPACK.
"""

import gc
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tunas_tf.common.errors import InputError, brief, one_line
from tunas_tf.export import latency
from tunas_tf.export.quiet import quiet_native_code

__all__ = ["LocalBackend", "time_in_turn"]

# Any value of these is valid as an input. Of int32 and int64 it is not: those are indices.
_QUANTIZED = (np.int8, np.uint8, np.int16)


class Timed(Protocol):
    """Something to measure: `prepare` is not timed, `invoke` is."""

    def prepare(self) -> None: ...

    def invoke(self) -> None: ...


def time_in_turn(
    models: Sequence[Timed],
    num_runs: int,
    num_warmup_runs: int,
    clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
    """Times models that take turns: A B C A B C ...

    So a machine that becomes slower or faster meanwhile does so for all of them alike, and each
    finds the caches as the others left them, as a layer does within a network.

    Returns:
      float64 [models, num_runs], seconds, in the order of the runs.
    """
    seconds = np.zeros((len(models), num_runs))
    collects_garbage = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for run in range(-num_warmup_runs, num_runs):
            for number, model in enumerate(models):
                model.prepare()
                start = clock()
                model.invoke()
                end = clock()
                if run >= 0:
                    seconds[number, run] = end - start
    finally:
        if collects_garbage:
            gc.enable()
    return seconds


class _LoadedModel:
    """A model in an interpreter, with random inputs."""

    def __init__(self, model: latency.Model, num_threads: int, use_xnnpack: bool):
        self._name = latency.model_name(model)
        content = latency.read_model(model)
        resolver = (
            OpResolverType.BUILTIN
            if use_xnnpack
            else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        try:
            with quiet_native_code():
                # Checks the whole FlatBuffer first: a damaged file is a ValueError, no crash.
                self._interpreter = Interpreter(
                    model_content=content,
                    num_threads=num_threads,
                    experimental_op_resolver_type=resolver,
                )
                self._interpreter.allocate_tensors()
                inputs = self._interpreter.get_input_details()
        except (RuntimeError, ValueError) as error:
            raise self._refusal(error) from None
        generator = np.random.default_rng(seed=0)
        self._inputs = [
            (details["index"], self._random_input(details, generator)) for details in inputs
        ]

    def prepare(self) -> None:
        """Writes the inputs: the runs may use the memory of the inputs for other tensors."""
        for index, value in self._inputs:
            self._interpreter.set_tensor(index, value)

    def invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> InputError:
        text = str(error)
        if "Select TensorFlow op" in text:
            names = sorted(set(re.findall(r"\((Flex\w+)\)", text)))
            operators = one_line(", ".join(names)) or "Flex"
            return InputError(
                f"{self._name} needs operations of TensorFlow ({operators}), which the TFLite "
                "runtime does not have; export it with TFLite's built-in operations only."
            )
        return InputError(
            f"LiteRT cannot run {self._name} ({one_line(text) or type(error).__name__}); export it "
            "again."
        )

    def _random_input(self, details: dict, generator: np.random.Generator) -> np.ndarray:
        """Values in [0, 1) or, of quantised inputs, in the whole range of their type."""
        name = one_line(details["name"])
        # An open batch size is 1. Other open sizes would be 1 as well, which nobody means.
        if -1 in details["shape_signature"][1:]:
            raise InputError(
                f"the input {name} of {self._name} has the open shape "
                f"{brief(details['shape_signature'].tolist())}; export the model with a fixed size."
            )
        dtype = details["dtype"]
        if dtype == np.float32:
            return generator.random(details["shape"], np.float32)
        if dtype in _QUANTIZED:
            limits = np.iinfo(dtype)
            return generator.integers(
                limits.min, limits.max, details["shape"], dtype, endpoint=True
            )
        raise InputError(
            f"the input {name} of {self._name} is {np.dtype(dtype).name}; only models "
            "with float32, int8, uint8 or int16 inputs can be measured with random numbers."
        )


def _cpu_name() -> str:
    """The CPU as the system calls it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = re.search(
                r"^(?:model name|Hardware|Model)\s*:\s*(.+)$", file.read(), re.MULTILINE
            )
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _affinity() -> str | None:
    """Mask of the cores that this process is bound to, hexadecimal; None: to no fewer than all."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = os.sched_getaffinity(0)
    return None if len(cores) == os.cpu_count() else f"{sum(1 << core for core in cores):x}"


class LocalBackend:
    """Measures on this machine; see `latency.Backend`.

    Attributes:
      provenance: of all that it measures.
    """

    def __init__(self, num_threads: int = 1, use_xnnpack: bool = True):
        """Chooses CPU threads, and the kernels of XNNPACK or TFLite's own."""
        if num_threads < 1:
            raise InputError(f"num_threads is {num_threads}; at least 1 is needed.")
        self._num_threads = num_threads
        self._use_xnnpack = use_xnnpack
        self.provenance = latency.Provenance(
            backend="local",
            device=_cpu_name(),
            abi=platform.machine(),
            operating_system=f"{platform.system()} {platform.release()}",
            runtime="ai-edge-litert",
            runtime_version=ai_edge_litert.__version__,
            num_threads=num_threads,
            delegate="xnnpack" if use_xnnpack else None,
            taskset=_affinity(),
            date=latency.now(),
        )

    def measure(
        self, models: Sequence[latency.Model], num_runs: int = 100, num_warmup_runs: int = 10
    ) -> list[latency.Latency]:
        """The latency of each model; all are held in memory and take turns, also in the warm-up.

        Raises:
          InputError: a model cannot be read or run.
        """
        loaded = [_LoadedModel(model, self._num_threads, self._use_xnnpack) for model in models]
        seconds = time_in_turn(loaded, num_runs, num_warmup_runs)
        return [latency.summarize(runs, num_warmup_runs, len(models)) for runs in seconds]
