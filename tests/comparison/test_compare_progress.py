"""The time that is left, from what was done so far."""

import pytest

from tunas_tf.comparison import progress as progress_lib


@pytest.fixture(name="clock")
def _clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress_lib.time, "monotonic", lambda: now[0])
    return now


def test_each_kind_of_work_has_its_own_speed(clock):
    progress = progress_lib.Progress(num_workers=1)
    assert progress.minutes_left([("search", 1.0)]) is None
    progress.start("a")
    clock[0] = 60.0
    progress.finish("a", ("search", 10.0))
    # Nothing else is known: trainings are thought to be as fast as the search.
    assert progress.minutes_left([("search", 20.0), ("training", 10.0)]) == pytest.approx(3.0)
    progress.start("b")
    clock[0] = 90.0
    progress.finish("b", ("training", 1.0))
    assert progress.minutes_left([("search", 20.0), ("training", 10.0)]) == pytest.approx(7.0)
    progress.close()


def test_workers_share_what_is_left(clock):
    progress = progress_lib.Progress(num_workers=2)
    for key in ("a", "b"):
        progress.start(key)
    clock[0] = 60.0
    progress.finish("a", ("training", 1.0))
    # Three minutes in all, of which "b" has had one.
    assert progress.minutes_left([("training", 3.0)]) == pytest.approx(1.0)
    progress.fail("b")
    assert progress.minutes_left([("training", 3.0)]) == pytest.approx(1.5)
    progress.close()


def test_without_a_terminal_there_are_lines_only(clock, capsys):
    progress = progress_lib.Progress(num_workers=1)
    progress.start("a")
    clock[0] = 60.0
    progress.finish("a", ("search", 1.0))
    progress.show([("search", 1.0)])
    progress.say("one network")
    progress.close()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("one network\n", "")
