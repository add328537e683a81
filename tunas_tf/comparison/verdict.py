"""From results to a summary for programs and a few sentences for people."""

import math
from collections.abc import Sequence
from typing import Any

from tunas_tf.common.errors import InputError
from tunas_tf.comparison import best_of_n, intervals, statistics
from tunas_tf.comparison.intervals import Difference, Interval
from tunas_tf.comparison.results import KINDS, Result, of_kind

__all__ = ["sentences", "summarize"]

_NAMES = {
    "tunas": "TuNAS",
    "random": "random networks",
    "reference": "the reference networks",
    "evolution": "evolution on the shared weights",
}
_UNITS = {"training_madds": "multiply-adds of training", "seconds": "measured time"}


def _finite(value: float | None) -> float | None:
    """JSON has no infinity and no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def _interval_json(interval: Interval, name: str) -> dict[str, Any]:
    return {
        name: _finite(interval.estimate),
        "low": _finite(interval.low),
        "high": _finite(interval.high),
    }


def _difference_json(first: str, second: str, difference: Difference) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        **_interval_json(difference.interval, "difference"),
        "p_value": difference.p_value,
        "significant": difference.significant,
    }


def _equal_compute(found, random, curve, unit: str, mean: Interval) -> dict[str, Any]:
    """The best of as many random networks as one search and its retraining pay for."""
    compute = statistics.compute_of(found, random, unit)
    value: dict[str, Any] = {
        "search": compute.search,
        "retraining": compute.retraining,
        "network": compute.network,
        "equal_n": _finite(compute.equal_n),
    }
    if len(random) < 2 or not math.isfinite(compute.equal_n):
        return value
    # Of the best of all of them there is but one observation.
    number = min(max(1, math.floor(compute.equal_n)), len(random) - 1)
    difference = intervals.difference_of_intervals(mean, curve[number - 1])
    value["compared_n"] = number
    value["best_of_compared_n"] = _interval_json(curve[number - 1], "mean")
    value["difference"] = _difference_json("tunas", f"best of {number} random", difference)
    return value


def summarize(results: Sequence[Result]) -> dict[str, Any]:
    """The summary of a comparison, JSON values; numbers that nothing bounds are null.

    Args:
      results: of one setting, cost model and target. Of networks trained several times the
        lowest seed counts, the others tell the noise.

    Returns:
      noise: of one training, see `statistics.noise`.
      means: by kind, the mean of the test with its interval, and the number of networks.
      differences: of TuNAS from each other kind.
      best_of_n: for n = 1, 2, ... random networks, the expected test value of the best.
      catch_up: n at which random is as good as the mean of TuNAS.
      compute: by "training_madds" and "seconds", what the ways take, and the difference of
        TuNAS from the best of as many random networks as take the same.
      verdict: `sentences` of all this.

    Raises:
      InputError: there is no result.
    """
    if not results:
        raise InputError("there are no results to compare; train some networks first.")
    networks = {kind: statistics.distinct(of_kind(results, kind)) for kind in KINDS}
    # Every search counts, also where two have found the same network.
    networks["tunas"] = _one_of_each_search(of_kind(results, "tunas"))
    networks = {kind: group for kind, group in networks.items() if group}
    test = {k: [result.test_accuracy for result in group] for k, group in networks.items()}
    means = {kind: intervals.mean_interval(values) for kind, values in test.items()}
    noise = statistics.noise(results)
    summary: dict[str, Any] = {
        "noise": {
            "deviation": None,
            "low": None,
            "high": None,
            "networks": noise.num_networks,
            "trainings": noise.num_trainings,
        },
        "means": {
            kind: {**_interval_json(mean, "mean"), "networks": len(test[kind])}
            for kind, mean in means.items()
        },
        "differences": [],
    }
    if noise.deviation is not None:
        summary["noise"].update(_interval_json(noise.deviation, "deviation"))
    if "tunas" in test:
        summary["differences"] = [
            _difference_json("tunas", kind, intervals.difference(test["tunas"], test[kind]))
            for kind in test
            if kind != "tunas"
        ]
    if "random" in test:
        validation = [result.validation_accuracy for result in networks["random"]]
        curve = best_of_n.best_of_n_intervals(validation, test["random"])
        summary["best_of_n"] = [
            {"n": n, **_interval_json(interval, "mean")} for n, interval in enumerate(curve, 1)
        ]
        if "tunas" in test:
            caught = best_of_n.catch_up(test["tunas"], validation, test["random"])
            summary["catch_up"] = dict(zip(("n", "low", "high"), caught))
            summary["compute"] = {
                unit: _equal_compute(
                    networks["tunas"], networks["random"], curve, unit, means["tunas"]
                )
                for unit in _UNITS
            }
    summary["verdict"] = sentences(summary)
    return summary


def _one_of_each_search(results: Sequence[Result]) -> list[Result]:
    first: dict[Any, Result] = {}
    for result in sorted(results, key=lambda result: result.seed):
        first.setdefault((result.search_seed, result.network), result)
    return list(first.values())


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _range(value: dict[str, Any], scale: float = 100.0, unit: str = "") -> str:
    if value["low"] is None or value["high"] is None:
        return "too few to tell an interval"
    low, high = scale * value["low"], scale * value["high"]
    return f"95 % interval {low:.1f} to {high:.1f}{unit}"


def _count(number: int, kind: str) -> str:
    noun = "search" if kind == "tunas" else "network"
    return f"{number} {noun if number == 1 else noun + ('es' if noun == 'search' else 's')}"


def _difference_sentence(difference: dict[str, Any], second: str, noise: dict[str, Any]) -> str:
    points = 100 * difference["difference"]
    details = _range(difference)
    if difference["p_value"] is not None:
        details += f", p = {difference['p_value']:.2g}"
    if not difference["significant"]:
        return (
            f"No significant difference between TuNAS and {second}: {points:+.1f} percentage "
            f"points ({details})."
        )
    better = "better" if points > 0 else "worse"
    text = f"TuNAS is {better} than {second} by {abs(points):.1f} percentage points ({details})"
    if noise["deviation"] is not None and abs(points) < 100 * noise["deviation"]:
        text += ", which is less than one training varies by"
    return text + "."


def _noise_sentence(noise: dict[str, Any]) -> str:
    if noise["deviation"] is None:
        return "The noise of the metric is unknown: no network was trained with several seeds."
    return (
        f"Noise: one network trained with other seeds varies by {100 * noise['deviation']:.1f} "
        f"percentage points (standard deviation; {_range(noise)}; "
        f"{_count(noise['networks'], 'random')}, {noise['trainings']} trainings)."
    )


def _compute_sentences(summary: dict[str, Any]) -> list[str]:
    lines = []
    available = summary["means"]["random"]["networks"]
    for unit, compute in summary["compute"].items():
        if compute["equal_n"] is None:
            continue
        text = (
            f"By {_UNITS[unit]}, one search and its retraining pay for {compute['equal_n']:.1f} "
            "random networks."
        )
        if "difference" in compute:
            number = compute["compared_n"]
            best = compute["best_of_compared_n"]
            rival = f"the best of {number} random networks"
            if number < math.floor(compute["equal_n"]):
                text += (
                    f" Of {available} that there are, the best of {number} is the most that can "
                    "be judged, which favours TuNAS."
                )
            text += f" The best of {number} has {_percent(best['mean'])} ({_range(best)}). "
            text += _difference_sentence(compute["difference"], rival, summary["noise"])
        lines.append(text)
    return lines


def _catch_up_sentence(summary: dict[str, Any]) -> str:
    available = summary["means"]["random"]["networks"]

    def text(number: int | None) -> str:
        return f"more than {available}" if number is None else str(number)

    caught = summary["catch_up"]
    if caught["n"] is None:
        start = f"The best of up to {available} random networks is not as good as TuNAS on average"
    else:
        start = f"The best of {caught['n']} random networks is as good as TuNAS on average"
    interval = f"{text(caught['low'])} to {text(caught['high'])}"
    return f"{start} (95 % interval of that number: {interval})."


def _headline(summary: dict[str, Any]) -> str:
    """The answer to the question, at equal compute."""
    answers = [
        compute["difference"] for compute in summary["compute"].values() if "difference" in compute
    ]
    if not answers:
        return "There are too few random networks to compare with."
    signs = {
        0 if not answer["significant"] else math.copysign(1, answer["difference"])
        for answer in answers
    }
    if signs == {1.0}:
        return "At equal compute, TuNAS beats random search."
    if signs == {-1.0}:
        return "At equal compute, random search beats TuNAS."
    if signs == {0}:
        return (
            "At equal compute, there is no significant difference between TuNAS and random search."
        )
    return "Whether TuNAS beats random search depends on how compute is counted."


def sentences(summary: dict[str, Any]) -> list[str]:
    """The verdict in words, the answer first, from what `summarize` returns."""
    lines = [_headline(summary)] if "compute" in summary else []
    lines.append(_noise_sentence(summary["noise"]))
    for kind, mean in summary["means"].items():
        name = _NAMES[kind][0].upper() + _NAMES[kind][1:]
        number = _count(mean["networks"], kind)
        lines.append(f"{name}: {_percent(mean['mean'])} on the test ({_range(mean)}; {number}).")
    for difference in summary["differences"]:
        lines.append(
            _difference_sentence(difference, _NAMES[difference["second"]], summary["noise"])
        )
    if "compute" in summary:
        lines += [*_compute_sentences(summary), _catch_up_sentence(summary)]
    return lines
