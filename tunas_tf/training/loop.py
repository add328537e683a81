"""Runs an Orbit trainer to its last step: checkpoints, progress, signals, resuming."""

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator

import orbit
import tensorflow as tf

from tunas_tf.common import disk
from tunas_tf.common.errors import InputError
from tunas_tf.training import checkpoints, devices
from tunas_tf.training.progress import LoopOptions, Progress
from tunas_tf.training.run_directory import RunDirectory

__all__ = [
    "LoopOptions",
    "StoppedBySignal",
    "checkpoint_megabytes",
    "run_training",
]


def checkpoint_megabytes(num_values: int) -> float:
    """Disk space of all checkpoints that a run keeps, for this many float32 values in one."""
    # One more than are kept is there while it is written.
    return (checkpoints.CHECKPOINTS_TO_KEEP + 1) * num_values * 4 / 1e6


# Those that stop a run; of two that come at once the first one here counts.
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StoppedBySignal(Exception):
    """The run was asked to stop, and has saved a checkpoint.

    Attributes:
      signal_number: of the signal that came, to this worker or to another one.
    """

    def __init__(self, signal_number: int):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


@contextlib.contextmanager
def _received_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM; a second one acts at once."""
    received: list[int] = []

    def remember(number, frame):
        del frame
        received.append(number)
        signal.signal(number, before[number])

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in before:
        signal.signal(number, remember)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _full_disk_as_bad_input(run_directory: RunDirectory) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # pylint: disable=broad-except
        if (shortage := disk.shortage(error)) is None:
            raise
        directory = tempfile.gettempdir()
        if devices.is_chief():  # Others may not clean up what it is writing.
            directory = run_directory.path
            checkpoints.remove_unfinished(directory)
        path = checkpoints.newest(run_directory.path, warn=False)
        raise InputError(
            f"nothing more can be written to {directory} ({shortage}); make room, and "
            f"the same command resumes from {path or 'the beginning'}."
        ) from None


def _received_by_any(received: list[int]) -> int | None:
    """The signal that this worker or another one has received, the same one on all of them."""
    for number, count in zip(
        _SIGNALS, devices.sum_over_workers([received.count(number) for number in _SIGNALS])
    ):
        if count:
            return number
    return None


@contextlib.contextmanager
def _checkpoint_manager(
    checkpoint: tf.train.Checkpoint,
    run_directory: RunDirectory,
    step_counter: tf.Variable,
    checkpoint_interval: int,
) -> Iterator[tf.train.CheckpointManager]:
    """What saves to the run directory, and what Orbit restores from.

    To save is something that all workers do together: some variables are sums over all. What
    others than the chief save is thrown away.
    """
    start = run_directory.checkpoint()
    devices.require_same_on_all_workers(run_directory.checkpoint_step())
    with contextlib.ExitStack() as stack:
        directory = run_directory.path
        if devices.is_chief():
            checkpoints.prepare(directory, start)
        else:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            if start is not None:
                checkpoint.restore(start)
        # All begin with the same `start`: they have to save at the same steps.
        yield checkpoints.make_manager(
            checkpoint, directory, step_counter, checkpoint_interval, start
        )


def run_training(
    trainer: orbit.AbstractTrainer,
    checkpoint: tf.train.Checkpoint,
    run_directory: RunDirectory,
    options: LoopOptions,
) -> None:
    """Trains to the last step, from the newest checkpoint if there is one.

    Args:
      trainer: with a `global_step` variable that each step increases, and a `guard`, a
        `StepGuard`; a loop returns a flat dictionary of scalars.
      checkpoint: all variables of the run, the global step and the guard's included.
      run_directory: for checkpoints, metrics and summaries.
      options: cadence and texts.

    Raises:
      StoppedBySignal: SIGINT or SIGTERM came; a checkpoint was saved.
      InputError: a step has a loss that is NaN or infinite, or nothing more can be written.
    """
    console = sys.stdout
    with (
        _received_signals() as received,
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        _full_disk_as_bad_input(run_directory),
        # Orbit prints its own lines, which would cut the progress bar to pieces.
        contextlib.redirect_stdout(nowhere),
        _checkpoint_manager(
            checkpoint, run_directory, trainer.global_step, options.checkpoint_interval
        ) as manager,
    ):
        progress = Progress(options, run_directory, trainer, console)

        def stop_if_asked(output=None) -> None:
            del output
            if (number := _received_by_any(received)) is not None:
                raise StoppedBySignal(number)

        controller = orbit.Controller(
            trainer=trainer,
            global_step=trainer.global_step,
            steps_per_loop=progress.steps_per_loop,
            checkpoint_manager=manager,
            summary_dir=run_directory.path if devices.is_chief() else None,
            summary_interval=options.iterations_per_loop,
            train_actions=[progress, stop_if_asked],
        )
        progress.start()
        run_directory.drop_metrics_after(progress.step)
        if manager.latest_checkpoint:
            progress.log(f"resumed from {manager.latest_checkpoint}, step {progress.step}")
        try:
            controller.train(options.total_steps, checkpoint_at_completion=True)
            stop_if_asked()  # After the last loop, when no action looks any more.
        except StoppedBySignal:
            manager.save(checkpoint_number=trainer.global_step, check_interval=False)
            progress.log(f"saved {manager.latest_checkpoint}; the same command resumes from it")
            raise
        finally:
            progress.stop()
