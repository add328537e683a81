"""results.jsonl, as it is written and read."""

import json

import pytest
import synthetic

from tunas_tf.common.errors import InputError
from tunas_tf.comparison import results


def test_round_trip(tmp_path):
    path = str(tmp_path / "results.jsonl")
    written = [
        synthetic.result("tunas", 0, search_seed=3, supernet_accuracy={"no_warmup": 0.4}),
        synthetic.result("random", 1),
    ]
    for result in written:
        results.append(path, result)
    assert results.read(path) == written
    assert results.of_kind(results.read(path), "random") == written[1:]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 2


def test_line_cut_short_by_a_kill(tmp_path):
    path = tmp_path / "results.jsonl"
    first, second = synthetic.result("random", 0), synthetic.result("random", 1)
    results.append(str(path), first)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"kind": "rand')
    assert results.read(str(path)) == [first]
    results.append(str(path), second)
    assert results.read(str(path)) == [first, second]


def test_unknown_fields_and_nulls_are_for_other_versions(tmp_path):
    path = tmp_path / "results.jsonl"
    value = {
        "kind": "random", "ssd": "s", "indices": "0", "cost": 1.0, "seed": 0,
        "validation_accuracy": 0.5, "test_accuracy": 0.5, "seconds": 1.0, "training_madds": 1.0,
        "search_seed": None, "colour": "blue",
    }  # fmt: skip
    path.write_text(json.dumps(value) + "\n")
    (read,) = results.read(str(path))
    assert (read.kind, read.search_seed, read.setting) == ("random", None, "")


@pytest.mark.parametrize(
    "line, message",
    [
        ("[]", "line 1 of .* is no result"),
        ("{}", "line 1 of .* is no result"),
        ("half a li", "line 1 of .* is no result"),
    ],
)
def test_damaged_line(tmp_path, line, message):
    path = tmp_path / "results.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=message):
        results.read(str(path))


def test_values_that_are_none(tmp_path):
    with pytest.raises(InputError, match="results .* cannot be read"):
        results.read(str(tmp_path / "nothing.jsonl"))
    with pytest.raises(InputError, match="the kind of a result is 'best'; use tunas"):
        synthetic.result("best")
    with pytest.raises(InputError, match="test_accuracy of a result is nan"):
        synthetic.result(test_accuracy=float("nan"))
    with pytest.raises(InputError, match="seconds of a result is '1'; it must be a number"):
        synthetic.result(seconds="1")
