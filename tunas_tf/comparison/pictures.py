"""Pictures of a comparison, as PNG files; their names say what they show."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tunas_tf.common.errors import InputError
from tunas_tf.comparison.fidelity import Points
from tunas_tf.comparison.results import KINDS, Result, of_kind

__all__ = ["ablation", "accuracies", "best_of_random", "evolution", "fidelity"]

_STYLE = {
    "text.parse_math": False,  # Names are no formulas.
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e8eb",
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_COLORS = {
    "tunas": "#1f6fb2",
    "random": "#6b7280",
    "reference": "#d9730d",
    "evolution": "#4a7d5c",
}
_NAMES = {
    "tunas": "TuNAS",
    "random": "random",
    "reference": "reference",
    "evolution": "evolution",
}


def _save(figure: Figure, path: str) -> None:
    try:
        figure.savefig(path, dpi=120, metadata={"Software": None})
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).") from None


def _band(axes: Axes, mean: dict[str, Any], kind: str) -> None:
    """A line across for a mean, with its interval if there is one."""
    color = _COLORS[kind]
    label = f"{_NAMES[kind]} (mean of {mean['networks']})"
    axes.axhline(100 * mean["mean"], color=color, linewidth=1.6, label=label)
    if mean["low"] is not None and mean["high"] is not None:
        axes.axhspan(100 * mean["low"], 100 * mean["high"], color=color, alpha=0.12)


def best_of_random(summary: dict[str, Any], path: str) -> None:
    """The best of N random networks over N, beside the other contenders.

    Args:
      summary: from `verdict.summarize`, of a comparison with random networks.
      path: of the PNG file.
    """
    curve = summary["best_of_n"]
    n = [point["n"] for point in curve]
    mean = [100 * point["mean"] for point in curve]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.add_subplot()
        known = [point for point in curve if point["low"] is not None]
        axes.fill_between(
            [point["n"] for point in known],
            [100 * point["low"] for point in known],
            [100 * point["high"] for point in known],
            color=_COLORS["random"],
            alpha=0.2,
            label="95 % interval",
        )
        axes.plot(n, mean, color=_COLORS["random"], marker=".", label="best of N random")
        for kind in ("tunas", "reference", "evolution"):
            if kind in summary["means"]:
                _band(axes, summary["means"][kind], kind)
        low, high = axes.get_ylim()
        # An interval from two or three values may be far wider than all that there is to see.
        seen = [*mean, *(100 * value["mean"] for value in summary["means"].values())]
        room = max(3.0, 2 * (max(seen) - min(seen)))
        axes.set_ylim(max(low, min(seen) - room), min(high, max(seen) + room, 100.5))
        styles = {"training_madds": ":", "seconds": "-."}
        for unit, compute in summary.get("compute", {}).items():
            if compute["equal_n"] is not None and compute["equal_n"] <= len(curve):
                name = unit.replace("training_madds", "multiply-adds")
                axes.axvline(
                    compute["equal_n"],
                    color="black",
                    linewidth=1,
                    linestyle=styles[unit],
                    label=f"as many {name} as a search",
                )
        noise = summary["noise"]["deviation"]
        text = "" if noise is None else f"; one training varies by {100 * noise:.1f} points"
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(
            xlabel="random networks trained (N), the best chosen by validation",
            ylabel="test accuracy (%)",
            title=f"TuNAS and the best of N random networks{text}",
        )
        axes.legend(loc="best")
        _save(figure, path)


def accuracies(results: Sequence[Result], noise: float | None, path: str) -> None:
    """Every trained network: test accuracy over cost.

    Args:
      results: at least one.
      noise: standard deviation of one training, 0 to 1, if it is known.
      path: of the PNG file.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for kind in KINDS:
            if group := of_kind(results, kind):
                axes.errorbar(
                    [result.cost for result in group],
                    [100 * result.test_accuracy for result in group],
                    yerr=None if noise is None else 100 * noise,
                    fmt="o",
                    color=_COLORS[kind],
                    ecolor="#c9ced6",
                    markersize=5,
                    label=f"{_NAMES[kind]} ({len(group)})",
                )
        error = "" if noise is None else " (bars: the noise of one training)"
        axes.set(xlabel="cost", ylabel="test accuracy (%)", title=f"Trained networks{error}")
        axes.legend(loc="best")
        _save(figure, path)


