"""Whether accuracies with shared weights rank networks as training each of them does."""

import os
from collections.abc import Sequence
from typing import Any

from tunas_tf.common import checks, json_files
from tunas_tf.common.errors import InputError
from tunas_tf.comparison import intervals, json_lines
from tunas_tf.comparison.results import Result

__all__ = ["Points", "append", "points", "read", "summarize"]

# Search -> indices -> accuracy with its weights.
Accuracies = dict[str, dict[str, float]]
# (accuracy with shared weights, accuracy of the network trained by itself) of networks.
Points = list[tuple[float, float]]


_LINE = checks.record(
    {"search": checks.text, "accuracies": checks.mapping_of(checks.number(-1, 1))}
)


def append(path: str, search: str, accuracies: dict[str, float]) -> None:
    """Adds a line to the file of accuracies: those of some networks with the weights of a search.

    A last line that a kill has cut short is removed first.
    """
    json_lines.append(path, {"search": search, "accuracies": accuracies})


def read(path: str) -> Accuracies:
    """All accuracies in a file, none if there is no file."""
    found: Accuracies = {}
    if not os.path.lexists(path):
        return found
    try:
        lines = json_files.read_lines(path)
    except OSError as error:
        raise InputError(
            f"the accuracies {path} cannot be read ({error.strerror}); delete it, and its networks "
            "are evaluated again."
        ) from None
    for number, line in enumerate(lines, start=1):
        try:
            value = json_files.parse_json(line)
            _LINE(value)
        except ValueError as error:
            raise InputError(
                f"line {number} of {path} is damaged ({error}); delete it, and its networks are "
                "evaluated again."
            ) from None
        found.setdefault(value["search"], {}).update(value["accuracies"])
    return found


def points(accuracies: dict[str, float], results: Sequence[Result]) -> Points:
    """Pairs of the networks in both; of several trainings that of the lowest seed counts."""
    trained: dict[str, Result] = {}
    for result in sorted(results, key=lambda result: result.seed):
        trained.setdefault(result.indices, result)
    return [
        (accuracy, trained[indices].test_accuracy)
        for indices, accuracy in accuracies.items()
        if indices in trained
    ]


def _json(interval: intervals.Interval) -> dict[str, float | None]:
    def finite(value: float) -> float | None:
        return value if abs(value) < float("inf") else None

    return {
        "estimate": None if interval.estimate != interval.estimate else interval.estimate,
        "low": finite(interval.low),
        "high": finite(interval.high),
    }


def summarize(found: Accuracies, random: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Rank correlations of each search: {search: {networks, spearman, kendall}}, JSON values."""
    summary = {}
    for search, accuracies in sorted(found.items()):
        pairs = points(accuracies, random)
        if len(pairs) >= 2:
            correlations = intervals.rank_correlations(*zip(*pairs))
            summary[search] = {
                "networks": len(pairs),
                **{name: _json(value) for name, value in correlations.items()},
            }
    return summary
