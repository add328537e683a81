"""Whole pages, of runs in every state."""

import json

import example_runs
import pages
import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.comparison import results, verdict
from tunas_tf.comparison.results import Result
from tunas_tf.reporting import comparison_report, run_files, search_report, training_report


def _search(directory) -> pages.Page:
    config = run_files.load_config(str(directory))
    return _checked(search_report.report(str(directory), config))


def _training(directory) -> pages.Page:
    config = run_files.load_config(str(directory))
    return _checked(training_report.report(str(directory), config))


def _checked(content: str) -> pages.Page:
    """The page, if it is well made."""
    page = pages.Page(content)
    assert page.problems == []
    assert page.loads == []
    assert page.metas["viewport"] == "width=device-width, initial-scale=1"
    assert "@media print" in content
    for source, alt in page.images:
        assert source.startswith("data:image/") and len(alt) > 20
    for role, label in page.drawings:
        assert role == "img" and len(label) > 20
    return page


def test_finished_search(tmp_path):
    example_runs.write_search(tmp_path)
    example_runs.write_architecture(tmp_path)
    example_runs.write_events(tmp_path, [1, 100, 200])
    page = _search(tmp_path)
    assert page.headings[0] == "Search in quickstart_search"
    assert "finished, 200 steps" in page.text
    assert "The network of architecture.json" in page.text and "at step 200" in page.text
    assert "(multiply-adds)6.7 M" in page.text
    for heading in ("Quality: accuracy", "Reward", "Cost", "Entropy of the controller", "Block 3"):
        assert heading in page.headings
    cost = next(alt for _, alt in page.images if alt.startswith("Cost over the steps"))
    assert "The target is 6.703e+06" in cost
    heat_map = next(alt for _, alt in page.images if "options of block 1 " in alt)
    # After 200 steps the logit of the last of three kernels is 4.
    assert "layer 0: kernel: 3 0.02, 5 0.02, 7 0.96" in heat_map
    assert len(page.drawings) == 2
    assert "<b>bold</b> & more" in page.text  # As text: it comes from a file.


@pytest.mark.parametrize(
    ("indices", "problem"), [("", "0 indices were given"), ("9", "1 index was given")]
)
def test_search_with_the_network_of_another(tmp_path, indices, problem):
    example_runs.write_search(tmp_path)
    example_runs.write_architecture(tmp_path)
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "indices": indices}))
    with pytest.raises(InputError, match=f"{path} is no network of this search: {problem}"):
        _search(tmp_path)


def test_search_that_runs(tmp_path):
    example_runs.write_search(tmp_path, num_steps=120)
    example_runs.write_events(tmp_path, [1, 60])
    example_runs.write_checkpoint(tmp_path, 100)
    page = _search(tmp_path)
    assert "step 120 of 200" in page.text
    assert "There is no architecture.json yet" in page.text and "step 100" in page.text
    assert len(page.drawings) == 2


def test_search_that_has_just_begun(tmp_path):
    example_runs.write_search(tmp_path, num_steps=0)
    page = _search(tmp_path)
    assert "step 0 of 200" in page.text
    assert "There is no network to show yet" in page.text and "holds no checkpoint" in page.text
    assert "Configuration" in page.headings
    assert (page.images, page.drawings) == ([], [])


def test_search_of_a_detector(tmp_path):
    example_runs.write_search(
        tmp_path, command="detection_search", quality="ap", detector="ssdlite"
    )
    example_runs.write_architecture(tmp_path)
    page = _search(tmp_path)
    assert page.headings[0] == "Detector search in quickstart_search"
    assert "Quality: AP" in page.headings
    assert not any("Classifier" in label for _, label in page.drawings)


def test_a_quality_that_is_no_share(tmp_path):
    example_runs.write_search(
        tmp_path, command="detection_search", quality="neg_loss", detector="ssdlite"
    )
    page = _search(tmp_path)
    assert "neg_loss of sampled networks" in page.text
    assert "%" not in page.text.partition("neg_loss of sampled networks")[2][:12]


