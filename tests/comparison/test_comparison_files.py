"""Files of a comparison that were damaged, or written by somebody else."""

import json
import os

import example_spaces
import pytest
import synthetic

from tunas_tf.common.errors import InputError
from tunas_tf.comparison import candidates, fidelity, results, search_outcome
from tunas_tf.comparison.candidates import Candidate, CandidateLog

_OUTCOME = {
    "seconds": 20.5,
    "madds": 1e12,
    "indices": {"argmax": [0] * 11, "feasible": [1] + [0] * 10},
    "costs": {"argmax": 84.5, "feasible": 84.0},
}
_HEADER = "number,generation,origin,cost,quality,indices\n"


def _line(tmp_path, **changes) -> str:
    """The path of a results.jsonl whose second line is a changed result."""
    path = tmp_path / "results.jsonl"
    results.append(str(path), synthetic.result())
    value = json.loads(path.read_text())
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({**value, **changes}) + "\n")
    return str(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        # A runner removes the directory networks/KIND_seedSEED.
        ({"seed": "/../../../home"}, "its seed is '/../../../home' rather than an integer"),
        ({"kind": "../tunas"}, "its kind is '../tunas' rather than one of tunas, random"),
        ({"seed": 0.5}, "its seed is 0.5 rather than an integer"),
        ({"search_seed": "x"}, "its search_seed is 'x' rather than an integer"),
        ({"cost": "84"}, "its cost is '84' rather than a finite number"),
        ({"test_accuracy": 1.5}, "its test_accuracy is 1.5 rather than a finite number from -1"),
        ({"seconds": -1}, "its seconds is -1 rather than a finite number from 0"),
        ({"indices": [0]}, r"its indices is \[0\] rather than a line of text"),
        ({"supernet_accuracy": {"seed0": "x"}}, "its supernet_accuracy.seed0 is 'x'"),
        ({"ssd": None}, "it lacks ssd"),
    ],
)
def test_results(tmp_path, changes, message):
    with pytest.raises(InputError, match=f"line 2 of .* is no result .{message}.*; delete the"):
        results.read(_line(tmp_path, **changes))


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    path = str(tmp_path / "fifo")
    for read in (
        results.read,
        fidelity.read,
        candidates.read_qualities,
        CandidateLog,
        lambda p: search_outcome.read(p, example_spaces.mixed_space()),
    ):
        with pytest.raises(InputError, match="it is no regular file"):
            read(path)


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"search": "seed0", "accuracies": {"0:1": "x"}}', "accuracies.'0:1' is 'x' rather than"),
        ('{"search": 3, "accuracies": {}}', "its search is 3"),
        ('{"search": "seed0"}', "it lacks accuracies"),
        ("[]", "it is .. rather than an object"),
    ],
)
def test_accuracies(tmp_path, line, message):
    path = tmp_path / "fidelity.jsonl"
    path.write_text('{"search": "s", "accuracies": {}}\n' + line + "\n")
    with pytest.raises(InputError, match=f"line 2 of .* is damaged .*{message}.*; delete it"):
        fidelity.read(str(path))
    assert fidelity.read(str(tmp_path / "nothing")) == {}


def test_accuracies_behind_a_line_cut_short_by_a_kill(tmp_path):
    path = tmp_path / "fidelity.jsonl"
    fidelity.append(str(path), "seed0", {"0:1": 0.5})
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"search": "se')
    fidelity.append(str(path), "seed0", {"1:1": 0.75})
    assert fidelity.read(str(path)) == {"seed0": {"0:1": 0.5, "1:1": 0.75}}


def test_outcome(tmp_path):
    path = tmp_path / "outcome.json"
    path.write_text(json.dumps(_OUTCOME))
    found = search_outcome.read(str(path), example_spaces.mixed_space())
    assert found.indices["feasible"] == (1, *[0] * 10) and found.costs["argmax"] == 84.5
    assert (found.seconds, found.madds) == (20.5, 1e12)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seconds": "x"}, "its seconds is 'x'"),
        ({"indices": {"argmax": [0] * 11}}, "its indices lacks feasible"),
        ({"indices": {"argmax": [0], "feasible": [0]}}, "1 index was given, but .* has 11 choices"),
        ({"indices": {"argmax": [-1] * 11, "feasible": [0]}}, "its indices.argmax.0 is -1 rather"),
        ({"costs": {"argmax": 1.0, "feasible": None}}, "its costs.feasible is None rather than"),
    ],
)
def test_damaged_outcome(tmp_path, changes, message):
    path = tmp_path / "outcome.json"
    path.write_text(json.dumps({**_OUTCOME, **changes}))
    with pytest.raises(InputError, match=f"is no outcome of a search .{message}.*; delete it, and"):
        search_outcome.read(str(path), example_spaces.mixed_space())


@pytest.mark.parametrize(
    "content, message",
    [
        (_HEADER + "0,0,random,84.5,nan,0:1\n", "candidate 0 in .* is no number but 'nan'; delete"),
        (_HEADER + "0,0,random,84.5,x,0:1\n", "candidate 0 in .* is no number but 'x'"),
        (_HEADER + "0,0,random\n", "is no file of candidates"),
        ("\ufeff" + _HEADER, "is no file of candidates"),
    ],
)
def test_damaged_candidates(tmp_path, content, message):
    path = tmp_path / "seed0.csv"
    path.write_text(content, encoding="utf-8")
    for read in (candidates.read_qualities, CandidateLog):
        with pytest.raises(InputError, match=message):
            read(str(path))
    assert path.read_text(encoding="utf-8") == content
    path.write_bytes(b"\xff\n")
    with pytest.raises(InputError, match="as they are not text in UTF-8; delete the file"):
        CandidateLog(str(path))


def test_a_quote_does_not_swallow_the_lines_behind_it(tmp_path):
    path = tmp_path / "seed0.csv"
    path.write_text(_HEADER + '0,0,random,84.5,0.25,"0:1\n')
    log = CandidateLog(str(path))
    log.append(Candidate(1, 0, "random", 83.5, 0.5, (1, 1)))
    assert candidates.read_qualities(str(path)) == [0.25, 0.5]
