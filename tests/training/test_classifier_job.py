"""Training and evaluating a network: what is learned, and that each example counts once."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tunas_tf import search_space
from tunas_tf.common.errors import InputError
from tunas_tf.training import classifier_job
from tunas_tf.training.classification import correct, smoothed_cross_entropy
from tunas_tf.training.classifier_job import ClassifierEvaluator
from tunas_tf.training.network_job import NetworkSettings
from tunas_tf.training.run_directory import RunDirectory

NETWORK_SETTINGS = NetworkSettings(
    total_steps=30,
    train_split="train",
    train_batch_size=8,
    augment=True,
    optimizer="rmsprop",
    base_learning_rate=1.0,
    warmup_steps_fraction=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    ema_decay=0.0,
    use_bfloat16=False,
    seed=0,
    iterations_per_loop=10,
    checkpoint_interval=10,
)
SETTINGS = classifier_job.ClassifierSettings(
    test_split="test",
    eval_batch_size=4,
    label_smoothing=0.1,
    dropout_rate=0.0,
    path_dropout_rate=0.0,
    batch_norm_momentum=0.8,
)


def run(
    small_space, dataset, path, settings=SETTINGS, network_settings=NETWORK_SETTINGS, **changes
):
    arguments = {"train": True, "evaluate": True, **changes}
    return classifier_job.run_classifier(
        architecture=search_space.resolve(small_space, (0, 1, 0)),
        dataset=dataset,
        network_settings=network_settings,
        settings=settings,
        run_directory=RunDirectory(str(path), "train_eval", {}, {}),
        **arguments,
    )


def test_a_network_is_trained_evaluated_and_evaluated_again(small_space, dataset, tmp_path):
    result = run(small_space, dataset, tmp_path / "run")
    assert result == {"accuracy": 1.0, "num_examples": 10, "split": "test", "step": 30}
    written = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert written == {"version": 1, **result}
    assert run(small_space, dataset, tmp_path / "run", train=False) == result
    assert run(small_space, dataset, tmp_path / "run", evaluate=False) is None


def test_evaluating_before_training_is_refused(small_space, dataset, tmp_path):
    with pytest.raises(ValueError, match="no checkpoint to evaluate"):
        run(small_space, dataset, tmp_path / "run", train=False)


def test_a_run_goes_on_only_with_its_classes(small_space, dataset, tmp_path):
    settings = dataclasses.replace(NETWORK_SETTINGS, total_steps=2)
    run(small_space, dataset, tmp_path / "run", network_settings=settings)
    others = dataclasses.replace(dataset, class_names=("bright", "black"))
    for train in (True, False):
        with pytest.raises(InputError, match="class 1 was 'dark', now it is 'black'"):
            run(small_space, others, tmp_path / "run", network_settings=settings, train=train)


def losses_of(path) -> list[float]:
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["model/loss"] for line in lines]


def test_a_network_in_bfloat16_learns_the_same(small_space, dataset, tmp_path):
    settings = dataclasses.replace(NETWORK_SETTINGS, use_bfloat16=True)
    result = run(small_space, dataset, tmp_path / "run", network_settings=settings)
    assert result == {"accuracy": 1.0, "num_examples": 10, "split": "test", "step": 30}
    for bfloat16 in (True, False):  # What is saved fits both.
        settings = dataclasses.replace(NETWORK_SETTINGS, use_bfloat16=bfloat16)
        found = run(small_space, dataset, tmp_path / "run", network_settings=settings, train=False)
        assert found == result
    assert tf_keras.mixed_precision.global_policy().name == "float32"
    exact = dataclasses.replace(NETWORK_SETTINGS, total_steps=1)
    run(small_space, dataset, tmp_path / "exact", network_settings=exact, evaluate=False)
    first, expected = losses_of(tmp_path / "run")[0], losses_of(tmp_path / "exact")[0]
    assert first != expected
    assert first == pytest.approx(expected, rel=0.02)


def test_dropout_changes_the_training_and_repeats_itself(small_space, dataset, tmp_path):
    losses = {}
    for name, changes in {
        "none": {},
        "features": {"dropout_rate": 0.5},
        "again": {"dropout_rate": 0.5},
        "paths": {"path_dropout_rate": 0.5},
        "more": {"dropout_rate": 0.5, "path_dropout_rate": 0.5},
    }.items():
        settings = dataclasses.replace(SETTINGS, **changes)
        short = dataclasses.replace(NETWORK_SETTINGS, total_steps=2)
        run(small_space, dataset, tmp_path / name, settings, short, evaluate=False)
        losses[name] = losses_of(tmp_path / name)
    np.testing.assert_allclose(losses["again"], losses["features"], rtol=1e-5)
    del losses["again"]
    assert len({round(values[0], 5) for values in losses.values()}) == 4


@pytest.mark.parametrize("name", ["dropout_rate", "path_dropout_rate"])
def test_dropping_everything_is_refused(name):
    with pytest.raises(InputError, match=f"{name} is 1; it must be at least 0 and below 1"):
        dataclasses.replace(SETTINGS, **{name: 1.0})


def test_padding_does_not_count():
    # The network answers class 0 always. Three real examples, two of them of class 0; the
    # padding is of class 0 too.
    images = tf_keras.Input((1, 1, 1))
    network = tf_keras.Model(images, tf.concat([1 + 0 * images[:, 0, 0], images[:, 0, 0]], -1))
    batches = tf.data.Dataset.from_tensor_slices(
        (
            np.zeros((2, 2, 1, 1, 1), np.float32),
            np.array([[0, 1], [0, 0]], np.int32),
            np.array([[1, 1], [1, 0]], np.float32),
        )
    )
    result = ClassifierEvaluator(network, batches).evaluate(tf.constant(-1))
    assert float(result["accuracy"]) == pytest.approx(2 / 3)
    assert int(result["num_examples"]) == 3


def test_smoothed_cross_entropy_by_hand():
    # Softmax of (ln 3, 0) is (3/4, 1/4); smoothing 0.2 makes the target (0.9, 0.1).
    logits = tf.constant([[np.log(3.0), 0.0]])
    expected = -0.9 * np.log(0.75) - 0.1 * np.log(0.25)
    assert float(smoothed_cross_entropy(logits, tf.constant([0]), 0.2)) == pytest.approx(expected)


def test_smoothing_is_spread_over_all_classes_and_losses_are_averaged():
    # Softmax of (0, 0, ln 2) is (1/4, 1/4, 1/2); 0.3 over three classes makes 0.8, 0.1, 0.1.
    logits = tf.constant([[0.0, 0.0, np.log(2.0)]] * 2, tf.float32)
    of_first = -0.8 * np.log(1 / 4) - 0.1 * np.log(1 / 4) - 0.1 * np.log(1 / 2)
    of_last = -0.1 * np.log(1 / 4) - 0.1 * np.log(1 / 4) - 0.8 * np.log(1 / 2)
    loss = smoothed_cross_entropy(logits, tf.constant([0, 2]), 0.3)
    assert float(loss) == pytest.approx((of_first + of_last) / 2)


def test_correct_compares_the_highest_logit():
    logits = tf.constant([[0.1, 0.2, 0.0], [3.0, 2.0, 1.0]])
    np.testing.assert_array_equal(correct(logits, tf.constant([1, 2])), [1.0, 0.0])
