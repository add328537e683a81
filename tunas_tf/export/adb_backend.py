"""Latency on an Android device, by TensorFlow's `benchmark_model` program, through adb."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence

from tunas_tf.common.errors import InputError, one_line
from tunas_tf.export import benchmark_model, latency
from tunas_tf.export.adb import AdbDevice, ShellResult

__all__ = ["REMOTE_BINARY", "AdbBackend"]

# Where the instructions of TensorFlow put the program.
REMOTE_BINARY = "/data/local/tmp/benchmark_model"

_WHERE_TO_GET_IT = (
    "give it as --benchmark_binary: TensorFlow's prebuilt nightly `benchmark_model` for Android "
    "and the device's ABI"
)

# Warm-up and runs, each ended by the program itself, and a minute to load the model.
_RUN_SECONDS = 2 * benchmark_model.MAX_SECONDS + 60

# ABIs by the machine field of ELF files (e_machine in elf.h).
_ELF_ABIS = {3: "x86", 40: "armeabi-v7a", 62: "x86_64", 183: "arm64-v8a", 243: "riscv64"}
_ELF_HEADER_BYTES = 20


def _elf_abi(header: bytes) -> str | None:
    """The ABI that a program was built for, from the first 20 bytes of its file."""
    if len(header) < _ELF_HEADER_BYTES or not header.startswith(b"\x7fELF"):
        return None
    return _ELF_ABIS.get(int.from_bytes(header[18:20], "little"))


def _core_mask(taskset: str | None) -> str | None:
    """The mask without "0x", as every `taskset` understands it."""
    if taskset is None:
        return None
    digits = taskset.lower().removeprefix("0x")
    if not re.fullmatch("[0-9a-f]+", digits) or int(digits, 16) == 0:
        raise InputError(
            f"taskset is {taskset!r}; give the hexadecimal mask of the CPU cores to use, e.g. f0 "
            "for the cores 4 to 7."
        )
    return digits


@contextlib.contextmanager
def _as_file(model: latency.Model) -> Iterator[str]:
    """The path of a file with the model."""
    content = latency.read_model(model)
    if not isinstance(model, bytes):
        yield os.fspath(model)
        return
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.tflite")
        with open(path, "wb") as file:
            file.write(content)
        yield path


class AdbBackend:
    """Measures on an Android device, one model after another; see `latency.Backend`.

    Attributes:
      provenance: of all that it measures.
    """

    def __init__(
        self,
        device: AdbDevice,
        binary: str | None = None,
        num_threads: int = 1,
        use_xnnpack: bool = True,
        taskset: str | None = None,
    ):
        """Looks at the device and at the program.

        Args:
          device: to measure on.
          binary: local path of a benchmark_model for Android; None: `REMOTE_BINARY`.
          num_threads: CPU threads.
          use_xnnpack: the kernels of XNNPACK, or TFLite's own.
          taskset: hexadecimal mask of the CPU cores to use; None leaves it to Android.

        Raises:
          InputError: there is no such program, or an argument is wrong.
        """
        if num_threads < 1:
            raise InputError(f"num_threads is {num_threads}; at least 1 is needed.")
        self._device = device
        self._binary = binary
        self._num_threads = num_threads
        self._use_xnnpack = use_xnnpack
        self._taskset = _core_mask(taskset)
        digest, abi = self._local_program() if binary is not None else self._remote_program()
        self.provenance = latency.Provenance(
            backend="adb",
            device=device.property("ro.product.model"),
            abi=device.property("ro.product.cpu.abi"),
            operating_system=f"Android {device.property('ro.build.version.release')}",
            serial_sha256=latency.sha256(device.serial.encode())[:12],
            runtime="benchmark_model",
            runtime_sha256=digest,
            runtime_abi=abi,
            num_threads=num_threads,
            delegate="xnnpack" if use_xnnpack else None,
            taskset=self._taskset,
            date=latency.now(),
        )

    def measure(
        self, models: Sequence[latency.Model], num_runs: int = 100, num_warmup_runs: int = 10
    ) -> list[latency.Latency]:
        """The latency of each model. Programs of older builds tell no median.

        Raises:
          InputError: a model cannot be read or run, or the device is lost.
        """
        with self._device.workspace() as directory:
            binary = REMOTE_BINARY
            if self._binary is not None:
                binary = f"{directory}/benchmark_model"
                self._device.push(self._binary, binary)
                self._device.shell(f"chmod 755 {binary}")
            measured = []
            for number, model in enumerate(models):
                graph = f"{directory}/model_{number}.tflite"
                with _as_file(model) as path:
                    self._device.push(path, graph)
                command = benchmark_model.command(
                    binary,
                    graph,
                    num_threads=self._num_threads,
                    num_runs=num_runs,
                    num_warmup_runs=num_warmup_runs,
                    use_xnnpack=self._use_xnnpack,
                    taskset=self._taskset,
                )
                result = self._device.shell(command, _RUN_SECONDS)
                self._require_success(result, latency.model_name(model))
                measured.append(benchmark_model.parse(result.output))
                # Hundreds of models need not fit on the device together.
                self._device.shell(f"rm -f {graph}")
        return measured

    def _local_program(self) -> tuple[str, str | None]:
        """Hash and ABI of the program that will be copied to the device."""
        assert self._binary is not None, "a program on the device has no local one"
        try:
            with open(self._binary, "rb") as file:
                content = file.read()
        except OSError as error:
            raise InputError(
                f"the program {self._binary} cannot be read ({error.strerror}); {_WHERE_TO_GET_IT}."
            ) from None
        return latency.sha256(content), _elf_abi(content[:_ELF_HEADER_BYTES])

    def _remote_program(self) -> tuple[str | None, str | None]:
        """Hash and ABI of the program on the device; None where it has no tool to tell them."""
        if self._device.shell(f"ls {REMOTE_BINARY}").exit_code != 0:
            raise InputError(
                f"there is no {REMOTE_BINARY} on the device {self._device.serial}; "
                f"{_WHERE_TO_GET_IT}."
            )
        hashed = self._device.shell(f"sha256sum {REMOTE_BINARY}").output
        digest = re.match(r"[0-9a-f]{64}\b", hashed)
        dump = self._device.shell(f"od -A n -t x1 -N {_ELF_HEADER_BYTES} {REMOTE_BINARY}").output
        header = bytes.fromhex("".join(re.findall(r"\b[0-9a-f]{2}\b", dump)))
        return digest and digest[0], _elf_abi(header)

    def _require_success(self, result: ShellResult, model: str) -> None:
        """Raises InputError if the program did not start, failed or crashed."""
        if result.exit_code == 0:
            return
        errors = re.findall(r"^(ERROR: .+?)\s*$", result.output, re.MULTILINE)
        reason = one_line(errors[0]) if errors else result.last_line
        device = f"the device {self._device.serial}"
        if result.exit_code in (126, 127):  # What shells return for what they cannot start.
            raise InputError(
                f"benchmark_model cannot be started on {device}, of ABI {self.provenance.abi} "
                f"({reason}); {_WHERE_TO_GET_IT}."
            )
        verb = "crashed" if result.exit_code > 128 else "failed"  # 128 + number of the signal.
        raise InputError(
            f"benchmark_model {verb} on {device} with {model} (exit code {result.exit_code}: "
            f"{reason}); the model or the program does not fit the device."
        )
