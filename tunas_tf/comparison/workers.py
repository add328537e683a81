"""Processes that do the items of a comparison, each with its share of the CPU. No TensorFlow.

They are started afresh ("spawn"), import TensorFlow once, and write what libraries print to a
log file, so that it does not cut the progress bar.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
import traceback
from typing import Any, NamedTuple

from tunas_tf.common.errors import InputError
from tunas_tf.comparison.plan import Comparison, Item, Training

__all__ = ["Outcome", "Workers", "attempt"]

# How long a worker that was asked to stop may take to save a checkpoint.
_SECONDS_TO_STOP = 120


class Outcome(NamedTuple):
    """How an item ended.

    Attributes:
      item: what was to be done.
      value: what came out; None if it failed.
      error: what went wrong; None if nothing did.
      is_defect: whether that is a mistake of the program, not of the input.
    """

    item: Item
    value: Any
    error: str | None = None
    is_defect: bool = False


def attempt(jobs, item: Item) -> Outcome:
    """Does one item; errors become part of the outcome."""
    try:
        return Outcome(item, jobs(item))
    except InputError as error:
        return Outcome(item, None, str(error))
    except Exception as error:  # pylint: disable=broad-except  # The others shall go on.
        if type(error).__name__ == "StoppedBySignal":
            raise
        traceback.print_exc()
        return Outcome(item, None, f"{type(error).__name__}: {error}", is_defect=True)


def _die_with_parent() -> None:
    """Ends this process when the one that started it is gone, by whatever means."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a worker"

    def watch():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)  # Without saving anything: whoever resumes may be at work already.

    threading.Thread(target=watch, daemon=True).start()


def _serve(connection, comparison: Comparison, num_threads: int) -> None:
    """The life of a worker."""
    _die_with_parent()
    log = os.open(comparison.path("workers.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    try:
        import tensorflow as tf
        import tqdm

        from tunas_tf.comparison.jobs import Jobs

        if num_threads:
            tf.config.threading.set_intra_op_parallelism_threads(num_threads)
            tf.config.threading.set_inter_op_parallelism_threads(num_threads)
        # The default lock would outlive a process that ends as this one does.
        tqdm.tqdm.set_lock(threading.RLock())
        jobs = Jobs(comparison)
        while (item := connection.recv()) is not None:
            print(f"=== {item!r:.200}", flush=True)
            connection.send(attempt(jobs, item))
    except (KeyboardInterrupt, EOFError):
        pass
    except Exception as error:  # pylint: disable=broad-except
        if type(error).__name__ != "StoppedBySignal":
            traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Past the threads of the input pipeline, which have nothing left to save.
        os._exit(0)


class Workers:
    """A fixed number of processes, each with one item at a time."""

    def __init__(self, comparison: Comparison, number: int):
        """
        Args:
          comparison: whose items they do.
          number: of processes; together they take all CPU cores.
        """
        self.number = number
        self._comparison = comparison
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[tuple] = []
        self._busy: dict[Any, tuple] = {}

    @property
    def has_idle(self) -> bool:
        return len(self._busy) < self.number

    def _new(self) -> tuple:
        ours, theirs = self._context.Pipe()
        # One process may take all cores by TensorFlow's own rule.
        num_threads = 0 if self.number == 1 else max(1, (os.cpu_count() or 1) // self.number)
        process = self._context.Process(
            target=_serve, args=(theirs, self._comparison, num_threads), daemon=True
        )
        process.start()
        theirs.close()
        return process, ours

    def start(self, item: Item) -> None:
        """Gives an item to an idle worker."""
        process, connection = self._idle.pop() if self._idle else self._new()
        connection.send(item)
        self._busy[connection] = (process, item)

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """The outcomes of items that have ended, after one has, or after `timeout` seconds."""
        outcomes = []
        ready: list[Any] = multiprocessing.connection.wait(list(self._busy), timeout)
        for connection in ready:
            process, item = self._busy.pop(connection)
            try:
                outcomes.append(connection.recv())
                if isinstance(item, Training):
                    self._idle.append((process, connection))
                else:
                    # TensorFlow never gives back the memory that a supernet's graph took.
                    connection.send(None)
            except (EOFError, ConnectionError):
                process.join()
                error = (
                    f"a worker process ended with code {process.exitcode}, as it does when memory "
                    "runs out; workers.log may say more"
                )
                outcomes.append(Outcome(item, None, error, is_defect=True))
        return outcomes

    def close(self) -> None:
        """Ends all processes; those at work save a checkpoint first."""
        for _, connection in self._idle:
            with contextlib.suppress(OSError):  # It may be gone.
                connection.send(None)
        for process, _ in self._busy.values():
            process.terminate()
        for process, _ in (*self._idle, *self._busy.values()):
            process.join(_SECONDS_TO_STOP)
            if process.is_alive():
                process.kill()
                process.join()
        self._idle, self._busy = [], {}
