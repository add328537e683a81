"""What calibrations refuse before anything is measured."""

import pytest
from command_outcomes import outcomes

_LINE = ["--ssd=quickstart_search", "--output=mine.json"]
_REFUSED = [
    ([*_LINE, "--num_classes=0"], "--num_classes=0: a classifier has 1 class or more"),
    (_LINE[:1], "--output is missing"),
    ([*_LINE, "--output=mine.csv"], "give a name that ends in .json"),
    ([*_LINE, "--output=nowhere/mine.json"], "cannot be written"),
    (_LINE[1:], "--ssd is missing"),
]


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
