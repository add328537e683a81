"""Run directories: what makes two runs the same, and what survives a kill."""

import functools
import json
import os
import subprocess
import sys

import pytest
from command_outcomes import ROOT

from tunas_tf.common import lock
from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json
from tunas_tf.training.run_directory import RunDirectory, load_config

SPACE = {"type": "SearchSpace", "name": "a"}


def open_run(path, command="search", settings=None, space=SPACE):
    settings = {"epochs": 2, "ssd": "a"} if settings is None else settings
    documents = {} if space is None else {"search_space": space}
    return RunDirectory(str(path), command, settings, {"versions": {}}, documents)


def test_a_new_directory_holds_the_configuration(tmp_path):
    run = open_run(tmp_path / "deep" / "run")
    assert not run.resumes
    config = load_config(run.path, "search")
    assert config["settings"] == {"epochs": 2, "ssd": "a"}
    assert config["search_space"] == SPACE
    assert open_run(run.path).resumes


def test_another_setting_is_refused_by_name(tmp_path):
    open_run(tmp_path)
    with pytest.raises(InputError, match="epochs=2, now it is 3"):
        open_run(tmp_path, settings={"epochs": 3, "ssd": "a"})


def test_what_is_derived_counts_rather_than_the_flag(tmp_path):
    def open_with(decay, derived_decay):
        information = {"versions": {}, "derived": {"weight_decay": derived_decay}}
        return RunDirectory(str(tmp_path), "search", {"weight_decay": decay}, information)

    open_with(None, 4e-5)
    assert open_with(4e-5, 4e-5).resumes
    with pytest.raises(InputError, match="weight_decay=4e-05, now it is 3e-05"):
        open_with(None, 3e-5)


def test_what_was_asked_for_is_named_rather_than_what_follows(tmp_path):
    def open_with(precision, decay):
        settings = {"use_bfloat16": precision, "decay": None}
        derived = {"use_bfloat16": precision == "true", "decay": decay}
        RunDirectory(str(tmp_path), "search", settings, {"versions": {}, "derived": derived})

    open_with("true", 3e-5)
    with pytest.raises(InputError, match="started with use_bfloat16=True, now it is False"):
        open_with("auto", 4e-5)


def test_a_setting_from_after_the_start_counts_as_its_default(tmp_path):
    """What the run was started with knows neither the flag nor what is derived from it."""

    def open_with(strict):
        settings = {"epochs": 2, "strict": strict, "sizes": (1, 2)}
        defaults = {"epochs": 9, "strict": False, "sizes": (1, 2), "no_setting": 3}
        information = {"derived": {"devices": 1}, "defaults": defaults}
        return RunDirectory(str(tmp_path), "search", settings, information)

    RunDirectory(str(tmp_path), "search", {"epochs": 2}, {"derived": {"total_steps": 3}})
    assert open_with(False).resumes
    with pytest.raises(InputError, match="was started with strict=False, now it is True"):
        open_with(True)
    assert "defaults" not in json.loads((tmp_path / "config.json").read_text())


def test_a_setting_that_is_gone_is_refused(tmp_path):
    open_run(tmp_path, settings={"epochs": 2, "gone": 1})
    with pytest.raises(InputError, match="was started with gone=1, now it is None"):
        open_run(tmp_path, settings={"epochs": 2})


def test_files_from_before_versions_are_resumed(tmp_path):
    open_run(tmp_path)
    for name in ("config.json", "search_space.json"):
        value = json.loads((tmp_path / name).read_text())
        assert value.pop("version") == 1
        (tmp_path / name).write_text(json.dumps(value))
    assert open_run(tmp_path).resumes


def test_another_network_is_not_spelled_out(tmp_path):
    def open_with(blocks):
        information = {"versions": {}, "derived": {"madds": len(blocks)}}
        RunDirectory(str(tmp_path), "search", {"network": {"blocks": blocks}}, information)

    open_with(list(range(1000)))
    with pytest.raises(InputError, match="was started with another network; give the same"):
        open_with([1])


def test_classes_are_noted_once_and_compared_from_then_on(tmp_path):
    odd = "two\nlines and an \u00e9"  # As folders may be called.
    open_run(tmp_path).agree_on_classes(("cat", "dog", odd))
    assert load_config(str(tmp_path), "search")["class_names"] == ["cat", "dog", odd]
    assert load_config(str(tmp_path), "search")["search_space"] == SPACE
    content = (tmp_path / "config.json").read_text()
    open_run(tmp_path).agree_on_classes(["cat", "dog", odd])
    for names, message in (
        (("cat", "fox", odd), "class 1 was 'dog', now it is 'fox'; give the --dataset"),
        (("ant", "cat", "dog", odd), "class 0 was 'cat', now it is 'ant'"),
        (("cat", "dog", odd, "elk"), "class 3 was none, now it is 'elk'"),
        (("cat", "dog"), r"class 2 was 'two\\nlines.*, now it is none"),
        ((), "class 0 was 'cat', now it is none"),
    ):
        for writes in (True, False):
            run = RunDirectory(
                str(tmp_path), "search", {"epochs": 2, "ssd": "a"}, {}, writes=writes
            )
            with pytest.raises(InputError, match=message) as error:
                run.agree_on_classes(names)
            assert "\n" not in str(error.value)
    assert (tmp_path / "config.json").read_text() == content


