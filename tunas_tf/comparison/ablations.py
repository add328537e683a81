"""What single settings of a search do to the cost of the network that it finds."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tunas_tf.comparison.plan import Search
from tunas_tf.search_space import table

__all__ = [
    "ABLATIONS",
    "Variant",
    "search_of",
    "searches_needed",
    "summarize",
    "to_text",
    "variants",
]

ABLATIONS = ("reward", "operation_warmup", "filter_warmup", "schedule", "exponent")

_WARMUPS = {
    "operation_warmup": "increase_ops_warmup_steps_fraction",
    "filter_warmup": "increase_filters_warmup_steps_fraction",
}
_EXPONENTS = (-0.05, -0.1, -0.2)
_RULES = ("argmax", "feasible")


class Variant(NamedTuple):
    """One value of an ablation.

    Attributes:
      value: as it is called.
      changes: of the settings of a search, (name, value); empty where it is the search itself.
    """

    value: str
    changes: tuple[tuple[str, Any], ...]


def variants(ablation: str, settings: dict[str, Any]) -> list[Variant]:
    """The values that an ablation compares.

    Args:
      ablation: one of ABLATIONS.
      settings: of the searches without changes.
    """
    values: dict[str, tuple[str, Any]]
    if ablation == "reward":
        values = {name: ("rl_reward_function", name) for name in ("abs", "mnas", "mnas_hard")}
    elif ablation in _WARMUPS:
        flag = _WARMUPS[ablation]
        values = {"on": (flag, settings[flag] or settings["rl_delay_steps_fraction"])}
        values["off"] = (flag, 0.0)
    elif ablation == "schedule":
        flag = "use_exponential_rl_learning_rate_schedule"
        values = {"exponential": (flag, True), "constant": (flag, False)}
    else:
        flag = "rl_cost_model_exponent"
        exponents = sorted({*_EXPONENTS, settings[flag]}, reverse=True)
        values = {f"{exponent:g}": (flag, exponent) for exponent in exponents}
    return [
        Variant(value, () if settings[name] == setting else ((name, setting),))
        for value, (name, setting) in values.items()
    ]


def search_of(ablation: str, variant: Variant, seed: int) -> Search:
    """The search of one variant; the unchanged one is that of the comparison."""
    if not variant.changes:
        return Search(f"seed{seed}", seed)
    return Search(f"{ablation}={variant.value}_seed{seed}", seed, variant.changes)


def searches_needed(hits: Sequence[bool]) -> float | None:
    """Mean number of searches until one hits, over all seeds to start from.

    Seeds follow each other in order, the first one comes after the last. None: no seed hits.
    """
    if not any(hits):
        return None
    size = len(hits)
    waits = [
        next(wait for wait in range(size) if hits[(start + wait) % size]) for start in range(size)
    ]
    return float(np.mean(waits)) + 1


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def summarize(
    costs: dict[str, dict[str, list[float]]], target: float, tolerance: float
) -> list[dict[str, Any]]:
    """A row for each value and rule that names the network, JSON values.

    Args:
      costs: value -> rule -> cost of the network of each seed, in the order of seeds.
      target: cost that was to be hit.
      tolerance: relative distance that counts as a hit.

    Returns:
      value, rule, searches, distances (relative, of each seed), mean_distance (of their
      amounts), needed (see `searches_needed`) and one_search (part of the seeds that hit).
    """
    rows = []
    for value, by_rule in costs.items():
        for rule in _RULES:
            distances = np.array(by_rule[rule]) / target - 1
            hits = np.abs(distances) <= tolerance * (1 + 1e-9)
            rows.append(
                {
                    "value": value,
                    "rule": rule,
                    "searches": len(distances),
                    "distances": [float(distance) for distance in distances],
                    "mean_distance": _finite(np.abs(distances).mean()),
                    "needed": searches_needed(list(hits)),
                    "one_search": float(hits.mean()),
                }
            )
    return rows


def to_text(summary: dict[str, list[dict[str, Any]]], tolerance: float) -> str:
    """One table of all ablations."""
    rows = [["setting", "value", "rule", "seeds", "distance", "searches needed", "one is enough"]]
    for ablation, found in summary.items():
        for row in found:
            needed = "none hits" if row["needed"] is None else f"{row['needed']:.1f}"
            rows.append(
                [
                    ablation,
                    row["value"],
                    row["rule"],
                    str(row["searches"]),
                    f"{row['mean_distance']:.2%}",
                    needed,
                    f"{row['one_search']:.0%} of seeds",
                ]
            )
    return (
        f"Distance of the found network from the target, and searches until one is within "
        f"{tolerance:.1%}:\n{table.align(rows)}"
    )
