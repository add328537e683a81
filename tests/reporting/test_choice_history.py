"""Probabilities from TensorBoard events, and the names of choices."""

import example_runs
import numpy as np
import pytest

from tunas_tf import search_space
from tunas_tf.reporting import choice_history
from tunas_tf.search_space import spec, traversal
from tunas_tf.search_space.spec import FILTERS, OPERATION, OneOf


@pytest.fixture(name="space")
def _space():
    return search_space.get(example_runs.SSD)


def test_probabilities_and_entropy(tmp_path, space):
    example_runs.write_events(tmp_path, [0, 50])
    history = choice_history.read(str(tmp_path), space)
    np.testing.assert_array_equal(history.steps, [0, 50])
    choices = traversal.choices_of(space)
    uniform = sum(np.log(choice.num_options) for choice in choices)
    assert history.entropy()[0] == pytest.approx(uniform)
    assert history.entropy()[1] < uniform
    for choice, rows in zip(choices, history.probabilities):
        assert rows.shape == (2, choice.num_options)
        np.testing.assert_allclose(rows[0], 1 / choice.num_options)
        # One logit of 1 among zeros.
        assert rows[1, -1] == pytest.approx(np.e / (np.e + choice.num_options - 1))


def test_a_resumed_search_wrote_some_steps_twice(tmp_path, space):
    example_runs.write_events(tmp_path, [10, 20])
    first = next(tmp_path.glob("events.out.*"))
    first.rename(tmp_path / "events.out.tfevents.1000000000.host.1.0.v2")
    example_runs.write_events(tmp_path, [20, 30], scale=-1.0)
    history = choice_history.read(str(tmp_path), space)
    np.testing.assert_array_equal(history.steps, [10, 20, 30])
    last = history.probabilities[0][:, -1]
    assert last[0] > 1 / 3 > last[1] > last[2]


def test_cut_events_and_none(tmp_path, space):
    assert choice_history.read(str(tmp_path), space) is None
    example_runs.write_events(tmp_path, [10, 20])
    events = next(tmp_path.glob("events.out.*"))
    # The run is writing, or was killed: step 20 is not complete.
    events.write_bytes(events.read_bytes()[:-200])
    np.testing.assert_array_equal(choice_history.read(str(tmp_path), space).steps, [10])


def test_names_of_choices(space):
    choices = traversal.choices_of(space)
    described = {
        choice.path: choice_history.describe_choice(choices, position)
        for position, choice in enumerate(choices)
    }
    assert described["blocks/1/layers/0/kernel_size"] == (1, 0, "kernel")
    assert described["blocks/1/layers/1/layer/choices/0/expansion"] == (1, 1, "expansion")
    assert described["blocks/1/layers/1/layer"] == (1, 1, "operation")
    options = {
        choice_history.describe_option(option) for c in choices for option in c.one_of.choices
    }
    assert options == {"3", "5", "7", "×3", "×6", "bottleneck", "skip"}


def test_names_where_the_layer_may_be_of_several_operations():
    kernel = OneOf((3, 5), OPERATION)
    squeeze = OneOf((False, True), OPERATION)
    layer = OneOf(
        (spec.FusedBottleneck(kernel, 16), spec.Bottleneck(kernel, 16, squeeze)), OPERATION
    )
    space = spec.SearchSpace("s", (spec.Block((layer,), OneOf((8, 16), FILTERS)),))
    choices = traversal.choices_of(space)
    described = [choice_history.describe_choice(choices, n) for n in range(len(choices))]
    assert described == [
        (0, 0, "fused bottleneck kernel"),
        (0, 0, "bottleneck kernel"),
        (0, 0, "bottleneck SE"),
        (0, 0, "operation"),
        (0, None, "filters"),
    ]
    assert [choice_history.describe_option(value) for value in (False, True)] == ["no", "yes"]
