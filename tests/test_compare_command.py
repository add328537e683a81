"""compare_search as a user runs it: bad input, and a comparison that is killed and resumed."""

import json
import pathlib
import signal
import subprocess
import time

import interrupted_runs
import pytest
from command_outcomes import outcomes

_TINY = """
--output_dir=run
--space_module=tiny_space
--ssd=tiny_search
--dataset=image_folder
--image_size=16
--reward_fraction=0.25
--cost_model=madds
--cost_tolerance=0.3
--num_searches=1
--num_random=2
--num_noise_networks=1
--num_noise_seeds=2
--nofidelity
--noevolution
--epochs=2
--train_epochs=2
--train_batch_size=8
--rl_batch_size_multiplier=1
"""


@pytest.fixture(name="tiny")
def _tiny(tmp_path, image_folder) -> pathlib.Path:
    """A directory with tiny.flags, and the module of its space."""
    interrupted_runs.prepare(tmp_path, image_folder, _TINY)
    return tmp_path


def _start(directory, *flags: str) -> subprocess.Popen:
    return interrupted_runs.start(
        directory, "tunas_tf.compare_search", "--flagfile=tiny.flags", *flags
    )


def _lines(directory) -> list[dict]:
    path = directory / "run" / "results.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().rpartition("\n")[0].splitlines()]


def _wait_until(condition, process, seconds=300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_kill_costs_nothing_that_was_done_and_more_networks_come_on_top(tiny):
    process = _start(tiny)
    _wait_until((tiny / "run" / "workers.log").exists, process)
    second = _start(tiny)
    _, errors = second.communicate()
    assert second.returncode == 2 and f"in use by process {process.pid}" in errors
    _wait_until(lambda: len(_lines(tiny)) >= 1, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = (tiny / "run" / "results.jsonl").read_text().rpartition("\n")[0]
    finished = json.loads((tiny / "run/searches/seed0/outcome.json").read_text())

    process = _start(tiny, "--num_random=3", "--workers=2")
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "1 searches" in printed and "noise of one training" in printed
    assert (tiny / "run" / "results.jsonl").read_text().startswith(before + "\n")
    kinds = sorted(line["kind"] for line in _lines(tiny))
    assert kinds == ["random"] * 4 + ["reference", "tunas"]
    assert json.loads((tiny / "run/searches/seed0/outcome.json").read_text()) == finished
    assert not errors.strip()
    # What libraries print is kept elsewhere.
    assert "loss" not in printed
    assert "step 9/9: loss" in (tiny / "run" / "workers.log").read_text()

    process = _start(tiny, "--train_epochs=3")
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "was started with train_epochs=2.0, now it is 3.0" in errors
    assert "--output_dir" in errors and "--checkpoint_dir" not in errors


@pytest.mark.slow
def test_settings_of_evolution_are_free_until_one_begins_and_where_there_is_none(tiny):
    process = _start(tiny)  # With --noevolution.
    _wait_until((tiny / "run" / "config.json").exists, process)
    process.kill()
    process.communicate()
    # Where the directory is accepted, this is the next error.
    (tiny / "run" / "results.jsonl").write_text("damaged\n")

    def attempt(*lines):
        arguments = [["--flagfile=tiny.flags", *flags] for flags in lines]
        found = outcomes("tunas_tf.compare_search", arguments, run=True, cwd=tiny)
        return [outcome["error"] for outcome in found]

    def evolution(num_generations):
        return ["--evolution", f"--evolution_num_generations={num_generations}"]

    for error in attempt([], evolution(7), [], evolution(5), []):
        assert "results.jsonl is no result" in error
    (tiny / "run" / "evolution").mkdir()
    accepted, refused, without = attempt(evolution(5), evolution(7), [])
    assert "results.jsonl is no result" in accepted and "results.jsonl is no result" in without
    assert "was started with evolution_num_generations=5, now it is 7" in refused
    settings = json.loads((tiny / "run" / "config.json").read_text())["settings"]
    assert settings["evolution_num_generations"] == 5


_REFUSED = [
    (["--output_dir="], "--output_dir is missing"),
    (["--ssd=mobilenet_v2"], "there is nothing to compare"),
    (["--ablations=reward,weather"], "--ablations=weather is unknown"),
    (["--enable_cost_model=false"], "compared at equal cost"),
    (["--evolution_num_parents=3"], "--evolution is off"),
    (["--num_ablation_searches=3"], "there are no --ablations"),
    (["--fidelity", "--num_random=0"], "--fidelity has no effect here: --num_random is 0"),
    (["--fidelity", "--num_searches=0"], "--fidelity has no effect here: --num_searches is 0"),
    (["--evolution", "--num_searches=0"], "--evolution has no effect here: --num_searches is 0"),
    (["--strict", "--dataset=digits"], "--strict has no effect here: the images of digits"),
    (["--num_searches=0", "--num_random=0"], "there is nothing to do"),
    (["--num_random=40"], "different networks of tiny_search were found"),
    (["--rl_cost_model_target=1"], "no network of tiny_search costs"),
    (["--reference_networks=proxylessnas_search,nope"], "there is no search space 'nope'"),
    (["--train_epochs=0.01"], "less than one step"),
    # What single searches and trainings would refuse is told before the first of them.
    (["--rl_delay_steps_fraction=0.1"], "warmup"),
    (["--cost_tolerance=0"], "the tolerance 0; both must be above 0"),
    (["--train_dropout_rate=1"], "train_dropout_rate is 1; it must be at least 0 and below 1"),
    (["--train_path_dropout_rate=1"], "train_path_dropout_rate is 1; it must be"),
    (["--train_ema_decay=1"], "train_ema_decay is 1; it must be"),
    (["--output_dir=tiny.flags/run"], "cannot be written"),
]


def test_bad_input_is_one_sentence(tiny):
    lines = [["--flagfile=tiny.flags", *flags] for flags, _ in _REFUSED]
    for (flags, message), outcome in zip(
        _REFUSED, outcomes("tunas_tf.compare_search", lines, run=True, cwd=tiny)
    ):
        assert message in outcome["error"], flags
        assert "\n" not in outcome["error"], flags
    assert not (tiny / "run").exists()
