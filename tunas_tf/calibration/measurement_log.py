"""Latencies appended to a file as they are measured, so that a calibration can be continued.

A file of JSON lines: the first says what is measured and on what, each of the others holds
`key` (of a subject, see `plan.key_of`), `latency_ms` (the median of the runs) and
`pass_number` (0 for the first look at it).
"""

import json
import os
from typing import Any

from tunas_tf.common.errors import InputError

__all__ = ["MeasurementLog"]


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
            if not os.path.exists(path) or not os.path.getsize(path):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(json.dumps({"settings": settings}) + "\n")
                return
            self._read(settings)
            with open(path, "a", encoding="utf-8"):
                pass
        except OSError as error:
            raise InputError(
                f"the measurements {path} cannot be written ({error.strerror}); give an --output "
                "that you may write to."
            ) from None

    def _read(self, settings: dict[str, Any]) -> None:
        with open(self.path, "rb") as file:
            content = file.read()
        # A kill in the middle of a line leaves it without its end.
        complete = content[: content.rfind(b"\n") + 1]
        try:
            header, *lines = map(json.loads, complete.splitlines())
            before = header["settings"]
            for line in lines:
                self._latencies[line["key"], line["pass_number"]] = float(line["latency_ms"])
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{self.path} is no file of measurements, or damaged; give another --output, or "
                "delete it to measure anew."
            ) from None
        for name in sorted({*before, *settings}):
            if before.get(name) != settings.get(name):
                raise InputError(
                    f"{self.path} holds measurements with {name}={before.get(name)}, now it is "
                    f"{settings.get(name)}; give the same to continue, or another --output."
                )
        if len(complete) < len(content):
            with open(self.path, "r+b") as file:
                file.truncate(len(complete))

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
