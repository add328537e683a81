"""Whole searches on a small space: what they learn and write."""

import dataclasses

import numpy as np
import pytest
import small_searches
import tensorflow as tf
import tf_keras

from tunas_tf import cost_model as cost_model_lib
from tunas_tf.common.errors import InputError
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import traversal
from tunas_tf.training import analysis


@pytest.fixture(scope="module")
def finished(small_space, dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "run"
    small_searches.search(small_space, dataset, path, small_searches.config())
    return path


def test_a_search_learns_and_logs(finished, small_space):
    lines = small_searches.metrics(finished)
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
    before = small_searches.metrics(finished)
    small_searches.search(small_space, dataset, finished, small_searches.config())
    assert small_searches.metrics(finished) == before


def test_a_search_goes_on_only_with_its_classes(finished, small_space, dataset):
    others = dataclasses.replace(dataset, class_names=dataset.class_names[::-1])
    with pytest.raises(InputError, match="class 0 was 'bright', now it is 'dark'"):
        small_searches.search(small_space, others, finished, small_searches.config())


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
    in_window = [i for i in costs if abs(costs[i] / small_searches.TARGET - 1) <= 0.05]
    assert result.selections["feasible"].indices == max(in_window, key=probability.get)
    assert result.selections["argmax"].indices == max(costs, key=probability.get)
    assert result.expected_cost == pytest.approx(sum(probability[i] * costs[i] for i in costs))
    assert small_searches.metrics(finished)[-1]["rlcontroller/expected_cost"] == pytest.approx(
        result.expected_cost,
        rel=0.02,  # Of the last loop's mean.
    )

    assert analysis.analyze(str(finished)).select == "feasible"
    with pytest.raises(InputError, match="select is 'Feasible'; it must be None, 'feasible' or"):
        analysis.analyze(str(finished), "Feasible")

    path = analysis.write_architecture(str(finished), result)
    assert architecture_lib.load(path) == result.architecture
    assert "proven the most probable" in analysis.to_text(result)


def test_without_a_cost_model_the_reward_is_the_accuracy(small_space, dataset, tmp_path):
    no_target = dataclasses.replace(small_searches.config(6), rl_cost_model_target=None)
    small_searches.search(small_space, dataset, tmp_path / "run", no_target, cost=None)
    last = small_searches.metrics(tmp_path / "run")[-1]
    assert last["rlcontroller/reward"] == last["rlcontroller/validation_accuracy"]
    assert "rlcontroller/estimated_cost" not in last
    found = analysis.analyze(str(tmp_path / "run"))
    assert found.select == "argmax" and found.cost_model is None
    for arguments in ({"select": "feasible"}, {"tolerance": 0.1}):
        with pytest.raises(InputError, match="had no cost model.*leave out"):
            analysis.analyze(str(tmp_path / "run"), **arguments)


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
    small_searches.search(small_space, blind, tmp_path / "run", small_searches.config(6))
    assert small_searches.metrics(tmp_path / "run")[-1]["step"] == 6


def test_a_search_in_bfloat16_learns_the_same(finished, small_space, dataset, tmp_path):
    small_searches.search(
        small_space, dataset, tmp_path / "run", small_searches.config(), use_bfloat16=True
    )
    assert tf_keras.mixed_precision.global_policy().name == "float32"
    lines = small_searches.metrics(tmp_path / "run")
    assert lines[-1]["rlcontroller/validation_accuracy"] > 0.9
    first, expected = lines[0]["model/loss"], small_searches.metrics(finished)[0]["model/loss"]
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
