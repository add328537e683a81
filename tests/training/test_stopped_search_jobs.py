"""How searches stop before their end, and go on."""

import dataclasses
import functools
import os
import re
import resource
import signal
import threading

import numpy as np
import pytest
import small_searches
import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.training import analysis, search_job
from tunas_tf.training.loop import LoopOptions, StoppedBySignal
from tunas_tf.training.optimization import make_optimizer
from tunas_tf.training.progress import Progress
from tunas_tf.training.search_trainer import SearchTrainer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_a_checkpoint_from_which_the_search_goes_on(
    small_space, dataset, tmp_path, monkeypatch, number
):
    handler = signal.getsignal(number)
    path = tmp_path / "run"
    train_loop_end = SearchTrainer.train_loop_end

    def end_with_a_signal(self):
        if int(self.global_step) == 12:
            os.kill(os.getpid(), number)
        return train_loop_end(self)

    with monkeypatch.context() as patch:
        patch.setattr(SearchTrainer, "train_loop_end", end_with_a_signal)
        with pytest.raises(StoppedBySignal) as stopped:
            small_searches.search(small_space, dataset, path, small_searches.config())
    assert stopped.value.signal_number == number
    assert signal.getsignal(number) == handler
    saved = tf.train.load_checkpoint(str(path / "ckpt-12"))
    restored = {}

    def remember_the_start(self):
        if not restored:
            kernel = self.supernet.classifier.kernel
            name = "supernet/classifier/kernel"
            restored[name] = kernel.numpy()
            for slot in ("rms", "momentum"):
                value = self.optimizer.get_slot(kernel, slot).numpy()
                restored[f"{name}/.OPTIMIZER_SLOT/optimizer/{slot}"] = value
            for part in ("logits", "second_moment", "reward_average"):
                value = getattr(self.controller.state, part).numpy()
                restored[f"controller/state/{part}"] = value
        train_loop_begin(self)

    train_loop_begin = SearchTrainer.train_loop_begin
    with monkeypatch.context() as patch:
        patch.setattr(SearchTrainer, "train_loop_begin", remember_the_start)
        small_searches.search(small_space, dataset, path, small_searches.config())
    assert len(restored) == 6
    for name, value in restored.items():
        expected = saved.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
        np.testing.assert_array_equal(value, expected, err_msg=name)
        assert np.any(value), name
    steps = [line["step"] for line in small_searches.metrics(path)]
    assert steps == sorted(set(steps)) and steps[-1] == 24 and 12 in steps


