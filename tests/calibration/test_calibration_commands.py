"""Calibrations as commands: on this machine, and what they refuse before anything is measured."""

import json

import pytest
from command_outcomes import outcomes, printed_by

_LINE = ["--ssd=quickstart_search", "--output=mine.json"]
_REFUSED = [
    ([*_LINE, "--num_classes=0"], "--num_classes=0: a classifier has 1 class or more"),
    (_LINE[:1], "--output is missing"),
    ([*_LINE, "--output=mine.csv"], "give a name that ends in .json"),
    ([*_LINE, "--output=nowhere/mine.json"], "cannot be written"),
    (_LINE[1:], "--ssd is missing"),
]
_SPACE = ("--space_module=tiny_space", "--ssd=tiny_search")


@pytest.mark.slow
def test_latencies_of_this_machine_price_networks(tmp_path):
    calibrate = (
        *("tunas_tf.calibrate_cost_model", *_SPACE, "--output=mine.json"),
        *("--image_size=16", "--num_classes=2"),
        *("--max_units=3", "--num_fit_networks=3", "--num_validation_networks=3"),
        *("--num_passes=1", "--num_runs=2"),
    )
    printed = printed_by(*calibrate, cwd=tmp_path)
    assert "3 of the" in printed and "wrote mine.json, mine.png" in printed
    assert (tmp_path / "mine.png").stat().st_size > 10_000
    log = (tmp_path / "mine.measurements.jsonl").read_text()
    assert len(log.splitlines()) == 1 + 3 + 3 + 3  # What is measured is said first.
    provenance = json.loads((tmp_path / "mine.json").read_text())["provenance"]
    assert "mean absolute" in provenance["validation"]
    assert provenance["reference_network"] in printed and provenance["range"] in printed

    again = printed_by(*calibrate, cwd=tmp_path)
    assert "9 measurements are in mine.measurements.jsonl already" in again
    assert (tmp_path / "mine.measurements.jsonl").read_text() == log

    estimate = ("tunas_tf.estimate_cost", *_SPACE, "--cost_model=mine.json", "--format=json")
    small, large = (
        json.loads(printed_by(*estimate, f"--indices={indices}", cwd=tmp_path))
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
