"""Latencies appended to a file as they are measured, so that a calibration can be continued.

A file of JSON lines: the first says what is measured and on what ("settings"), and its format
("version"); each of the others holds
`key` (of a subject, see `plan.key_of`), `latency_ms` (the median of the runs) and
`pass_number` (0 for the first look at it).
"""

import json
import os
from typing import Any

from tunas_tf.common import checks, json_files
from tunas_tf.common.errors import InputError, one_line

__all__ = ["MeasurementLog"]


_HEADER = checks.record({"settings": checks.record({})})
_LINE = checks.record(
    {
        "key": checks.text,
        "pass_number": checks.integer(0),
        "latency_ms": checks.number(0, 1e12),
    }
)


class MeasurementLog:
    """Measurements in a file, those of earlier processes included.

    Attributes:
      path: of the file.
    """

    def __init__(self, path: str, settings: dict[str, Any]):
        """Opens the file, or begins it.

        Args:
          path: of the file.
          settings: what must be equal for measurements to belong together, JSON values.

        Raises:
          InputError: the file holds other measurements, or cannot be written.
        """
        self.path = path
        self._latencies: dict[tuple[str, int], float] = {}
        # Through JSON, which knows no tuples.
        settings = json.loads(json.dumps(settings))
        try:
            if os.path.lexists(path) and self._read(settings):
                with open(path, "a", encoding="utf-8"):
                    return
            with open(path, "w", encoding="utf-8") as file:
                header = {"version": json_files.VERSIONS["measurements"], "settings": settings}
                file.write(json.dumps(header) + "\n")
        except OSError as error:
            raise InputError(
                f"the measurements {path} cannot be written ({error.strerror}); give an --output "
                "that you may write to."
            ) from None

    def _read(self, settings: dict[str, Any]) -> bool:
        """Takes up what the file holds; whether that is anything."""
        content = json_files.read_bytes(self.path, json_files.MAX_LOG_BYTES)
        if not content:
            return False
        # A kill in the middle of a line leaves it without its end.
        complete = content[: content.rfind(b"\n") + 1]
        try:
            header, *lines = map(json_files.parse_json, complete.split(b"\n")[:-1] or [b""])
            json_files.check_version(self.path, header, "measurements")
            _HEADER(header)
            for line in lines:
                _LINE(line)
                self._latencies[line["key"], line["pass_number"]] = float(line["latency_ms"])
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"{self.path} is no file of measurements, or damaged ({error}); give another "
                "--output, or delete it to measure anew."
            ) from None
        before = header["settings"]
        for name in sorted({*before, *settings}):
            if before.get(name) != settings.get(name):
                old, new = (one_line(values.get(name), 80) for values in (before, settings))
                raise InputError(
                    f"{self.path} holds measurements with {one_line(name, 80)}={old}, now it is "
                    f"{new}; give the same to continue, or another --output."
                )
        if len(complete) < len(content):
            with open(self.path, "r+b") as file:
                file.truncate(len(complete))
        return True

    def __len__(self) -> int:
        return len(self._latencies)

    def has(self, key: str, pass_number: int) -> bool:
        return (key, pass_number) in self._latencies

    def append(self, key: str, pass_number: int, latency_ms: float) -> None:
        self._latencies[key, pass_number] = latency_ms
        line = {"key": key, "pass_number": pass_number, "latency_ms": latency_ms}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def latency_ms(self, key: str, num_passes: int) -> float:
        """The lowest of the passes: what else a machine does makes models slower, never faster."""
        return min(self._latencies[key, number] for number in range(num_passes))
