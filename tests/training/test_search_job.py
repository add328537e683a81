"""Whole searches on a small space: what they write, how they stop and go on."""

import dataclasses
import functools
import json
import os
import re
import resource
import signal
import threading

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.common.errors import InputError
from tunas_tf.controller import ControllerConfig
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.models import Supernet
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import traversal
from tunas_tf.training import analysis, search_job
from tunas_tf.training.classification import ClassificationTask
from tunas_tf.training.loop import LoopOptions, StoppedBySignal
from tunas_tf.training.progress import Progress
from tunas_tf.training.run_directory import RunDirectory
from tunas_tf.training.search_settings import SearchSettings
from tunas_tf.training.search_trainer import SearchTrainer

SETTINGS = SearchSettings(
    augment=True,
    optimizer="rmsprop",
    model_learning_rate=1.0,
    model_warmup_steps_fraction=0.1,
    model_momentum=0.9,
    model_weight_decay=1e-4,
    rl_batch_size_multiplier=1.0,
    seed=0,
    cost_tolerance=0.05,
)


# Of the network (kernel 3, expansion 1), by hand. Stem: 9 * 3 * 8 at 8 x 8; bottleneck: 8 * 8,
# 9 * 8 and 8 * 8 at 8 x 8; classifier: 8 * 2.
TARGET = 64.0 * (216 + 64 + 72 + 64) + 16


def config(total_steps=24, **changes) -> ControllerConfig:
    return ControllerConfig(
        total_steps=total_steps, train_batch_size=8, rl_cost_model_target=TARGET, **changes
    )


def search(
    space,
    dataset,
    path,
    controller_config,
    checkpoint_interval=100,
    cost="madds",
    use_bfloat16=False,
    settings=SETTINGS,
):
    cost_model = cost and cost_model_lib.get(cost, space, 16, 2)
    documents = {"search_space": architecture_lib.to_json(space)}
    if cost:
        documents["cost_model"] = cost_model_files.to_json(cost_model, {})
    directory = RunDirectory(
        str(path),
        "search",
        {
            "cost_model": cost,
            "cost_tolerance": 0.05,
            "enable_cost_model": bool(cost),
            "image_size": 16,
            "dataset": "image_folder",
            "filters_multiplier": 1.0,
            "seed": 0,
        },
        {
            "derived": {
                "num_classes": 2,
                "total_steps": controller_config.total_steps,
                "rl_cost_model_target": controller_config.rl_cost_model_target,
            },
            "versions": {},
        },
        documents,
    )
    search_job.run_search(
        task=ClassificationTask(label_smoothing=0.1),
        supernet=search_job.make_supernet(lambda: Supernet(space, 2), settings.seed, use_bfloat16),
        dataset=dataset,
        cost_model=cost_model,
        controller_config=controller_config,
        settings=settings,
        run_directory=directory,
        iterations_per_loop=6,
        checkpoint_interval=checkpoint_interval,
    )


