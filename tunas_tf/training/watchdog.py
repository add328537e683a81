"""Says so when a training hangs: nothing else would, as the main thread waits for it."""

import os
import threading
import time
from collections.abc import Callable

__all__ = ["Watchdog"]

# A step may take this many times as long as the longest one before.
_PATIENCE = 10.0


class Watchdog:
    """Watches the number of steps from a thread of its own, between `start` and `stop`."""

    def __init__(self, step: Callable[[], int], seconds: float, report: Callable[[str], None]):
        """
        Args:
          step: reads the number of steps done, which changes within a loop, too.
          seconds: without a step, after which to report, and from one report to the next.
          report: takes a line of text.
        """
        self._step = step
        self._seconds = seconds
        self._report = report
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begins to watch; does nothing if it has begun before."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            # Not for ever: reading the step may hang where the device does.
            self._thread.join(1.0)

    def _watch(self) -> None:
        step, last_change = self._step(), time.monotonic()
        last_report, longest = last_change, 0.0
        while not self._stopped.wait(self._seconds / 100):
            now, new_step = time.monotonic(), self._step()
            if new_step != step:
                longest = max(longest, now - last_change)
                step, last_change, last_report = new_step, now, now
            elif now - last_report >= max(self._seconds, _PATIENCE * longest):
                last_report = now
                self._report(
                    f"warning: no step for {_duration(now - last_change)}; the data pipeline, "
                    f"the device or the disk hangs. If it stays so, end the process with kill -9 "
                    f"{os.getpid()}; the same command then resumes from the newest checkpoint."
                )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