def test_after_a_kill_the_search_goes_on_from_the_last_checkpoint(
    small_space, dataset, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    train_loop_end = SearchTrainer.train_loop_end

    def die(self):
        if int(self.global_step) == 18:
            raise MemoryError
        return train_loop_end(self)

    with monkeypatch.context() as patch:
        patch.setattr(SearchTrainer, "train_loop_end", die)
        with pytest.raises(MemoryError):
            small_searches.search(
                small_space, dataset, path, small_searches.config(), checkpoint_interval=6
            )
    assert analysis.analyze(str(path), "argmax").step == 12
    small_searches.search(
        small_space, dataset, path, small_searches.config(), checkpoint_interval=6
    )
    steps = [line["step"] for line in small_searches.metrics(path)]
    assert steps == [1, 5, 6, 12, 18, 24]


# Weights of 1e28 after the second update (in the first one the rate is 0): the L2 loss of the third
# step is infinite.
ABSURD = dataclasses.replace(small_searches.SETTINGS, model_learning_rate=1e30)


def test_a_loss_that_is_not_finite_stops_the_search(small_space, dataset, tmp_path):
    path = tmp_path / "run"
    with pytest.raises(InputError) as stopped:
        small_searches.search(small_space, dataset, path, small_searches.config(), settings=ABSURD)
    message = str(stopped.value)
    assert re.search(r"step 3, of the architecture \d:\d:\d, is not finite", message)
    assert f"the last good checkpoint is {path / 'ckpt-1'}." in message
    assert "--on_nan=skip" in message
    assert [line["step"] for line in small_searches.metrics(path)] == [1]


def test_steps_are_skipped_but_not_for_ever(small_space, dataset, tmp_path, capsys):
    path = tmp_path / "run"
    settings = dataclasses.replace(ABSURD, on_nan="skip")
    # Whole loops of skipped steps end at 6, 12, 18, 24 and 30: the last makes more than twenty.
    with pytest.raises(InputError, match="the last 25 steps were all skipped.*lower learning rate"):
        small_searches.search(
            small_space, dataset, path, small_searches.config(36), settings=settings
        )
    printed = capsys.readouterr().out
    assert "step 3, of the architecture" in printed
    assert "3 of the last 4 steps were skipped, 3 since the start" in printed
    assert "6 of the last 6 steps were skipped, 10 since the start" in printed
    lines = small_searches.metrics(path)
    assert [(line["step"], line["model/skipped_steps"]) for line in lines] == [(1, 0), (5, 3)]
    assert np.isfinite(lines[1]["model/loss"])


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(
    small_space, dataset, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    train_loop_end = SearchTrainer.train_loop_end
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_the_disk(self):
        if int(self.global_step) == 12:
            # A limit is told like a full disk, of which this machine should have none. Less than
            # a checkpoint, more than anything else.
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        return train_loop_end(self)

    with monkeypatch.context() as patch:
        patch.setattr(SearchTrainer, "train_loop_end", fill_the_disk)
        try:
            with pytest.raises(InputError) as stopped:
                small_searches.search(
                    small_space, dataset, path, small_searches.config(), checkpoint_interval=6
                )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = str(stopped.value)
    assert "nothing more can be written" in message and "(File too large)" in message
    assert message.endswith(f"resumes from {path / 'ckpt-1'}.")
    small_searches.search(
        small_space, dataset, path, small_searches.config(), checkpoint_interval=6
    )
    assert [line["step"] for line in small_searches.metrics(path)] == [1, 5, 6, 12, 18, 24]


class _Halting:
    """A source that gives no more examples to the weights until it is told to go on."""

    def __init__(self, source, num_examples):
        self._source, self._left = source, num_examples
        self.num_classes, self.image_shape = source.num_classes, source.image_shape
        self.goes_on = threading.Event()

    def num_examples(self, split):
        return self._source.num_examples(split)

    def _pass(self, image, label):
        self._left -= 1
        if self._left < 0:
            assert self.goes_on.wait(60)
        return image, label

    def examples(self, split, start, *args, **kwargs):
        examples = self._source.examples(split, start, *args, **kwargs)
        if start == 0:  # Of the reward.
            return examples

        def slow(image, label):
            passed = tf.py_function(self._pass, [image, label], [image.dtype, label.dtype])
            return [tf.ensure_shape(value, []) for value in passed]

        return examples.map(lambda *example: tuple(slow(*example)))


def test_a_pipeline_that_hangs_is_reported(small_space, dataset, tmp_path, monkeypatch):
    source = _Halting(dataset.source, 150)  # Of 24 * 8.
    lines, log = [], Progress.log

    def remember(self, line):
        lines.append(line)
        if "no step for" in line:
            source.goes_on.set()
        log(self, line)

    monkeypatch.setattr(Progress, "log", remember)
    impatient = functools.partial(LoopOptions, seconds_to_hang=0.5)
    monkeypatch.setattr(search_job, "LoopOptions", impatient)
    small_searches.search(
        small_space,
        dataclasses.replace(dataset, source=source),
        tmp_path / "run",
        small_searches.config(),
    )
    assert sum("the data pipeline, the device or the disk hangs" in line for line in lines) >= 1
    assert small_searches.metrics(tmp_path / "run")[-1]["step"] == 24


def test_a_diverging_search_stops_with_the_step(small_space, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(
        search_job,
        "make_optimizer",
        lambda variables, *_: _diverging_optimizer(variables),
    )
    # The learning rate itself, which is one of the numbers of a step, is infinite.
    with pytest.raises(InputError) as stopped:
        small_searches.search(small_space, dataset, tmp_path / "run", small_searches.config())
    message = str(stopped.value)
    assert "step 1, of the architecture " in message and "no good checkpoint" in message


def _diverging_optimizer(variables):
    return make_optimizer(variables, float("inf"), 8, 24, 0.0, 0.9)
