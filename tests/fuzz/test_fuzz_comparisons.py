"""What a comparison writes and reads again: results, accuracies, outcomes, candidates."""

import dataclasses
import math
import os

import example_spaces
import pytest
from fuzz_inputs import contents, damaged_bytes, expect_sentence, lines, slow, write
from hypothesis import given
from hypothesis import strategies as st

from tunas_tf import search_space
from tunas_tf.comparison import candidates, fidelity, results, search_outcome, verdict

_SPACE = example_spaces.mixed_space()


def _result(kind: str, number: int) -> results.Result:
    return results.Result(
        kind=kind,
        ssd="mixed",
        indices=f"{number}:1",
        cost=84.0,
        seed=number,
        validation_accuracy=0.5 + number / 10,
        test_accuracy=0.5 + number / 10,
        seconds=100.0,
        training_madds=1e12,
    )


_RANDOM = [_result("random", number) for number in range(3)]
_RESULTS = [dataclasses.asdict(_result(k, number)) for k in results.KINDS for number in range(2)]
_ACCURACIES = [{"search": "seed0", "accuracies": {"0:1": 0.5, "1:1": 0.25}}]
_OUTCOME = {
    "seconds": 20.5,
    "madds": 1e12,
    "indices": {"argmax": [0] * 11, "feasible": [0] * 11},
    "costs": {"argmax": 84.5, "feasible": 84.0},
}
_CANDIDATES = b"""number,generation,origin,cost,quality,indices
0,0,random,84.5,0.25,0:1:0
1,0,random,83.5,0.5,1:1:0
2,1,mutation,83.5,0.75,1:1:2
"""


@pytest.fixture(name="directory", scope="module")
def _directory(tmp_path_factory):
    return tmp_path_factory.mktemp("comparisons")


@given(content=lines(_RESULTS))
def test_results(directory, content):
    path = write(directory / "results.jsonl", content)
    found = expect_sentence(lambda: results.read(path))
    for result in found or ():
        # It becomes the name of a directory that is removed.
        assert os.path.basename(f"{result.kind}_seed{result.seed}") == (
            f"{result.kind}_seed{result.seed}"
        )
        assert math.isfinite(result.test_accuracy) and isinstance(result.ssd, str)


@slow(4)
@given(content=lines(_RESULTS))
def test_verdicts(directory, content):
    path = write(directory / "results.jsonl", content)
    found = expect_sentence(lambda: results.read(path))
    if found:
        summary = expect_sentence(lambda: verdict.summarize(found))
        assert summary is None or summary["verdict"]


@given(content=lines(_ACCURACIES))
def test_accuracies(directory, content):
    path = write(directory / "fidelity.jsonl", content)
    found = expect_sentence(lambda: fidelity.read(path))
    if found is not None:
        fidelity.summarize(found, _RANDOM)


@given(content=contents(_OUTCOME))
def test_outcomes(directory, content):
    path = write(directory / "outcome.json", content)
    found = expect_sentence(lambda: search_outcome.read(path, _SPACE))
    if found is not None:
        for rule in ("argmax", "feasible"):
            search_space.resolve(_SPACE, found.indices[rule])
            assert math.isfinite(found.costs[rule] / 84.0)


@given(
    content=st.one_of(
        damaged_bytes(_CANDIDATES),
        damaged_bytes(_CANDIDATES, max_changes=1),
        st.binary(max_size=200),
        st.sampled_from(
            [b'0,0,random,84.5,0.25,"0\n', b"0,0,random,84.5,nan,0:1\n", b"x" * 200_000 + b"\n"]
        ).map(lambda line: _CANDIDATES + line),
    )
)
def test_candidates(directory, content):
    path = write(directory / "seed0.csv", content)
    qualities = expect_sentence(lambda: candidates.read_qualities(path))
    assert all(map(math.isfinite, qualities or ()))
    log = expect_sentence(lambda: candidates.CandidateLog(path))
    assert (log is None) is (qualities is None)
    if log is None:
        return
    expect_sentence(lambda: log.quality(0, "0:1:0", lambda: 0.5))
    number = len(qualities)
    log.append(candidates.Candidate(number, 1, "mutation", 84.0, 0.125, (0, 1, 2)))
    assert candidates.read_qualities(path) == [*qualities, 0.125]
