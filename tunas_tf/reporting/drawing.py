"""A network, and where its cost goes, as SVG: two drawings whose rows stand side by side.

Both are 380 units wide, about the width of a phone, so that their text can be read there.
"""

import html
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from tunas_tf.cost_model import cost_text
from tunas_tf.reporting.layer_costs import LayerCosts

__all__ = [
    "KERNEL_COLORS",
    "SQUEEZE_COLOR",
    "Line",
    "cost_svg",
    "layer_text",
    "lines_of",
    "network_svg",
]

_WIDTH = 380
_ROW, _HEADER = 22, 28
_BAR_LEFT, _BAR_RIGHT = 190, 310

KERNEL_COLORS = {1: "#b8c4cf", 3: "#8ec1e8", 5: "#3c86c4", 7: "#123f73"}
_OTHER = "#9a9a9a"
SQUEEZE_COLOR = "#d9730d"
_COST = "#4a7d5c"

_OPERATIONS = {
    "bottleneck": "bottleneck",
    "fused_bottleneck": "fused",
    "tucker_bottleneck": "tucker",
    "separable_conv": "separable",
}


class Line(NamedTuple):
    """One line of the drawings.

    Attributes:
      header: the text of a line that begins a block; None for a layer.
      row: the layer, by `search_space.table.layer_rows`; None for a header.
      number: its index among the rows.
    """

    header: str | None = None
    row: dict[str, Any] | None = None
    number: int = -1


def _times(size: int) -> str:
    return f"{size}\u2009×\u2009{size}"


def lines_of(rows: Sequence[dict[str, Any]]) -> list[Line]:
    """The layers that have weights, and those that are skipped, under a header for each block."""
    lines: list[Line] = []
    block: Any = "none yet"
    for number, row in enumerate(rows):
        if not row["params"] and not row.get("skipped"):
            continue
        if row["block"] != block:
            block = row["block"]
            name = "Classifier" if block is None else f"Block {block}"
            kind = "classes" if block is None else "filters"
            lines.append(Line(f"{name} · {row['filters']:,} {kind}"))
        lines.append(Line(None, row, number))
    return lines


def _hidden_filters(row: dict[str, Any]) -> int:
    names = ("expanded_filters", "input_compression", "output_compression")
    return max((row[name] for name in names if name in row), default=0)


def layer_text(row: dict[str, Any]) -> str:
    """What the layer does in a few words: "bottleneck 5×5, expand 6, SE ↓" (the arrow: stride)."""
    if row.get("skipped"):
        return "skipped"
    text = _OPERATIONS.get(row["op"], row["op"].replace("_", " "))
    if row["block"] is not None and "kernel_size" in row:
        text += f" {row['kernel_size']}×{row['kernel_size']}"
    if "expanded_filters" in row:
        text += f", expand {row['expanded_filters'] / row['input_filters']:.2g}"
    elif "input_compression" in row:
        text += f", {row['input_compression']} to {row['output_compression']}"
    if row.get("squeeze_and_excite"):
        text += ", SE"
    if row.get("strides", 1) > 1:
        text += " ↓"
    return text


class _Svg:
    """Collects elements."""

    def __init__(self):
        self.parts: list[str] = []

    def text(self, x, y, content, size=11, anchor="start", color="#1f2328", weight="normal"):
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{color}">{html.escape(content)}</text>'
        )

    def rect(self, x, y, width, height, fill, stroke="none", extra=""):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
            f'fill="{fill}" stroke="{stroke}" {extra}/>'
        )

    def finish(self, height: float, description: str) -> str:
        escaped = html.escape(description, quote=True)
        return (
            f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{escaped}" '
            f'font-family="system-ui, sans-serif" xmlns="http://www.w3.org/2000/svg">'
            f"<title>{escaped}</title>{''.join(self.parts)}</svg>"
        )


def _place(lines: Sequence[Line]):
    """(line, top) of each line, and the height of all."""
    placed, y = [], 0
    for line in lines:
        placed.append((line, y))
        y += _HEADER if line.header else _ROW
    return placed, y + 4


