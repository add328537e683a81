"""When a watchdog reports, with steps that come and stay away."""

import time

from tunas_tf.training.watchdog import Watchdog


class _Steps:
    """A number of steps that grows only when a test lets it."""

    def __init__(self):
        self.number = 0

    def __call__(self) -> int:
        return self.number

    def go_on(self, seconds: float, interval: float = 0.02) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(interval)
            self.number += 1


def _wait_for(lines: list[str], number: int) -> None:
    end = time.monotonic() + 30
    while len(lines) < number:
        assert time.monotonic() < end, lines
        time.sleep(0.01)


def test_a_stall_is_reported_again_and_again_until_it_is_over():
    steps, lines = _Steps(), []
    watchdog = Watchdog(steps, seconds=1.0, report=lines.append)
    watchdog.start()
    watchdog.start()
    steps.go_on(1.5)
    assert not lines
    start = time.monotonic()
    _wait_for(lines, 2)
    assert time.monotonic() - start >= 1.9
    assert "no step for 1 seconds" in lines[0] and "kill -9" in lines[0]
    assert "no step for 2 seconds" in lines[1]
    steps.go_on(0.5)
    number = len(lines)
    watchdog.stop()
    time.sleep(1.5)
    assert len(lines) == number


def test_steps_that_take_long_are_no_stall():
    steps, lines = _Steps(), []
    watchdog = Watchdog(steps, seconds=0.1, report=lines.append)
    watchdog.start()
    steps.go_on(0.2, interval=0.05)
    steps.go_on(0.3, interval=0.3)  # Three times the limit, but only six times the longest.
    watchdog.stop()
    assert not lines


def test_a_watchdog_that_never_started_can_be_stopped():
    Watchdog(_Steps(), seconds=1.0, report=print).stop()
