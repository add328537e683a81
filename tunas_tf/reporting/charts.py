"""Curves and heat maps as SVG pictures, made to be read on a phone."""

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from tunas_tf.reporting.run_files import Curve

__all__ = ["Series", "Strip", "curves", "data_uri", "heat_map", "moving_mean"]

# Text stays text, in the reader's font: half the size, and it can be searched.
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "sans-serif",
    # Names of metrics and units are no formulas.
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a9099",
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.6,
    "xtick.color": "#3d444d",
    "ytick.color": "#3d444d",
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_COLORS = ("#1f6fb2", "#d9730d", "#4a7d5c", "#7a4fa3")
_MAX_POINTS = 400
_MAX_COLUMNS = 240


class Series(NamedTuple):
    """One line of a picture: its label and its curve; noisy ones are drawn with their mean."""

    label: str
    curve: Curve
    noisy: bool = False


class Strip(NamedTuple):
    """One choice in a heat map.

    Attributes:
      title: what is chosen.
      options: [options] texts.
      chosen: the option of the chosen network; None without one.
      probabilities: [times, options].
    """

    title: str
    options: Sequence[str]
    chosen: int | None
    probabilities: np.ndarray


def data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _to_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return data_uri(buffer.getvalue(), "image/svg+xml")


def moving_mean(curve: Curve) -> Curve:
    """The mean over the 5 % of the points around each, at least its neighbours.

    A point is the mean of a loop of steps, and the first and the last loop of a run are short:
    each point weighs as much as its loop is long.
    """
    half = max(1, len(curve.steps) // 40)
    weights = np.diff(curve.steps, prepend=0).astype(float)
    index = np.arange(len(curve.steps))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(index))

    def window(values):
        sums = np.concatenate([[0.0], np.cumsum(values)])
        return sums[high] - sums[low]

    return Curve(curve.steps, window(weights * curve.values) / window(weights))


def _thinned(curve: Curve) -> Curve:
    keep = np.unique(np.linspace(0, len(curve.steps) - 1, _MAX_POINTS).round().astype(int))
    return Curve(curve.steps[keep], curve.values[keep])


def curves(
    series: Sequence[Series],
    ylabel: str,
    last_step: int,
    target: float | None = None,
    tolerance: float = 0.0,
) -> str:
    """Lines over the steps of a run, as a data URI.

    Args:
      series: the lines.
      ylabel: what is drawn, with its unit.
      last_step: where the run ends, or will.
      target: drawn as a line across, if there is one.
      tolerance: relative distance to the target that counts as reached, drawn as a band.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        for color, (label, curve, noisy) in zip(_COLORS, series):
            if noisy:
                thin = _thinned(curve)
                axes.plot(thin.steps, thin.values, color=color, alpha=0.25, linewidth=0.8)
                curve = moving_mean(curve)
            curve = _thinned(curve)
            marker = "o" if len(curve.steps) == 1 else None
            axes.plot(
                curve.steps, curve.values, color=color, linewidth=1.6, label=label, marker=marker
            )
        if target is not None:
            axes.axhspan(
                target * (1 - tolerance), target * (1 + tolerance), color="#c9302c", alpha=0.15
            )
            axes.axhline(target, color="#c9302c", linewidth=1.2, linestyle="--", label="target")
        axes.set_xlim(0, max(1, last_step))
        axes.set_xlabel("step")
        axes.set_ylabel(ylabel)
        if max(abs(end) for end in axes.get_ylim()) >= 1e4:
            axes.yaxis.set_major_formatter(EngFormatter())  # "6.7 M".
        if len(series) > 1 or target is not None:
            axes.legend(loc="best")
        return _to_uri(figure)


def heat_map(steps: np.ndarray, strips: Sequence[Strip], last_step: int) -> str:
    """Probabilities of options over the steps, a strip for each choice, as a data URI.

    Args:
      steps: [times].
      strips: the choices, from top to bottom.
      last_step: where the run ends, or will.
    """
    num_rows = sum(len(strip.options) for strip in strips)
    with matplotlib.rc_context({**_STYLE, "axes.grid": False}):
        height = 0.17 * num_rows + 0.3 * len(strips) + 0.75
        figure = Figure(figsize=(4.6, height), layout="constrained")
        all_axes = figure.subplots(
            len(strips),
            1,
            sharex=True,
            squeeze=False,
            height_ratios=[len(strip.options) for strip in strips],
        )[:, 0]
        # Equal steps, each with what was known by then.
        grid = np.linspace(0, steps[-1], min(_MAX_COLUMNS, int(steps[-1]) + 1))
        column = np.clip(np.searchsorted(steps, grid, side="right") - 1, 0, None)
        for axes, strip in zip(all_axes, strips):
            image = axes.imshow(
                strip.probabilities[column].T,
                aspect="auto",
                interpolation="nearest",
                cmap="viridis",
                vmin=0,
                vmax=1,
                extent=(0, steps[-1], len(strip.options) - 0.5, -0.5),
            )
            axes.set_title(strip.title, fontsize=8, loc="left", pad=2)
            labels = [
                f"▸ {text}" if number == strip.chosen else text
                for number, text in enumerate(strip.options)
            ]
            axes.set_yticks(range(len(labels)), labels)
            axes.tick_params(axis="y", length=0, labelsize=8)
            for number, text in enumerate(axes.get_yticklabels()):
                text.set_fontweight("bold" if number == strip.chosen else "normal")
            for side in axes.spines.values():
                side.set_visible(False)
        all_axes[-1].set_xlim(0, max(1, last_step))
        all_axes[-1].set_xlabel("step")
        figure.colorbar(
            image, ax=list(all_axes), label="probability", location="bottom", aspect=40, pad=0.02
        )
        return _to_uri(figure)