def _header(svg: _Svg, top: int, text: str) -> None:
    svg.parts.append(
        f'<line x1="0" x2="{_WIDTH}" y1="{top + _HEADER - 5}" y2="{top + _HEADER - 5}" '
        'stroke="#d6dae0"/>'
    )
    svg.text(0, top + _HEADER - 10, text, size=12, weight="600")


def network_svg(lines: Sequence[Line]) -> str:
    """The network from its input down, a bar for each layer.

    The solid bar is as wide as the layer's output, the light one around it as its hidden width,
    both by the square root; the colour is the kernel.
    """
    svg = _Svg()
    placed, height = _place(lines)
    rows = [line.row for line in lines if line.row is not None and line.row["block"] is not None]
    widest = max(max(row["filters"], _hidden_filters(row)) for row in rows)
    scale = (_BAR_RIGHT - _BAR_LEFT) / math.sqrt(widest)
    middle = (_BAR_LEFT + _BAR_RIGHT) / 2
    words = []
    for line, top in placed:
        if line.header:
            _header(svg, top, line.header)
            words.append(line.header + ":")
            continue
        row = line.row
        skipped = row.get("skipped")
        svg.text(6, top + 15, layer_text(row), color="#8a9099" if skipped else "#1f2328")
        words.append(layer_text(row) + ";")
        if skipped:
            svg.rect(middle - 20, top + 7, 40, 8, "none", "#b0b6be", 'stroke-dasharray="3 3"')
            continue
        color = KERNEL_COLORS.get(row.get("kernel_size", 0), _OTHER)
        if row["block"] is None:
            color = _OTHER
        if hidden := _hidden_filters(row):
            width = scale * math.sqrt(hidden)
            svg.rect(middle - width / 2, top + 2, width, 18, color, extra='fill-opacity="0.3"')
        width = min(scale * math.sqrt(row["filters"]), _BAR_RIGHT - _BAR_LEFT)
        svg.rect(middle - width / 2, top + 5, width, 12, color)
        if row.get("squeeze_and_excite"):
            svg.parts.append(
                f'<circle cx="{_BAR_RIGHT + 4}" cy="{top + 11}" r="4" fill="{SQUEEZE_COLOR}"/>'
            )
        shape = f"{_times(row['output_size'])}" if row["block"] is not None else ""
        svg.text(_WIDTH, top + 15, shape, anchor="end", color="#59636e")
    return svg.finish(height, "The network from its input on. " + " ".join(words))


def cost_svg(lines: Sequence[Line], costs: LayerCosts) -> str:
    """The cost of each line of `network_svg`, in the same place."""
    svg = _Svg()
    placed, height = _place(lines)
    largest = max([*costs.by_row, costs.rest]) or 1.0
    left, right = 192, 280

    def bar(top: int, text: str, cost: float) -> None:
        svg.text(6, top + 15, text, color="#59636e")
        svg.rect(left, top + 4, max(0.5, (right - left) * cost / largest), 14, _COST)
        share = f"{cost / costs.total:.1%}" if costs.total else ""
        svg.text(326, top + 15, cost_text.short_number(cost, costs.unit), anchor="end")
        svg.text(_WIDTH, top + 15, share, anchor="end", color="#59636e")

    words = []
    for line, top in placed:
        if line.header:
            _header(svg, top, line.header)
            words.append(line.header + ":")
        elif line.row.get("skipped"):
            svg.text(6, top + 15, "skipped", color="#8a9099")
        elif not costs.by_row[line.number]:  # All of it is in what networks share.
            svg.text(6, top + 15, layer_text(line.row), color="#59636e")
            svg.text(_WIDTH, top + 15, "common to all", anchor="end", color="#8a9099")
            words.append(f"{layer_text(line.row)}, common to all;")
        else:
            cost = costs.by_row[line.number]
            bar(top, layer_text(line.row), cost)
            words.append(f"{layer_text(line.row)} {cost_text.short_number(cost, costs.unit)};")
    if costs.rest > 1e-6 * costs.total:
        _header(svg, height, "All networks of the space")
        bar(height + _HEADER, "what they share", costs.rest)
        height += _HEADER + _ROW
        words.append(f"the rest {cost_text.short_number(costs.rest, costs.unit)}.")
    description = f"Cost of each layer, {cost_text.short_cost(costs.total, costs.unit)} in all. "
    return svg.finish(height, description + " ".join(words))
