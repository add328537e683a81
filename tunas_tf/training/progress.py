"""What a run says while it trains: the progress bar, metrics, warnings, and why it has to end."""

import dataclasses
import sys
import time
from collections.abc import Callable
from typing import TextIO

import orbit
import tqdm

from tunas_tf.common.errors import InputError
from tunas_tf.search_space import traversal
from tunas_tf.training import checkpoints
from tunas_tf.training.run_directory import RunDirectory
from tunas_tf.training.step_guard import BadStep
from tunas_tf.training.watchdog import Watchdog

__all__ = ["LoopOptions", "Metrics", "Progress"]

# Where the first loops end. They trace, and run options for the first time, which says nothing
# about later ones.
_FIRST_ENDS = (1, 5)
_LOG_LINES = 20
# Whole loops of skipped steps, of so many together, are no accident: the weights are beyond help.
_MAX_SKIPPED_IN_A_ROW = 20

Metrics = dict[str, float]


@dataclasses.dataclass(frozen=True)
class LoopOptions:
    """How a run is driven.

    Attributes:
      total_steps: where it ends.
      iterations_per_loop: steps between two looks from outside: one tf.function call.
      checkpoint_interval: steps between checkpoints.
      summarize: from the metrics of a loop to the text beside the progress bar.
      warn: from the step and the metrics of a loop to a warning, or None.
      seconds_to_hang: after so long without a step the run says that something hangs.
    """

    total_steps: int
    iterations_per_loop: int
    checkpoint_interval: int
    summarize: Callable[[Metrics], str]
    warn: Callable[[int, Metrics], str | None] = lambda step, metrics: None
    seconds_to_hang: float = 300.0


class Progress:
    """Called by Orbit after every loop of steps."""

    def __init__(
        self,
        options: LoopOptions,
        run_directory: RunDirectory,
        trainer: orbit.AbstractTrainer,
        console: TextIO,
    ):
        """
        Args:
          options: cadence and texts.
          run_directory: for metrics.
          trainer: with a `global_step` and a `guard`.
          console: where lines are printed.
        """
        self.options = options
        self.run_directory = run_directory
        self.trainer = trainer
        self.console = console
        self.loops = 0
        self.skipped_in_a_row = 0
        self.watchdog = Watchdog(
            lambda: int(trainer.global_step.numpy()), options.seconds_to_hang, self.log
        )

    def start(self) -> None:
        """Begins at the step that the trainer stands at."""
        self.step = int(self.trainer.global_step.numpy())
        self.skipped = int(self.trainer.guard.skipped_steps.numpy())
        self.last_logged = -1.0
        self.timed_from: tuple[int, float] | None = None
        self.bar = tqdm.tqdm(
            total=self.options.total_steps,
            initial=self.step,
            unit="step",
            dynamic_ncols=True,
            # Where nobody watches a bar move, the log lines alone are enough.
            disable=not sys.stderr.isatty(),
        )

    def stop(self) -> None:
        self.watchdog.stop()
        self.bar.close()

    def steps_per_loop(self, step: int) -> int:
        """Loops end at the same steps in every process of a run."""
        iterations = self.options.iterations_per_loop
        following = step - step % iterations + iterations
        return next((end for end in _FIRST_ENDS if end > step), following) - step

    def __call__(self, output) -> None:
        step, now = int(self.trainer.global_step.numpy()), time.monotonic()
        num_steps = step - self.step
        self.watchdog.start()  # The first loop is over, which takes long to compile.
        if self._look_at_bad_steps(num_steps) < num_steps:
            metrics = {name: float(value) for name, value in output.items()}
            self._report(step, metrics, self._time_left(step, now))
        self.bar.update(num_steps)
        self.loops += 1
        if self.loops == len(_FIRST_ENDS):
            self.timed_from = (step, now)
        elif self.loops == len(_FIRST_ENDS) + 1 and (left := self._time_left(step, now)):
            self.log(f"step {step}/{self.options.total_steps}:{left}")
        self.step = step

    def _time_left(self, step: int, now: float) -> str:
        """The estimate by all steps after the first loops; "" before there is one."""
        if self.timed_from is None or step == self.options.total_steps:
            return ""
        first_step, start = self.timed_from
        seconds = (now - start) / (step - first_step) * (self.options.total_steps - step)
        return f"  {seconds / 60:.0f} min left" if seconds > 90 else f"  {seconds:.0f} s left"

    def _report(self, step: int, metrics: Metrics, time_left: str) -> None:
        self.run_directory.append_metrics({"step": step, **metrics})
        summary = self.options.summarize(metrics)
        self.bar.set_postfix_str(summary)
        interval = self.options.total_steps / _LOG_LINES
        if step // interval > self.last_logged or step == self.options.total_steps:
            self.last_logged = step // interval
            self.log(f"step {step}/{self.options.total_steps}: {summary}{time_left}")
        if warning := self.options.warn(step, metrics):
            self.log(f"warning: {warning}")

    def _look_at_bad_steps(self, num_steps: int) -> int:
        """Returns how many steps of the loop were skipped; raises if the run has to end."""
        guard = self.trainer.guard
        if (bad := guard.first_bad_step()) is None:
            self.skipped_in_a_row = 0
            return 0
        if not guard.skips:
            raise InputError(
                f"{_description(bad)} is not finite; {self._last_good_checkpoint()}. Give "
                "--on_nan=skip to leave such steps out, or another --checkpoint_dir and a lower "
                "learning rate to start anew."
            )
        total = int(guard.skipped_steps.numpy())
        skipped, self.skipped = total - self.skipped, total
        self.log(
            f"warning: {_description(bad)} is not finite; {skipped} of the last "
            f"{num_steps} steps were skipped, {total} since the start"
        )
        self.skipped_in_a_row = self.skipped_in_a_row + skipped if skipped == num_steps else 0
        if self.skipped_in_a_row >= _MAX_SKIPPED_IN_A_ROW:
            raise InputError(
                f"the last {self.skipped_in_a_row} steps were all skipped, the last one of them "
                f"{self.step + num_steps}, as their numbers were not finite; "
                f"{self._last_good_checkpoint()}. Start anew, in another --checkpoint_dir, with a "
                "lower learning rate."
            )
        return skipped

    def _last_good_checkpoint(self) -> str:
        try:
            path = checkpoints.newest(self.run_directory.path, warn=False)
        except InputError:
            path = None
        return f"the last good checkpoint is {path}" if path else "there is no good checkpoint"

    def log(self, line: str) -> None:
        self.bar.write(line, file=self.console)
        self.console.flush()


def _description(bad: BadStep) -> str:
    text = f"the loss or another number of step {bad.step}"
    if bad.indices:
        text += f", of the architecture {traversal.format_indices(bad.indices)},"
    return text
