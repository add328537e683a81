"""Which checkpoint a run goes on from when the newest ones are damaged."""

import os

import numpy as np
import pytest
import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.training import checkpoints

_DATA = "data-00000-of-00001"


def _save(directory, values: dict[int, float]) -> tf.train.Checkpoint:
    """A checkpoint for each step, whose weights all have the given value."""
    weights, step = tf.Variable(tf.zeros(1000)), tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(weights=weights, global_step=step)
    manager = tf.train.CheckpointManager(checkpoint, str(directory), max_to_keep=3)
    for number, value in values.items():
        weights.assign(tf.fill([1000], value))
        step.assign(number)
        manager.save(checkpoint_number=number)
    return checkpoint


def _newest(directory) -> str | None:
    path = checkpoints.newest(str(directory))
    return path and os.path.basename(path)


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("suffix", ["index", _DATA])
@pytest.mark.parametrize("damage", [_truncate, _change_a_byte, _empty, os.remove])
def test_of_a_damaged_checkpoint_the_one_before_is_taken(tmp_path, capsys, suffix, damage):
    _save(tmp_path, {5: 1.0, 10: 2.0, 100: 3.0})
    assert _newest(tmp_path) == "ckpt-100" and not capsys.readouterr().err
    damage(tmp_path / f"ckpt-100.{suffix}")
    assert _newest(tmp_path) == "ckpt-10"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: the checkpoint {tmp_path / 'ckpt-100'} ")
    assert str(tmp_path / "ckpt-10") in line


def test_weights_that_are_not_finite_are_no_checkpoint(tmp_path, capsys):
    _save(tmp_path, {5: 1.0, 10: float("nan"), 15: float("inf")})
    assert _newest(tmp_path) == "ckpt-5"
    assert "ckpt-15 has weights that are not finite" in capsys.readouterr().err


def test_the_state_file_is_not_needed(tmp_path):
    assert _newest(tmp_path / "absent") is None
    _save(tmp_path, {5: 1.0, 10: 2.0})
    for damage in (os.remove, _empty, lambda path: path.write_text('model_checkpoint_path: "x"')):
        damage(tmp_path / "checkpoint")
        assert _newest(tmp_path) == "ckpt-10"


def test_nothing_to_go_on_from_is_one_sentence(tmp_path):
    _save(tmp_path, {5: 1.0, 10: 2.0})
    for step in (5, 10):
        _truncate(tmp_path / f"ckpt-{step}.{_DATA}")
    with pytest.raises(InputError, match="none of the 2 checkpoints .*ckpt-10, as it is damaged"):
        checkpoints.newest(str(tmp_path))


def _manage(tmp_path, checkpoint):
    path = checkpoints.newest(str(tmp_path))
    checkpoints.prepare(str(tmp_path), path)
    return checkpoints.make_manager(checkpoint, str(tmp_path), checkpoint.global_step, 5, path)


@pytest.mark.parametrize("state", ["damaged", "absent", "older"])
def test_a_manager_goes_on_from_the_usable_one(tmp_path, capsys, state):
    checkpoint = _save(tmp_path, {5: 1.0, 10: 2.0})
    older = (tmp_path / "checkpoint").read_text()
    _save(tmp_path, {15: 3.0, 20: 4.0})
    _truncate(tmp_path / f"ckpt-20.{_DATA}")
    (tmp_path / "ckpt-25_temp").mkdir()
    (tmp_path / "ckpt-25_temp" / "part").write_text("")
    (tmp_path / "checkpoint.tmp123").write_text("")
    if state == "absent":
        os.remove(tmp_path / "checkpoint")
    else:
        (tmp_path / "checkpoint").write_text(older if state == "older" else "{")

    manager = _manage(tmp_path, checkpoint)
    assert manager.restore_or_initialize() == str(tmp_path / "ckpt-15")
    np.testing.assert_array_equal(checkpoint.weights, np.full(1000, 3.0))
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-15")
    assert not list(tmp_path.glob("*temp*")) and not list(tmp_path.glob("*.tmp*"))

    for step in (20, 25, 30):  # The damaged one is written again, and all old ones go.
        checkpoint.global_step.assign(step)
        assert manager.save(checkpoint_number=step)
    assert sorted(path.name for path in tmp_path.glob("ckpt-*.index")) == [
        "ckpt-20.index",
        "ckpt-25.index",
        "ckpt-30.index",
    ]
    capsys.readouterr()
    assert _newest(tmp_path) == "ckpt-30" and not capsys.readouterr().err


def test_a_manager_of_a_relative_directory(tmp_path, monkeypatch):
    checkpoint = _save(tmp_path / "run", {5: 1.0, 10: 2.0})
    monkeypatch.chdir(tmp_path)
    path = checkpoints.newest("run")
    checkpoints.prepare("run", path)
    manager = checkpoints.make_manager(checkpoint, "run", checkpoint.global_step, 5, path)
    assert manager.latest_checkpoint == "run/ckpt-10" and len(manager.checkpoints) == 2
    (tmp_path / "run").rename(tmp_path / "moved")
    assert tf.train.latest_checkpoint("moved") == "moved/ckpt-10"


def test_all_managers_of_a_run_save_at_the_same_steps(tmp_path):
    """That of a worker has another directory, which holds nothing to go on from."""
    checkpoint = _save(tmp_path / "run", {5: 1.0, 10: 2.0})
    managers = [_manage(tmp_path / "run", checkpoint)]
    managers[0].restore_or_initialize()
    managers.append(
        checkpoints.make_manager(
            checkpoint,
            str(tmp_path / "other"),
            checkpoint.global_step,
            5,
            managers[0].latest_checkpoint,
        )
    )
    for step, is_due in ((10, False), (12, False), (15, True), (19, False), (20, True)):
        checkpoint.global_step.assign(step)
        for manager in managers:
            saved = manager.save(checkpoint_number=step, check_interval=step > 10)
            assert (saved is not None) == is_due


def test_a_run_without_checkpoints_believes_no_state_file(tmp_path):
    checkpoint = _save(tmp_path, {5: 1.0})
    for path in tmp_path.glob("ckpt-*"):
        path.unlink()
    assert _manage(tmp_path, checkpoint).latest_checkpoint is None