def test_training_that_runs(tmp_path):
    example_runs.write_training(tmp_path)
    page = _training(tmp_path)
    assert "step 100 of 200" in page.text
    assert "has not been evaluated yet" in page.text
    assert {"Training loss", "Training accuracy", "Learning rate"} <= set(page.headings)
    assert any("Classifier · 10 classes" in label for _, label in page.drawings)


def test_evaluated_training(tmp_path):
    example_runs.write_training(tmp_path)
    evaluation = {"accuracy": 0.8765, "num_examples": 2000, "split": "test", "step": 200}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    page = _training(tmp_path)
    assert "Accuracy 87.65% on 2,000 images of test" in page.text


def test_test_set_without_objects(tmp_path):
    """COCO calls its AP -1."""
    example_runs.write_training(tmp_path, "detection_train_eval", detector="ssdlite")
    evaluation = {"ap": -1.0, "ap50": -1.0, "num_examples": 3, "split": "test", "step": 200}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    assert "AP on test–" in _training(tmp_path).text


def test_detector(tmp_path):
    example_runs.write_training(tmp_path, "detection_train_eval", detector="ssdlite")
    evaluation = {
        "ap": 0.2345, "ap50": 0.41, "ap_small": -1.0, "ap_per_class": {"cat": 0.3, "dog": 0.125},
        "num_examples": 100, "split": "test", "step": 200,
    }  # fmt: skip
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    (tmp_path / "detections.png").write_bytes(example_runs.PNG)
    page = _training(tmp_path)
    assert "AP (IoU 0.50 to 0.95)0.2345" in page.text
    assert "AP of small objects–" in page.text
    assert "dog0.1250" in page.text
    assert "Sample detections" in page.headings
    assert any(source.startswith("data:image/png") for source, _ in page.images)


def _compare(directory, num_random=4):
    trained = [
        Result(kind, "some_search", str(n), 7.0, 0, 0.8 + n / 100, 0.79 + n / 100, 60.0, 1e12)
        for kind, number in (("tunas", 3), ("random", num_random))
        for n in range(number)
    ]
    for result in trained:
        results.append(str(directory / "results.jsonl"), result)
    return trained


def _comparison(directory, config=None) -> pages.Page:
    return _checked(comparison_report.report(str(directory), config))


def test_comparison(tmp_path):
    summary = verdict.summarize(_compare(tmp_path))
    summary["cost"] = {"model": "madds", "unit": "madds", "target": 7.0}
    summary["machine"] = {"cpu": "Some CPU", "cores": 2, "versions": {"numpy": "2"}}
    interval = {"estimate": 0.7, "low": None, "high": 0.9}
    summary["fidelity"] = {"seed0": {"networks": 24, "spearman": interval, "kendall": interval}}
    row = {"value": "mnas", "rule": "argmax", "searches": 10, "mean_distance": 0.054}
    summary["ablations"] = {"reward": [{**row, "needed": None, "one_search": 0.1}]}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "best_of_n.png").write_bytes(example_runs.PNG)
    config = {
        "command": "compare_search",
        "settings": {"ssd": "some_search", "dataset": "digits", "image_size": 64},
        "derived": {"total_steps": 100},
    }
    page = _comparison(tmp_path, config)
    plain = page.text.replace("\u00a0", " ")
    for sentence in summary["verdict"]:
        assert sentence in plain
    assert page.headings[0] == "Does a search in some_search beat its rivals?"
    assert "Best of n" in page.headings
    assert "TuNAS trained3" in page.text and "random trained4" in page.text
    assert "seed0240.70 (– to 0.90)" in page.text
    assert "reward: mnas (argmax)105.40%none hits10%" in page.text
    assert "cost (multiply-adds)" in page.text and "Some CPU" in page.text


def test_comparison_that_runs(tmp_path):
    trained = _compare(tmp_path)
    page = _comparison(tmp_path)
    assert "There is no summary yet" in page.text
    assert verdict.summarize(trained)["verdict"][0] in page.text
    assert "83.0%" in page.text


def test_comparison_that_has_just_begun(tmp_path):
    assert "There is no summary yet" in _comparison(tmp_path).text
