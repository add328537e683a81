"""The commands of detection, as a user runs them."""

import json
import shutil

import pytest
from command_outcomes import ROOT, outcomes, printed_by

_SEARCH = f"--flagfile={ROOT}/flags/quickstart_detection.flags"
_TRAIN = f"--flagfile={ROOT}/flags/quickstart_detection_train.flags"


@pytest.mark.slow
def test_from_search_to_average_precision(tmp_path, digit_scenes_dir):
    """Search of a backbone, its analysis, and a detector on it, by the files of the quickstart."""
    data = f"--dataset_dir={digit_scenes_dir}"
    small = ("--image_size=64", "--train_batch_size=16", "--iterations_per_loop=3")
    printed = printed_by(
        "object_detection.search",
        *(_SEARCH, data, *small, "--epochs=0.6", "--checkpoint_dir=search"),
        cwd=tmp_path,
    )
    assert "reward from         ap50 on 20 other images, train[:20]" in printed
    assert "step 6/6: loss" in printed  # 0.6 * 180 / 16.
    lines = (tmp_path / "search" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert 0.0 <= last["rlcontroller/validation_ap50"] <= 1.0
    assert last["model/class_loss"] > 0 and last["model/box_loss"] > 0

    found = json.loads(
        printed_by(
            "tunas_tf.analyze_search",
            *("--checkpoint_dir=search", "--format=json"),
            cwd=tmp_path,
        )
    )
    assert abs(found["cost"] / found["cost_target"] - 1) <= 0.01
    assert found["provenance"]["detector"] == "ssdlite"

    train = (_TRAIN, data, *small, "--checkpoint_dir=found")
    train += ("--architecture=search/architecture.json",)
    printed = printed_by("object_detection.train_eval", *train, "--epochs=0.3", cwd=tmp_path)
    # The search counted the whole detector as it is built.
    assert f"{found['cost']:.0f} multiply-adds" in printed
    assert "on 60 images of test, step 3" in printed
    evaluation = json.loads((tmp_path / "found" / "evaluation.json").read_text())
    assert evaluation["num_examples"] == 60 and 0.0 <= evaluation["ap"] <= 1.0
    assert (tmp_path / "found" / "detections.png").exists()

    # Evaluated again: the same figures, and nothing is trained.
    again = printed_by(
        "object_detection.train_eval", *train, "--epochs=0.3", "--mode=eval", cwd=tmp_path
    )
    assert "step 3" in again and "about" not in again.splitlines()[-1]
    assert json.loads((tmp_path / "found" / "evaluation.json").read_text()) == evaluation


@pytest.mark.slow
def test_a_backbone_from_a_classifier(tmp_path, digits_dir, digit_scenes_dir):
    """Its run is evaluated without the classifier, and resumed wherever that lies by then."""
    network = ["--ssd=quickstart_detection_search", f"--indices={':'.join('0' * 23)}"]
    network += ["--image_size=64", "--train_batch_size=8"]
    classifier, moved, run = (tmp_path / name for name in ("classifier", "moved", "run"))
    data = [f"--dataset_dir={digits_dir}", "--epochs=0.008", "--mode=train"]
    line = [*network, *data, f"--checkpoint_dir={classifier}"]
    (trained,) = outcomes("tunas_tf.train_eval", [line], run=True)
    assert trained["error"] is None
    shutil.copytree(classifier, moved)

    common = [*network, f"--dataset_dir={digit_scenes_dir}", f"--checkpoint_dir={run}"]
    common += ["--epochs=0.08"]  # Of 200 images: 2 steps.
    at_first, later = (f"--backbone_checkpoint={path}" for path in (classifier, moved))
    changes = [
        [at_first, "--mode=train"],
        ["--mode=eval"],
        [later],
        [],
        [at_first, "--mode=eval"],
    ]
    lines = [[*common, *change] for change in changes]
    *succeeded, fresh, idle = outcomes("object_detection.train_eval", lines, run=True)
    assert [outcome["error"] for outcome in succeeded] == [None] * 3
    for outcome in succeeded[1:]:
        assert "on 60 images of test, step 2" in outcome["printed"]
    # Other weights to start from are another run.
    assert "classifier, now it is fresh" in fresh["error"]
    assert "--backbone_checkpoint has no effect here" in idle["error"]


def test_bad_input_is_one_sentence(tmp_path, digit_scenes_dir):
    data = [f"--dataset_dir={digit_scenes_dir}", f"--checkpoint_dir={tmp_path}/run"]
    ssd = ["--ssd=quickstart_detection_search", "--image_size=64"]
    search = {
        "--ssd=quickstart_search": "quickstart_search has endpoints of 4, 8, 16, but the detector",
        "--ssd=mobilenet_v2": "mobilenet_v2 has no choices: there is nothing to search",
        "--num_filters=32": "num_filters was given, but the detector ssdlite has",
        "--cost_model=pixel1": "there is no cost model 'pixel1' of detectors; use one of madds",
        "--rl_cost_model_target=5": "no network",
        "--reward_fraction=0.0001": "reward_fraction 0.0001 of 200 training images leaves",
        "--dataset=coco/2017": "'coco/2017' is not prepared",
        "--max_num_boxes=0": "--max_num_boxes=0",
        "--rl_cost_samples=3": "--rl_cost_samples has no effect here",
        "--strict": "--strict has no effect here: the images of digit_scenes",
    }
    lines = [[*ssd, *data, flag] for flag in search]
    lines.append([*ssd, *data, "--quality=neg_loss", "--rl_reward_function=mnas"])
    messages = [*search.values(), "mnas multiplies the quality, which is negative"]
    for line, outcome, message in zip(
        lines, outcomes("object_detection.search", lines, run=True), messages
    ):
        assert outcome["error"] is not None, line
        assert message in outcome["error"] and "\n" not in outcome["error"], line

    network = ["--ssd=mobilenet_v2", "--image_size=64"]
    train = {
        "--num_pictures=-1": "--num_pictures=-1",
        "--path_dropout_rate=1": "path_dropout_rate is 1",
        "--ema_decay=1": "ema_decay is 1",
        "--mode=eval": "config.json cannot be read",
        "--image_size=16": "images of 16 x 16 pixels do not suit the detector ssdlite",
        f"--backbone_checkpoint={tmp_path}": "config.json cannot be read",
        "--separable": "separable was given, but the detector ssdlite has",
        "--reward_fraction=0.2": "--reward_fraction has no effect here",
        "--max_num_boxes=3": "an image of the test split of digit_scenes has",
    }
    lines = [[*network, *data, flag] for flag in train]
    found = outcomes("object_detection.train_eval", lines, run=True)
    for line, outcome, message in zip(lines, found, train.values()):
        assert outcome["error"] is not None, line
        assert message in outcome["error"] and "\n" not in outcome["error"], line
    assert not (tmp_path / "run").exists()