def fidelity(points: dict[str, Points], correlations: dict[str, dict[str, Any]], path: str) -> None:
    """Accuracy with shared weights against that of a training, a panel for each search.

    Args:
      points: of each search.
      correlations: from `fidelity.summarize`, of the same searches.
      path: of the PNG file.
    """
    columns = min(3, len(points))
    rows = math.ceil(len(points) / columns)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(3.4 * columns, 3.2 * rows), layout="constrained")
        for number, (search, pairs) in enumerate(points.items()):
            axes = figure.add_subplot(rows, columns, number + 1)
            shared, alone = 100 * np.array(pairs).T
            axes.scatter(shared, alone, s=18, color=_COLORS["tunas"])
            found = correlations[search]
            estimates = {name: found[name]["estimate"] for name in ("spearman", "kendall")}
            values = ", ".join(
                f"{name.capitalize()} " + ("–" if value is None else f"{value:.2f}")
                for name, value in estimates.items()
            )
            axes.set_title(f"{search.replace('_', ' ')}\n{values}", fontsize=8)
            axes.set(xlabel="with shared weights (%)", ylabel="trained alone, test (%)")
        _save(figure, path)


def evolution(qualities: Mapping[str, Sequence[float]], path: str) -> None:
    """The best candidate so far over the candidates evaluated.

    Args:
      qualities: of the candidates of each search, in their order.
      path: of the PNG file.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for search, values in qualities.items():
            best = 100 * np.maximum.accumulate(values)
            axes.plot(np.arange(1, len(best) + 1), best, label=search)
        axes.set(
            xlabel="candidates evaluated",
            ylabel="best accuracy with shared weights (%)",
            title="Evolution on shared weights, within the cost window",
        )
        axes.legend(loc="best")
        _save(figure, path)


def ablation(name: str, rows: Sequence[dict[str, Any]], tolerance: float, path: str) -> None:
    """Distances from the target of each value, by both rules.

    Args:
      name: of the ablation.
      rows: from `ablations.summarize`.
      tolerance: relative distance that counts as a hit.
      path: of the PNG file.
    """
    values = list(dict.fromkeys(row["value"] for row in rows))
    rules = {"argmax": (_COLORS["reference"], -0.14), "feasible": (_COLORS["tunas"], 0.14)}
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.add_subplot()
        axes.axhspan(-100 * tolerance, 100 * tolerance, color="#4a7d5c", alpha=0.2)
        axes.axhline(0, color="#4a7d5c", linewidth=1, label="target")
        for rule, (color, shift) in rules.items():
            found = [row for row in rows if row["rule"] == rule]
            x = [values.index(row["value"]) + shift for row in found for _ in row["distances"]]
            y = [100 * distance for row in found for distance in row["distances"]]
            axes.scatter(x, y, s=26, color=color, alpha=0.7, label=rule)
        labels = []
        for value in values:
            (row,) = [r for r in rows if r["value"] == value and r["rule"] == "argmax"]
            needed = "never" if row["needed"] is None else f"{row['needed']:.1f} searches"
            labels.append(f"{value}\n(argmax: {needed})")
        axes.set_xticks(range(len(values)), labels)
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set(
            ylabel="cost of the found network from the target (%)",
            title=f"{name.replace('_', ' ')}: a point per search; "
            f"within {tolerance:.1%} counts as the target",
        )
        axes.legend(loc="best")
        _save(figure, path)