def metrics(path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(small_space, dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "run"
    search(small_space, dataset, path, config())
    return path


def test_a_search_learns_and_logs(finished, small_space):
    lines = metrics(finished)
    assert [line["step"] for line in lines] == [1, 5, 6, 12, 18, 24]
    # Dark or bright: a supernet of one bottleneck learns that in 24 steps.
    assert lines[-1]["rlcontroller/validation_accuracy"] > 0.9
    last = lines[-1]
    assert last["model/loss"] == pytest.approx(
        last["model/empirical_loss"] + last["model/regularization_loss"], rel=1e-5
    )
    assert last["rlcontroller/reward"] == pytest.approx(
        last["rlcontroller/validation_accuracy"] + last["rlcontroller/cost_adjustment"], abs=1e-5
    )
    assert lines[0]["rlcontroller/increase_ops_prob"] == 1.0
    assert last["rlcontroller/increase_ops_prob"] == 0.0
    assert lines[0]["rlcontroller/learning_rate"] == 0.0
    assert last["rlcontroller/learning_rate"] > 0.0


def test_tensorboard_events_have_the_published_names(finished):
    tags = set()
    for file in finished.glob("events.out.*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            tags.update(value.tag for value in event.summary.value)
    assert {
        "model/loss",
        "model/learning_rate",
        "rlcontroller/cost_ratio",
        "rlcontroller/step_baseline",
        "rlpathlogits/blocks/1/layers/0/layer/0",
        "rlpathlogits/blocks/1/layers/0/layer/choices/0/kernel_size/1",
        "rltaglogits/op_indices_1/1",
        "rltaglogits/filters_indices_0/0",
    } <= tags


def test_a_finished_search_started_again_changes_nothing(finished, small_space, dataset):
    before = metrics(finished)
    search(small_space, dataset, finished, config())
    assert metrics(finished) == before


def test_analysis_reads_the_search(finished, small_space):
    result = analysis.analyze(str(finished), "feasible")
    assert result.step == 24
    cost_model = cost_model_lib.get("madds", small_space, 16, 2)
    costs = {
        indices: float(cost_model.cost(indices))
        for indices in np.ndindex(*[c.num_options for c in traversal.choices_of(small_space)])
    }
    probability = {
        indices: np.prod([row[i] for row, i in zip(result.probabilities, indices)])
        for indices in costs
    }
    in_window = [i for i in costs if abs(costs[i] / TARGET - 1) <= 0.05]
    assert result.selections["feasible"].indices == max(in_window, key=probability.get)
    assert result.selections["argmax"].indices == max(costs, key=probability.get)
    assert result.expected_cost == pytest.approx(sum(probability[i] * costs[i] for i in costs))
    assert metrics(finished)[-1]["rlcontroller/expected_cost"] == pytest.approx(
        result.expected_cost,
        rel=0.02,  # Of the last loop's mean.
    )

    assert analysis.analyze(str(finished)).select == "feasible"

    path = analysis.write_architecture(str(finished), result)
    assert architecture_lib.load(path) == result.architecture
    assert "proven the most probable" in analysis.to_text(result)


def test_without_a_cost_model_the_reward_is_the_accuracy(small_space, dataset, tmp_path):
    no_target = dataclasses.replace(config(6), rl_cost_model_target=None)
    search(small_space, dataset, tmp_path / "run", no_target, cost=None)
    last = metrics(tmp_path / "run")[-1]
    assert last["rlcontroller/reward"] == last["rlcontroller/validation_accuracy"]
    assert "rlcontroller/estimated_cost" not in last
    found = analysis.analyze(str(tmp_path / "run"))
    assert found.select == "argmax" and found.cost_model is None
    for arguments in ({"select": "feasible"}, {"tolerance": 0.1}):
        with pytest.raises(InputError, match="had no cost model.*leave out"):
            analysis.analyze(str(tmp_path / "run"), **arguments)


def test_a_signal_saves_a_checkpoint_from_which_the_search_goes_on(
    small_space, dataset, tmp_path, monkeypatch
):
    path = tmp_path / "run"
    train_loop_end = SearchTrainer.train_loop_end

    def end_with_a_signal(self):
        if int(self.global_step) == 12:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_loop_end(self)

    with monkeypatch.context() as patch:
        patch.setattr(SearchTrainer, "train_loop_end", end_with_a_signal)
        with pytest.raises(StoppedBySignal) as stopped:
            search(small_space, dataset, path, config())
    assert stopped.value.signal_number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
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
        search(small_space, dataset, path, config())
    assert len(restored) == 6
    for name, value in restored.items():
        expected = saved.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
        np.testing.assert_array_equal(value, expected, err_msg=name)
        assert np.any(value), name
    steps = [line["step"] for line in metrics(path)]
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
            search(small_space, dataset, path, config(), checkpoint_interval=6)
    assert analysis.analyze(str(path), "argmax").step == 12
    search(small_space, dataset, path, config(), checkpoint_interval=6)
    steps = [line["step"] for line in metrics(path)]
    assert steps == [1, 5, 6, 12, 18, 24]


# Weights of 1e28 after the second update (in the first one the rate is 0): the L2 loss of the third
# step is infinite.
ABSURD = dataclasses.replace(SETTINGS, model_learning_rate=1e30)


def test_a_loss_that_is_not_finite_stops_the_search(small_space, dataset, tmp_path):
    path = tmp_path / "run"
    with pytest.raises(InputError) as stopped:
        search(small_space, dataset, path, config(), settings=ABSURD)
    message = str(stopped.value)
    assert re.search(r"step 3, of the architecture \d:\d:\d, is not finite", message)
    assert f"the last good checkpoint is {path / 'ckpt-1'}." in message
    assert "--on_nan=skip" in message
    assert [line["step"] for line in metrics(path)] == [1]


def test_steps_are_skipped_but_not_for_ever(small_space, dataset, tmp_path, capsys):
    path = tmp_path / "run"
    settings = dataclasses.replace(ABSURD, on_nan="skip")
    # Whole loops of skipped steps end at 6, 12, 18, 24 and 30: the last makes more than twenty.
    with pytest.raises(InputError, match="the last 25 steps were all skipped.*lower learning rate"):
        search(small_space, dataset, path, config(36), settings=settings)
    printed = capsys.readouterr().out
    assert "step 3, of the architecture" in printed
    assert "3 of the last 4 steps were skipped, 3 since the start" in printed
    assert "6 of the last 6 steps were skipped, 10 since the start" in printed
    lines = metrics(path)
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
                search(small_space, dataset, path, config(), checkpoint_interval=6)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = str(stopped.value)
    assert "nothing more can be written" in message and "(File too large)" in message
    assert message.endswith(f"resumes from {path / 'ckpt-1'}.")
    search(small_space, dataset, path, config(), checkpoint_interval=6)
    assert [line["step"] for line in metrics(path)] == [1, 5, 6, 12, 18, 24]


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
    search(small_space, dataclasses.replace(dataset, source=source), tmp_path / "run", config())
    assert sum("the data pipeline, the device or the disk hangs" in line for line in lines) >= 1
    assert metrics(tmp_path / "run")[-1]["step"] == 24


def test_a_diverging_search_stops_with_the_step(small_space, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(
        search_job,
        "make_optimizer",
        lambda variables, *_: _diverging_optimizer(variables),
    )
    # The learning rate itself, which is one of the numbers of a step, is infinite.
    with pytest.raises(InputError) as stopped:
        search(small_space, dataset, tmp_path / "run", config())
    message = str(stopped.value)
    assert "step 1, of the architecture " in message and "no good checkpoint" in message


def _diverging_optimizer(variables):
    from tunas_tf.training.optimization import make_optimizer

    return make_optimizer(variables, float("inf"), 8, 24, 0.0, 0.9)


class _NoTestSplit:
    """A source that fails if anyone asks for the test split."""

    def __init__(self, source):
        self._source = source
        self.num_classes, self.image_shape = source.num_classes, source.image_shape

    def num_examples(self, split):
        assert split != "test"
        return self._source.num_examples(split)

    def examples(self, split, *args, **kwargs):
        assert split != "test"
        return self._source.examples(split, *args, **kwargs)


def test_a_search_never_reads_the_test_split(small_space, dataset, tmp_path):
    blind = dataclasses.replace(dataset, source=_NoTestSplit(dataset.source))
    search(small_space, blind, tmp_path / "run", config(6))
    assert metrics(tmp_path / "run")[-1]["step"] == 6


def test_a_search_in_bfloat16_learns_the_same(finished, small_space, dataset, tmp_path):
    search(small_space, dataset, tmp_path / "run", config(), use_bfloat16=True)
    assert tf_keras.mixed_precision.global_policy().name == "float32"
    lines = metrics(tmp_path / "run")
    assert lines[-1]["rlcontroller/validation_accuracy"] > 0.9
    first, expected = lines[0]["model/loss"], metrics(finished)[0]["model/loss"]
    assert first != expected
    assert first == pytest.approx(expected, rel=0.02)
    reader = tf.train.load_checkpoint(str(tmp_path / "run"))
    types = {
        name: dtype
        for name, dtype in reader.get_variable_to_dtype_map().items()
        if name.startswith(("supernet/", "controller/state/"))
    }
    assert len(types) > 30
    assert set(types.values()) == {tf.float32, tf.int32}  # Of int32 are counters of updates.


def test_a_target_that_no_network_hits_is_refused(small_space):
    cost_model = cost_model_lib.get("madds", small_space, 16, 2)
    search_job.require_network_at(cost_model, 1.02 * TARGET, 0.03)
    with pytest.raises(InputError, match="no network of small costs between"):
        search_job.require_network_at(cost_model, 1.02 * TARGET, 0.01)


def test_target_watch_warns_when_the_distance_does_not_shrink():
    # 100 steps after the delay: windows of 20 steps.
    def watch(distances):
        target_watch = search_job.TargetWatch(1.0, 0.01, first_step=100, total_steps=200)
        return [
            bool(target_watch(step, {"rlcontroller/expected_cost": 1.0 + distance}))
            for step, distance in distances
        ]

    assert watch([(50, 0.5), (99, 0.5), (100, 0.5), (110, 0.5), (119, 0.5), (120, 0.5)]) == [
        *[False] * 5,
        True,
    ]
    assert watch([(100, 0.5), (120, 0.4), (140, 0.3)]) == [False] * 3
    assert watch([(100, -0.5), (120, -0.49), (130, -0.49), (140, -0.49)]) == [
        False,
        True,
        False,
        True,
    ]
    assert watch([(100, 0.005), (120, 0.009)]) == [False, False]  # Within the tolerance.


def test_target_watch_compares_no_distance_with_itself():
    # --rl_delay_steps_fraction=1: the controller never learns.
    target_watch = search_job.TargetWatch(1.0, 0.01, first_step=200, total_steps=200)
    for step in (150, 200):
        assert target_watch(step, {"rlcontroller/expected_cost": 1.5}) is None
