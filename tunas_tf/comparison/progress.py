"""How far a comparison is, and how long it will take."""

import collections
import sys
import threading
import time
from collections.abc import Sequence

import tqdm

__all__ = ["Progress", "Work"]

# What is to be done, by kind, in multiply-adds: ("search", 1e12).
Work = tuple[str, float]


class Progress:
    """One bar over the estimated work on a terminal, else lines.

    Seconds per multiply-add differ between searches, trainings and evaluations, so each kind is
    timed by itself; until one of a kind has ended, it is thought to be as fast as the others.
    """

    def __init__(self, num_workers: int):
        self._num_workers = num_workers
        self._madds: dict[str, float] = collections.defaultdict(float)
        self._seconds: dict[str, float] = collections.defaultdict(float)
        self._started: dict[object, float] = {}
        # The default lock would outlive a process that a signal ends.
        tqdm.tqdm.set_lock(threading.RLock())
        self._bar = tqdm.tqdm(
            total=1.0,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
            bar_format="{l_bar}{bar}| {elapsed}{postfix}",
        )

    def start(self, key: object) -> None:
        """An item begins."""
        self._started[key] = time.monotonic()

    def finish(self, key: object, work: Work) -> None:
        """An item has ended well."""
        kind, madds = work
        self._madds[kind] += madds
        self._seconds[kind] += time.monotonic() - self._started.pop(key)

    def fail(self, key: object) -> None:
        """An item has ended otherwise."""
        self._started.pop(key)

    def _expected_seconds(self, work: Work) -> float:
        kind, madds = work
        if self._madds[kind]:
            return madds * self._seconds[kind] / self._madds[kind]
        return madds * sum(self._seconds.values()) / sum(self._madds.values())

    def minutes_left(self, remaining: Sequence[Work]) -> float | None:
        """Expected; None before anything has ended. Of `remaining`, some is under way."""
        if not sum(self._madds.values()):
            return None
        now = time.monotonic()
        seconds = sum(map(self._expected_seconds, remaining))
        seconds -= sum(now - start for start in self._started.values())
        return max(0.0, seconds / self._num_workers / 60)

    def show(self, remaining: Sequence[Work]) -> None:
        """Moves the bar."""
        minutes = self.minutes_left(remaining)
        if minutes is not None:
            done = sum(self._seconds.values()) / self._num_workers / 60
            self._bar.n = min(1.0, done / (done + minutes)) if done + minutes else 1.0
            self._bar.set_postfix_str(f"about {minutes:.1f} minutes to go", refresh=False)
        self._bar.refresh()

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        self._bar.write(line, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        self._bar.close()
