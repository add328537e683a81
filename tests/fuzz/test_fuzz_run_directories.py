"""Run directories, as the report and the readers of trained networks open them."""

import functools
import json
import shutil

import pytest
import tensorflow as tf
from fuzz_inputs import contents, damaged_bytes, expect_sentence, lines, slow, write
from hypothesis import given

from tunas_tf import cost_model, report, search_space
from tunas_tf.cost_model import files
from tunas_tf.reporting import choice_history, run_files
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.training import analysis
from tunas_tf.training.run_directory import RunDirectory

_SPACE = search_space.get("quickstart_search")
_NETWORK = architecture_lib.to_json(search_space.resolve(_SPACE, _SPACE.reference_indices))
_CHOICES = len(search_space.choices_of(_SPACE))
_MODEL = files.to_json(cost_model.get("madds", _SPACE, 64, 10), {})
_SETTINGS = {
    "dataset": "digits",
    "image_size": 64,
    "seed": 3,
    "ssd": "quickstart_search",
    "cost_tolerance": 0.01,
    "rl_reward_function": "abs",
    "enable_cost_model": True,
    "epochs": 2.5,
}
_SEARCH = {
    "command": "search",
    "settings": _SETTINGS,
    "derived": {"total_steps": 200, "rl_cost_model_target": 6.7e6, "num_classes": 10},
    "documents": ["cost_model", "search_space"],
    "versions": {"tunas_tf": "0.1.0"},
}
_TRAINING = {
    "command": "train_eval",
    "settings": {**_SETTINGS, "network": _NETWORK},
    "derived": {"total_steps": 200, "params": 200_000, "madds": 6_700_000},
    "versions": {},
}
_COMPARISON = {**_SEARCH, "command": "compare_search", "documents": []}
_METRICS = [
    {"step": step, "model/loss": 2.0 / step, "rlcontroller/validation_accuracy": 0.5}
    for step in (1, 5, 55)
]
_EVALUATION = {
    "accuracy": 0.75,
    "num_examples": 2000,
    "split": "test",
    "step": 200,
    "ap": 0.5,
    "ap_per_class": {"0": 0.5, "1": -1.0},
}
_SUMMARY = {
    "verdict": ["At equal compute, TuNAS beats random search.", "Noise: 1 %."],
    "means": {"tunas": {"mean": 0.8, "low": 0.7, "high": None, "networks": 3}},
    "fidelity": {
        "seed0": {
            "networks": 24,
            "spearman": {"estimate": 0.5, "low": 0.25, "high": 0.75},
            "kendall": {"estimate": 0.5, "low": None, "high": None},
        }
    },
    "ablations": {
        "reward": [
            {
                "value": "abs",
                "rule": "feasible",
                "searches": 3,
                "mean_distance": 0.01,
                "needed": None,
                "one_search": 1.0,
            }
        ]
    },
    "cost": {"model": "madds", "unit": "madds", "target": 6.7e6},
    "machine": {"cpu": "some", "cores": 2},
}


@pytest.fixture(name="directories", scope="module")
def _directories(tmp_path_factory):
    """A search, a training and a comparison without their configurations."""
    root = tmp_path_factory.mktemp("runs")
    metrics = b"".join(json.dumps(line).encode() + b"\n" for line in _METRICS)
    for name in ("search", "training", "comparison"):
        (root / name).mkdir()
        write(root / name / "metrics.jsonl", metrics)
    write(root / "search" / "search_space.json", _bytes(architecture_lib.to_json(_SPACE)))
    write(root / "search" / "cost_model.json", _bytes(_MODEL))
    write(root / "search" / "architecture.json", _bytes(_NETWORK))
    return root


def _bytes(value) -> bytes:
    return json.dumps(value).encode()


def _page(directory) -> None:
    page = expect_sentence(lambda: report._make(str(directory)))  # pylint: disable=protected-access
    if page is not None:
        page.encode()
        assert page.startswith("<!DOCTYPE html>") and "<script" not in page


@slow(4)
@given(content=contents(_SEARCH))
def test_configurations_of_searches(directories, content):
    write(directories / "search" / "config.json", content)
    _page(directories / "search")


@pytest.fixture(name="search_with_checkpoint", scope="module")
def _search_with_checkpoint(directories):
    """A search that stopped at step 200, with what a controller thinks of its choices."""
    directory = directories / "stopped"
    shutil.copytree(directories / "search", directory)
    shape = _CHOICES, max(choice.num_options for choice in search_space.choices_of(_SPACE))
    logits = tf.Variable(tf.random.stateless_normal(shape, (1, 2)))
    state = tf.train.Checkpoint(state=tf.train.Checkpoint(logits=logits))
    step = tf.Variable(200, dtype=tf.int64)
    tf.train.Checkpoint(controller=state, global_step=step).write(str(directory / "ckpt-200"))
    return directory


