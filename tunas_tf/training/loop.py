"""Runs an Orbit trainer to its last step: checkpoints, progress, signals, resuming."""

import contextlib
import dataclasses
import math
import os
import signal
import sys
import time
from typing import Callable, Iterator, Optional

import orbit
import tensorflow as tf
import tqdm

from tunas_tf.common.errors import InputError
from tunas_tf.training.run_directory import RunDirectory

__all__ = ["LoopOptions", "StoppedBySignal", "checkpoint_megabytes", "run_training"]

# The first loop traces, which says nothing about later ones; the second is for the estimate.
_FIRST_LOOPS = (1, 4)
_CHECKPOINTS_TO_KEEP = 3
_LOG_LINES = 20

Metrics = dict[str, float]


def checkpoint_megabytes(num_values: int) -> float:
    """Disk space of all checkpoints that a run keeps, for this many float32 values in one."""
    # One more than are kept is there while it is written.
    return (_CHECKPOINTS_TO_KEEP + 1) * num_values * 4 / 1e6


class StoppedBySignal(Exception):
    """The run was asked to stop, and has saved a checkpoint. `signal_number` says by what."""

    def __init__(self, signal_number: int):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


@dataclasses.dataclass(frozen=True)
class LoopOptions:
    """How a run is driven.

    Attributes:
      total_steps: where it ends.
      iterations_per_loop: steps between two looks from outside: one tf.function call.
      checkpoint_interval: steps between checkpoints.
      summarize: from the metrics of a loop to the text beside the progress bar.
      warn: from the step and the metrics of a loop to a warning, or None.
    """

    total_steps: int
    iterations_per_loop: int
    checkpoint_interval: int
    summarize: Callable[[Metrics], str]
    warn: Callable[[int, Metrics], Optional[str]] = lambda step, metrics: None


@contextlib.contextmanager
def _received_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM; a second one acts at once."""
    received: list[int] = []

    def remember(number, frame):
        del frame
        received.append(number)
        signal.signal(number, before[number])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, remember)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Progress:
    """Called by Orbit after every loop of steps."""

    def __init__(self, options, run_directory, trainer, received, console):
        self.options = options
        self.run_directory = run_directory
        self.trainer = trainer
        self.received = received
        self.console = console
        self.loops = 0

    def start(self) -> None:
        """Begins at the step that the trainer stands at."""
        self.step = int(self.trainer.global_step)
        self.last_logged = -1
        self.last_time = time.monotonic()
        self.bar = tqdm.tqdm(
            total=self.options.total_steps,
            initial=self.step,
            unit="step",
            dynamic_ncols=True,
            # Where nobody watches a bar move, the log lines alone are enough.
            disable=not sys.stderr.isatty(),
        )

    def steps_per_loop(self, step: int) -> int:
        if self.loops < len(_FIRST_LOOPS):
            return _FIRST_LOOPS[self.loops]
        return self.options.iterations_per_loop - step % self.options.iterations_per_loop

    def __call__(self, output) -> None:
        step, now = int(self.trainer.global_step), time.monotonic()
        seconds_per_step = (now - self.last_time) / max(1, step - self.step)
        metrics = {name: float(value) for name, value in output.items()}
        if not all(map(math.isfinite, metrics.values())):
            bad = next(name for name, value in metrics.items() if not math.isfinite(value))
            raise InputError(
                f"{bad} is not a finite number between steps {self.step} and {step} of the run in "
                f"{self.run_directory.path}; start anew, in another --checkpoint_dir, with a lower "
                "learning rate."
            )
        self.run_directory.append_metrics({"step": step, **metrics})
        summary = self.options.summarize(metrics)
        self.bar.update(step - self.step)
        self.bar.set_postfix_str(summary)
        if self.loops == len(_FIRST_LOOPS) - 1:
            minutes = seconds_per_step * (self.options.total_steps - step) / 60
            self.log(f"about {minutes:.1f} minutes to go, at {seconds_per_step:.2f} s per step")
        interval = self.options.total_steps / _LOG_LINES
        if step // interval > self.last_logged or step == self.options.total_steps:
            self.last_logged = step // interval
            self.log(f"step {step}/{self.options.total_steps}: {summary}")
        if warning := self.options.warn(step, metrics):
            self.log(f"warning: {warning}")
        self.loops += 1
        self.step, self.last_time = step, now
        if self.received:
            raise StoppedBySignal(self.received[0])

    def log(self, line: str) -> None:
        self.bar.write(line, file=self.console)
        self.console.flush()


def run_training(
    trainer: orbit.AbstractTrainer,
    checkpoint: tf.train.Checkpoint,
    run_directory: RunDirectory,
    options: LoopOptions,
) -> None:
    """Trains to the last step, from the newest checkpoint if there is one.

    Args:
      trainer: with a `global_step` variable that each step increases; a loop returns a flat
        dictionary of scalars.
      checkpoint: all variables of the run, the global step included. The position in the
        data is not saved.
      run_directory: for checkpoints, metrics and summaries.
      options: cadence and texts.

    Raises:
      StoppedBySignal: SIGINT or SIGTERM came; a checkpoint was saved.
      InputError: a metric is NaN or infinite.
    """
    manager = tf.train.CheckpointManager(
        checkpoint,
        run_directory.path,
        max_to_keep=_CHECKPOINTS_TO_KEEP,
        step_counter=trainer.global_step,
        checkpoint_interval=options.checkpoint_interval,
    )
    console = sys.stdout
    with _received_signals() as received, open(os.devnull, "w", encoding="utf-8") as nowhere:
        # Orbit prints its own lines, which would cut the progress bar to pieces.
        with contextlib.redirect_stdout(nowhere):
            progress = _Progress(options, run_directory, trainer, received, console)
            controller = orbit.Controller(  # Restores the newest checkpoint.
                trainer=trainer,
                global_step=trainer.global_step,
                steps_per_loop=progress.steps_per_loop,
                checkpoint_manager=manager,
                summary_dir=run_directory.path,
                summary_interval=options.iterations_per_loop,
                train_actions=[progress],
            )
            progress.start()
            run_directory.drop_metrics_after(progress.step)
            if manager.latest_checkpoint:
                progress.log(f"resumed from {manager.latest_checkpoint}, step {progress.step}")
            try:
                controller.train(options.total_steps, checkpoint_at_completion=True)
                if received:  # After the last loop, when no action looks any more.
                    raise StoppedBySignal(received[0])
            except StoppedBySignal:
                path = manager.save(checkpoint_number=trainer.global_step, check_interval=False)
                progress.log(f"saved {path}; the same command resumes from it")
                raise
            finally:
                progress.bar.close()
