"""The section of a report that shows a network."""

from typing import Any

from tunas_tf.cost_model import CostModel, cost_text
from tunas_tf.reporting import drawing, page
from tunas_tf.reporting.layer_costs import LayerCosts, layer_costs
from tunas_tf.search_space import table, traversal
from tunas_tf.search_space.architecture import Architecture

__all__ = ["classes_of", "network_section"]


def classes_of(config: dict[str, Any]) -> int:
    """Outputs of the classifier on top of the network; 0 below a detector, which has none."""
    if "detector" in config["settings"]:
        return 0
    return config.get("derived", {}).get("num_classes") or 0


def _kernels(rows) -> dict[str, str]:
    """The colours that a drawing of these layers uses, and what they mean."""
    sizes = {row.get("kernel_size") for row in rows if row["block"] is not None}
    colors = {
        f"kernel {size} × {size}": drawing.KERNEL_COLORS[size]
        for size in sorted(sizes & set(drawing.KERNEL_COLORS))
    }
    if any(row.get("squeeze_and_excite") for row in rows):
        colors["squeeze-and-excite (SE)"] = drawing.SQUEEZE_COLOR
    return colors


def network_section(
    title: str,
    introduction: str,
    architecture: Architecture,
    image_size: int,
    num_classes: int,
    cost_model: CostModel | None = None,
) -> str:
    """The network, block by block, and the cost of each layer.

    Args:
      title, introduction: of the section.
      architecture: the network.
      image_size: side of the images in pixels.
      num_classes: outputs of the classifier; 0: there is none.
      cost_model: whose costs to show; None: multiply-adds.
    """
    rows = table.layer_rows(architecture, image_size, num_classes)
    lines = drawing.lines_of(rows)
    explanation = ""
    if cost_model is None or not cost_model.tables:
        madds = [float(row["madds"]) for row in rows]
        costs, name = LayerCosts(madds, 0.0, sum(madds), "madds"), ""
    else:
        costs = layer_costs(cost_model, architecture.indices, rows)
        name = f" by the cost model {cost_model.name}"
        if cost_model.name not in ("madds", "params"):
            explanation = (
                " The model tells networks apart, not layers: a layer that may be skipped counts "
                "with what skipping it would save, and what all networks share stands by itself."
            )
    skipped = sum(bool(row.get("skipped")) for row in rows)
    return page.section(
        title,
        page.note(introduction),
        page.legend(_kernels(rows)),
        page.figures(
            page.figure(
                "Layers, from the input down",
                drawing.network_svg(lines),
                "",
                "Solid bars: filters of the output; light bars: hidden filters, to which a "
                "bottleneck expands. Widths go by the square root. At the right the size of the "
                f"output in pixels, of images of {image_size} × {image_size}; ↓ halves it."
                + (f" Skipped layers: {skipped}." if skipped else ""),
            ),
            page.figure(
                "Cost, layer by layer",
                drawing.cost_svg(lines, costs),
                "",
                f"In {cost_text.unit_name(costs.unit)}{name}, and the share of the network's "
                f"{cost_text.short_number(costs.total, costs.unit)}.{explanation}",
            ),
        ),
        page.note(
            "Indices: " + (traversal.format_indices(architecture.indices) or "none, no choices")
        ),
    )
