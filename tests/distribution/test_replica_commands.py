"""Commands on two replicas: every example of the test set still counts once."""

import json

import interrupted_runs

_DEVICES = ("--distribution_strategy=mirrored", "--num_devices=2")


def test_train_and_evaluate_on_two_replicas(tmp_path, image_folder):
    interrupted_runs.prepare(tmp_path, image_folder)
    process = interrupted_runs.start(
        tmp_path,
        "tunas_tf.train_eval",
        "--flagfile=tiny.flags",
        "--indices=0:0:0:0:0:0",
        "--checkpoint_dir=run",
        "--epochs=2",
        "--eval_batch_size=4",
        *_DEVICES,
    )
    output, error = process.communicate()
    assert process.returncode == 0, error
    assert "2 CPUs" in output
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["num_examples"] == 10 and evaluation["step"] == 12


def test_a_batch_that_two_replicas_cannot_share(tmp_path, image_folder):
    interrupted_runs.prepare(tmp_path, image_folder)
    process = interrupted_runs.start(
        tmp_path,
        "tunas_tf.search",
        "--flagfile=tiny.flags",
        "--checkpoint_dir=run",
        "--train_batch_size=7",
        *_DEVICES,
    )
    _, error = process.communicate()
    assert process.returncode == 2
    assert error.splitlines()[-1].startswith("error: train_batch_size is 7, which 2 replicas")
    assert not (tmp_path / "run").exists()
