"""Calibrations as commands: on this machine, and what they refuse before anything is measured."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from command_outcomes import ROOT, outcomes

_LINE = ["--ssd=quickstart_search", "--output=mine.json"]
_REFUSED = [
    ([*_LINE, "--num_classes=0"], "--num_classes=0: a classifier has 1 class or more"),
    (_LINE[:1], "--output is missing"),
    ([*_LINE, "--output=mine.csv"], "give a name that ends in .json"),
    ([*_LINE, "--output=nowhere/mine.json"], "cannot be written"),
    (_LINE[1:], "--ssd is missing"),
]
_SPACE = ("--space_module=tiny_space", "--ssd=tiny_search")


def _run(command: str, *flags: str, cwd: pathlib.Path) -> str:
    result = subprocess.run(
        [sys.executable, "-m", f"tunas_tf.{command}", *_SPACE, *flags],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_latencies_of_this_machine_price_networks(tmp_path):
    calibrate = (
        *("calibrate_cost_model", "--image_size=16", "--num_classes=2", "--output=mine.json"),
        *("--max_units=3", "--num_fit_networks=3", "--num_validation_networks=3"),
        *("--num_passes=1", "--num_runs=2"),
    )
    printed = _run(*calibrate, cwd=tmp_path)
    assert "3 of the" in printed and "wrote mine.json, mine.png" in printed
    assert (tmp_path / "mine.png").stat().st_size > 10_000
    log = (tmp_path / "mine.measurements.jsonl").read_text()
    assert len(log.splitlines()) == 1 + 3 + 3 + 3  # What is measured is said first.
    provenance = json.loads((tmp_path / "mine.json").read_text())["provenance"]
    assert "mean absolute" in provenance["validation"]

    again = _run(*calibrate, cwd=tmp_path)
    assert "9 measurements are in mine.measurements.jsonl already" in again
    assert (tmp_path / "mine.measurements.jsonl").read_text() == log

    estimate = ("estimate_cost", "--cost_model=mine.json", "--format=json")
    small, large = (
        json.loads(_run(*estimate, f"--indices={indices}", cwd=tmp_path))
        for indices in ("0:0:0:0:0:0", "1:1:0:1:1:0")
    )
    assert small["unit"] == large["unit"] == "ms"
    assert small["cost"] > 0 and large["cost"] > 0


@pytest.fixture(name="errors", scope="module")
def _errors(tmp_path_factory):
    directory = tmp_path_factory.mktemp("calibrations")
    lines = [flags for flags, _ in _REFUSED]
    found = outcomes("tunas_tf.calibrate_cost_model", lines, run=True, cwd=directory)
    assert not any(directory.iterdir())
    return [outcome["error"] for outcome in found]


@pytest.mark.parametrize("number", range(len(_REFUSED)))
def test_bad_input_is_one_sentence(errors, number):
    _, message = _REFUSED[number]
    assert message in errors[number] and "\n" not in errors[number]
