"""Android devices, reached by the adb program: which are there, commands on them, files to them."""

import contextlib
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from absl import logging

from tunas_tf.common.errors import InputError, one_line

__all__ = ["AdbDevice", "ShellResult", "connect"]

# The one directory that adb may write to, and run programs in, on every device.
_REMOTE_ROOT = "/data/local/tmp"

_COMMAND_SECONDS = 60
_PUSH_SECONDS = 600

# What is wrong with a device in a state other than "device", and how to mend it.
_REMEDIES = {
    "unauthorized": "does not trust this computer; unlock it and confirm the question about USB "
    "debugging",
    "authorizing": "is still deciding whether to trust this computer; try again",
    "offline": "is offline; reconnect it",
}


class ShellResult(NamedTuple):
    """What a command on a device ended with, and all that it printed."""

    exit_code: int
    output: str

    @property
    def last_line(self) -> str:
        """The last line of the output that holds something: usually the reason of a failure."""
        lines = [one_line(line) for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"


def _run(
    program: str, arguments: Sequence[str], timeout_seconds: float
) -> subprocess.CompletedProcess:
    """Runs adb; arguments go to it one by one, so nothing in them is read by a local shell."""
    command = [program, *arguments]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"`{' '.join(command)}` did not end within {timeout_seconds:g} s; check the device "
            "and its connection."
        ) from None
    except OSError as error:
        raise InputError(
            f"the program {program!r} cannot be started ({error.strerror}); install adb (Android "
            "SDK platform tools) or give its path as --adb."
        ) from None


def _failure(result: subprocess.CompletedProcess) -> str:
    """adb's own words for what went wrong."""
    text = ShellResult(result.returncode, result.stdout + "\n" + result.stderr)
    return text.last_line.removeprefix("adb: ").removeprefix("error: ")


def _states(program: str) -> dict[str, str]:
    """Serial number -> state of every device that `adb devices` lists."""
    result = _run(program, ["devices"], _COMMAND_SECONDS)
    _header, found, listing = result.stdout.partition("List of devices attached")
    if result.returncode != 0 or not found:
        raise InputError(f"`{program} devices` failed ({_failure(result)}); mend adb first.")
    # Serial numbers may hold spaces, so the tab is what separates.
    lines = [line.partition("\t") for line in listing.splitlines() if "\t" in line]
    return {serial: state.strip() for serial, _, state in lines}


def connect(serials: Sequence[str] = (), program: str = "adb") -> list["AdbDevice"]:
    """The devices with these serial numbers, or the only one that is connected.

    Raises:
      InputError: one is missing or not usable, or it is not clear which one is meant, or there
        is no adb.
    """
    states = _states(program)
    listed = one_line(", ".join(f"{serial} ({state})" for serial, state in states.items()))
    if not states:
        raise InputError(
            "no Android device is connected; connect one and switch on USB debugging in its "
            "developer options."
        )
    if not serials and len(states) > 1:
        raise InputError(f"several devices are connected: {listed}; choose with --serial.")
    for serial in serials or states:
        if serial not in states:
            raise InputError(f"there is no device {one_line(serial)}; connected: {listed}.")
        state = states[serial]
        if state != "device":
            # Others tell themselves what to do: "no permissions (...); see [...]".
            remedy = _REMEDIES.get(state, f"cannot be used, adb says: {one_line(state)}")
            raise InputError(f"the device {one_line(serial)} {remedy}.")
    return [AdbDevice(serial, program) for serial in dict.fromkeys(serials or states)]


class AdbDevice:
    """One Android device.

    Attributes:
      serial: its serial number.
    """

    def __init__(self, serial: str, program: str = "adb"):
        """A device that `connect` has found usable; `program` is adb or its path."""
        self.serial = serial
        self._program = program

    def shell(self, command: str, timeout_seconds: float = _COMMAND_SECONDS) -> ShellResult:
        """Runs a command of the device's shell, which reads `command` as its own syntax.

        Raises:
          InputError: the connection broke, or the time was up, before the command ended.
        """
        # Devices before Android 7 do not report exit codes, so the shell prints it; that also
        # shows that the output is complete.
        arguments = ["-s", self.serial, "shell", f"{command} 2>&1; echo exit_code=$?"]
        result = _run(self._program, arguments, timeout_seconds)
        match = re.search(r"exit_code=(\d{1,9})\s*\Z", result.stdout)
        if match is None:
            raise InputError(
                f"the output of the device {self.serial} broke off ({_failure(result)}); check "
                "its connection and try again."
            )
        return ShellResult(int(match[1]), result.stdout[: match.start()])

    def property(self, name: str) -> str:
        """A system property, e.g. "ro.product.model"; "unknown" if it is not set."""
        return one_line(self.shell(f"getprop {name}").output) or "unknown"

    def push(self, local: str, remote: str) -> None:
        """Copies a file to the device; raises InputError if that fails."""
        # An absolute path cannot be taken for an option.
        arguments = ["-s", self.serial, "push", os.path.abspath(local), remote]
        result = _run(self._program, arguments, _PUSH_SECONDS)
        if result.returncode != 0:
            raise InputError(
                f"{local} cannot be copied to the device {self.serial} ({_failure(result)})."
            )

    @contextlib.contextmanager
    def workspace(self) -> Iterator[str]:
        """A new directory on the device, removed at the end, also after an error or Ctrl-C.

        Its name is ours alone: nothing of the user's is overwritten, and no name of a local file
        ever reaches the device's shell.
        """
        name = f"tunas_tf_{secrets.token_hex(8)}"
        directory = f"{_REMOTE_ROOT}/{name}"
        try:
            made = self.shell(f"mkdir {directory}")
            if made.exit_code != 0:
                raise InputError(
                    f"the device {self.serial} cannot be written to ({made.last_line})."
                )
            yield directory
        except BaseException:
            # What was running there may go on without us and disturb the next measurement. The
            # brackets keep the pattern from matching the command that holds it.
            self._try_shell(f"pkill -f '[{name[0]}]{name[1:]}'")
            raise
        finally:
            error = self._try_shell(f"rm -rf {directory}")
            if error is not None:
                logging.warning("%s is left on the device %s: %s", directory, self.serial, error)

    def _try_shell(self, command: str) -> str | None:
        """Runs a command where an error must not hide another; returns what failed."""
        try:
            result = self.shell(command)
        except InputError as error:
            return str(error)
        return None if result.exit_code == 0 else result.last_line