def _analysis(directory, content) -> None:
    write(directory / "config.json", content)
    for select in ("feasible", "argmax"):
        found = expect_sentence(functools.partial(analysis.analyze, str(directory), select))
        if found is not None:
            json.dumps(analysis.to_json(found))
            assert analysis.to_text(found)


def test_an_analysis_of_a_sound_search(search_with_checkpoint):
    write(search_with_checkpoint / "config.json", _bytes(_SEARCH))
    assert analysis.analyze(str(search_with_checkpoint), "argmax").step == 200


@slow(4)
@given(content=contents(_SEARCH))
def test_analyses(search_with_checkpoint, content):
    _analysis(search_with_checkpoint, content)


@slow(2)
@given(content=contents(_SEARCH))
def test_resumed_searches(search_with_checkpoint, content):
    write(search_with_checkpoint / "config.json", content)
    expect_sentence(
        lambda: RunDirectory(
            str(search_with_checkpoint),
            "search",
            _SETTINGS,
            {"derived": _SEARCH["derived"]},
            {"search_space": architecture_lib.to_json(_SPACE), "cost_model": _MODEL},
            writes=False,
        )
    )


@slow(4)
@given(content=contents(architecture_lib.to_json(_SPACE)))
def test_search_spaces(directories, content):
    directory = directories / "search"
    write(directory / "config.json", _bytes(_SEARCH))
    write(directory / "search_space.json", content)
    _page(directory)
    write(directory / "search_space.json", _bytes(architecture_lib.to_json(_SPACE)))


@slow(4)
@given(content=contents({**_NETWORK, "select": "feasible", "provenance": {"step": 200}}))
def test_chosen_networks(directories, content):
    directory = directories / "search"
    write(directory / "config.json", _bytes(_SEARCH))
    write(directory / "architecture.json", content)
    _page(directory)
    write(directory / "architecture.json", _bytes(_NETWORK))


@slow(4)
@given(content=contents(_TRAINING), evaluation=contents(_EVALUATION))
def test_trainings(directories, content, evaluation):
    directory = directories / "training"
    for config, result in ((content, _bytes(_EVALUATION)), (_bytes(_TRAINING), evaluation)):
        write(directory / "config.json", config)
        write(directory / "evaluation.json", result)
        _page(directory)


@slow(2)
@given(content=contents(_COMPARISON), summary=contents(_SUMMARY))
def test_comparisons(directories, content, summary):
    directory = directories / "comparison"
    for config, result in ((content, _bytes(_SUMMARY)), (_bytes(_COMPARISON), summary)):
        write(directory / "config.json", config)
        write(directory / "summary.json", result)
        _page(directory)


@given(content=lines(_METRICS))
def test_metrics(directories, content):
    directory = directories / "comparison"
    write(directory / "metrics.jsonl", content)
    metrics = expect_sentence(lambda: run_files.read_metrics(str(directory)))
    for curve in (metrics or {}).values():
        assert len(curve.steps) == len(curve.values) > 0


@slow(4)
@given(content=lines(_METRICS))
def test_pages_of_metrics(directories, content):
    directory = directories / "training"
    write(directory / "config.json", _bytes(_TRAINING))
    write(directory / "evaluation.json", _bytes(_EVALUATION))
    write(directory / "metrics.jsonl", content)
    _page(directory)


@pytest.fixture(name="events", scope="module")
def _events(tmp_path_factory) -> bytes:
    """A file of TensorBoard events of a search of the space."""
    import tensorflow as tf

    directory = tmp_path_factory.mktemp("events")
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default():
        for step in (1, 50):
            for choice in search_space.choices_of(_SPACE):
                for option in range(choice.num_options):
                    name = f"rlpathlogits/{choice.path}/{option}"
                    tf.summary.scalar(name, step / 50 * option, step=step)
    writer.close()
    (path,) = directory.glob("events*")
    return path.read_bytes()


def test_events(directories, events):
    directory = directories / "comparison"

    @slow(2)
    @given(content=damaged_bytes(events))
    def check(content):
        write(directory / "events.out.tfevents.1.host", content)
        history = expect_sentence(lambda: choice_history.read(str(directory), _SPACE))
        if history is not None:
            history.entropy()

    check()