def test_a_run_from_before_classes_were_noted_takes_any(tmp_path):
    open_run(tmp_path)
    content = (tmp_path / "config.json").read_text()
    open_run(tmp_path).agree_on_classes(("cat", "dog"))  # Which ones it had, nobody knows.
    open_run(tmp_path).agree_on_classes(("dog", "cat"))
    assert (tmp_path / "config.json").read_text() == content


def test_a_process_that_only_reads_notes_no_classes(tmp_path):
    run = RunDirectory(str(tmp_path / "run"), "search", {}, {}, writes=False)
    run.agree_on_classes(("cat", "dog"))
    assert os.listdir(tmp_path) == []


def test_a_document_that_has_changed_is_refused(tmp_path):
    for bias, message in ((1.5, None), (1.5, None), (2.5, "another cost model, as its cost_model")):
        arguments = str(tmp_path), "search", {}, {}, {"cost_model": {"tables": (), "bias": bias}}
        if message is None:
            RunDirectory(*arguments)
            continue
        with pytest.raises(InputError, match=message):
            RunDirectory(*arguments)
    assert load_config(str(tmp_path), "search")["cost_model"]["bias"] == 1.5


def test_another_space_and_another_command_are_refused(tmp_path):
    open_run(tmp_path)
    with pytest.raises(InputError, match="another search space"):
        open_run(tmp_path, space={"type": "SearchSpace", "name": "b"})
    with pytest.raises(InputError, match="a run of search, not of train_eval"):
        open_run(tmp_path, command="train_eval", space=None)


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty"):
        open_run(tmp_path)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_a_start_that_was_killed_is_no_obstacle(tmp_path):
    """Before config.json, the last file, was there."""
    for name in ("lock", "search_space.json", "search_space.json.tmp", "config.json.tmp"):
        (tmp_path / name).write_text("{")
    assert not open_run(tmp_path).resumes
    assert load_config(str(tmp_path), "search")["search_space"] == SPACE


_HOLDER = """
import sys, time
from tunas_tf.training.run_directory import RunDirectory
RunDirectory(sys.argv[1], "search", {"epochs": 2, "ssd": "a"}, {"versions": {}})
print("held", flush=True)
time.sleep(600)
"""


def test_a_run_in_use_can_be_read_but_not_continued(tmp_path, monkeypatch):
    path = tmp_path / "run"
    monkeypatch.setattr(lock, "hold", functools.partial(lock.hold, patience_seconds=0))
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"{path} is in use by process {holder.pid} on"):
            open_run(path, space=None)
        settings = {"epochs": 2, "ssd": "a"}
        reader = RunDirectory(str(path), "search", settings, {"versions": {}}, writes=False)
        assert reader.resumes and not reader.writes
        reader.append_metrics({"step": 1})
        reader.drop_metrics_after(0)
        assert not os.path.exists(reader.file("metrics.jsonl"))
        holder.kill()
    assert open_run(path, space=None).resumes


def test_a_process_that_only_reads_makes_nothing(tmp_path):
    run = RunDirectory(str(tmp_path / "run"), "search", {}, {"versions": {}}, writes=False)
    assert not run.resumes and not (tmp_path / "run").exists()
    assert run.checkpoint() is None and run.checkpoint_step() == 0


def test_a_path_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        open_run(tmp_path / "file" / "run")


def test_a_directory_without_a_run(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_config(str(tmp_path), "search")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load_config(str(tmp_path), "search")


def test_metrics_after_the_checkpoint_are_dropped(tmp_path):
    run = open_run(tmp_path)
    run.drop_metrics_after(0)  # Nothing there yet.
    for step in (1, 5, 10):
        run.append_metrics({"step": step, "loss": 1.0})
    with open(run.file("metrics.jsonl"), "a", encoding="utf-8") as file:
        file.write('{"step": 11, "lo')
    run.drop_metrics_after(5)
    run.append_metrics({"step": 6, "loss": 2.0})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 5, 6]


def test_write_json_replaces_the_whole_file(tmp_path):
    path = tmp_path / "value.json"
    write_json(str(path), list(range(100)))
    write_json(str(path), [1])
    assert json.loads(path.read_text()) == [1]
    assert os.listdir(tmp_path) == ["value.json"]
