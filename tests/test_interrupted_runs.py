"""Deterministic runs that are killed and started again end as if nothing had happened."""

import signal

import interrupted_runs
import pytest

from tunas_tf.training import analysis

_SEARCH = (
    "--reward_fraction=0.25",
    "--cost_model=madds",
    "--cost_tolerance=0.3",
    "--rl_batch_size_multiplier=1",
    "--rl_learning_rate=0.1",
    "--epochs=20",
)
# All that has a state: moving averages, dropout of features and of branches.
_TRAIN = (
    "--indices=0:1:0:1:0:0",
    "--ema_decay=0.9",
    "--dropout_rate=0.3",
    "--path_dropout_rate=0.3",
    "--epochs=15",
)


def _finish(process) -> str:
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    return printed


# Lines of the metrics of a whole run.
_NUM_LINES = 24


@pytest.mark.slow
@pytest.mark.parametrize(
    "module, flags, signals",
    [
        # The lines of metrics before each signal: between two checkpoints.
        ("search", _SEARCH, {3: signal.SIGKILL, 10: signal.SIGTERM}),
        ("train_eval", _TRAIN, {6: signal.SIGKILL}),
    ],
)
def test_a_run_ends_the_same_however_it_is_interrupted(
    tmp_path, image_folder, module, flags, signals
):
    interrupted_runs.prepare(tmp_path, image_folder)
    command = (f"tunas_tf.{module}", "--flagfile=tiny.flags", "--deterministic", *flags)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    undisturbed = interrupted_runs.start(tmp_path, *command, "--checkpoint_dir=whole")

    for lines, number in signals.items():
        process = interrupted_runs.start(tmp_path, *command, "--checkpoint_dir=broken")
        interrupted_runs.end_early(process, broken, lines, number)
    printed = _finish(interrupted_runs.start(tmp_path, *command, "--checkpoint_dir=broken"))
    assert "resumed from broken/ckpt-" in printed
    _finish(undisturbed)

    assert len((whole / "metrics.jsonl").read_text().splitlines()) == _NUM_LINES
    assert (whole / "metrics.jsonl").read_text() == (broken / "metrics.jsonl").read_text()
    assert interrupted_runs.difference(whole, broken) == []
    if module == "search":
        one, other = (
            analysis.to_json(analysis.analyze(str(path), "feasible")) for path in (whole, broken)
        )
        assert one == other
    else:
        evaluations = [(path / "evaluation.json").read_text() for path in (whole, broken)]
        assert evaluations[0] == evaluations[1]
