"""Runs an Orbit trainer to its last step: checkpoints, progress, signals, resuming."""

import contextlib
import os
import signal
import sys
from typing import Iterator

import orbit
import tensorflow as tf

from tunas_tf.common import disk
from tunas_tf.common.errors import InputError
from tunas_tf.training import checkpoints
from tunas_tf.training.progress import LoopOptions, Progress
from tunas_tf.training.run_directory import RunDirectory

__all__ = ["LoopOptions", "StoppedBySignal", "checkpoint_megabytes", "run_training"]


def checkpoint_megabytes(num_values: int) -> float:
    """Disk space of all checkpoints that a run keeps, for this many float32 values in one."""
    # One more than are kept is there while it is written.
    return (checkpoints.CHECKPOINTS_TO_KEEP + 1) * num_values * 4 / 1e6


class StoppedBySignal(Exception):
    """The run was asked to stop, and has saved a checkpoint. `signal_number` says by what."""

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

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
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
        checkpoints.remove_unfinished(run_directory.path)
        path = checkpoints.newest(run_directory.path, warn=False)
        raise InputError(
            f"nothing more can be written to {run_directory.path} ({shortage}); make room, and "
            f"the same command resumes from {path or 'the beginning'}."
        ) from None


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
    with _received_signals() as received, open(os.devnull, "w", encoding="utf-8") as nowhere:
        # Orbit prints its own lines, which would cut the progress bar to pieces.
        with _full_disk_as_bad_input(run_directory), contextlib.redirect_stdout(nowhere):
            manager = checkpoints.open_manager(
                checkpoint,
                run_directory.path,
                run_directory.checkpoint(),
                trainer.global_step,
                options.checkpoint_interval,
            )
            progress = Progress(options, run_directory, trainer, console)

            def stop_if_asked(output=None) -> None:
                del output
                if received:
                    raise StoppedBySignal(received[0])

            controller = orbit.Controller(  # Restores the checkpoint.
                trainer=trainer,
                global_step=trainer.global_step,
                steps_per_loop=progress.steps_per_loop,
                checkpoint_manager=manager,
                summary_dir=run_directory.path,
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
