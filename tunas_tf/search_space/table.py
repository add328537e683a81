"""Spaces and networks as tables, for people (aligned text) and for programs (dicts)."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from tunas_tf.search_space import arithmetic, operations, spec, traversal
from tunas_tf.search_space.architecture import Architecture

__all__ = ["align", "endpoint_shapes", "layer_rows", "network_table", "space_table"]


def align(rows: Iterable[Sequence[Any]]) -> str:
    """Rows of cells as lines of left-aligned columns (numbers right-aligned), header first."""
    texts = [tuple(str(cell) for cell in row) for row in rows]
    columns = list(zip(*texts))
    widths = [max(map(len, column)) for column in columns]
    numeric = [
        all(cell.replace(",", "").replace(" ", "").isdecimal() for cell in column[1:] if cell)
        for column in columns
    ]
    lines = (
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric)
        ).rstrip()
        for row in texts
    )
    return "\n".join(lines)


def _operation(layer) -> str:
    """The field's name of a layer: "SeparableConv" -> "separable_conv"."""
    name = type(layer).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def layer_rows(
    architecture: Architecture, image_size: int = 224, num_classes: int = 1001
) -> list[dict[str, Any]]:
    """One dict per layer of the network, the classifier last (block None).

    Keys: block, layer (index within the block), op, then the fields of the layer by their
    name in `spec` (kernel_size, strides, squeeze_and_excite, activation, ...), with the
    expansion as expanded_filters; residual; skipped (an identity: nothing is computed);
    input_filters, filters, input_size, output_size (pixels), madds, params.
    """
    rows = []
    size = image_size
    for placed in architecture.layers():
        residual = isinstance(placed.layer, spec.Residual)
        layer = placed.layer.layer if residual else placed.layer
        fields = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
        if "expansion" in fields:
            fields["expanded_filters"] = fields.pop("expansion")
        count = arithmetic.layer_count(layer, placed.input_filters, placed.filters, size)
        output_size = operations.output_size(layer, size)
        rows.append(
            {
                "block": placed.block,
                "layer": placed.index,
                "op": _operation(layer),
                **fields,
                "residual": residual,
                "skipped": residual and isinstance(layer, spec.Zero),
                "input_filters": placed.input_filters,
                "filters": placed.filters,
                "input_size": size,
                "output_size": output_size,
                **count._asdict(),
            }
        )
        size = output_size
    if num_classes:
        count = arithmetic.classifier_count(architecture.output_filters, num_classes, size)
        rows.append(
            {
                "block": None,
                "layer": None,
                "op": "classifier",
                "kernel_size": 1,
                "input_filters": architecture.output_filters,
                "filters": num_classes,
                "input_size": size,
                "output_size": 1,
                **count._asdict(),
            }
        )
    return rows


def endpoint_shapes(architecture: Architecture, image_size: int) -> list[tuple[int, int, int]]:
    """(height, width, filters) of the feature maps for detection, in the order of the tower."""
    return [
        (row["input_size"], row["input_size"], row["input_filters"])
        for row in layer_rows(architecture, image_size)
        if row["op"] == "endpoint"
    ]


def _hidden_filters(row) -> str:
    """ "96", or "8, 12" with two hidden widths; empty where a layer has none."""
    names = ("expanded_filters", "input_compression", "output_compression")
    return ", ".join(str(row[name]) for name in names if name in row)


def network_table(
    architecture: Architecture, image_size: int = 224, num_classes: int = 1001
) -> str:
    """The network as text, one line per layer and a line of totals."""

    def cells(row) -> list[str]:
        op = "identity" if row.get("skipped") else row["op"]
        computes = row["params"] > 0
        return [
            "" if row["block"] is None else row["block"],
            op + (" + input" if row.get("residual") and computes else ""),
            row.get("kernel_size", ""),
            row.get("strides", ""),
            _hidden_filters(row),
            "yes" if row.get("squeeze_and_excite") else "",
            row.get("activation") or row.get("kind", ""),
            f"{row['input_size']} x {row['input_size']} x {row['input_filters']}",
            f"{row['output_size']} x {row['output_size']} x {row['filters']}",
            f"{row['madds']:,}" if computes else "",
            f"{row['params']:,}" if computes else "",
        ]

    header = (
        "block", "layer", "kernel", "stride", "hidden", "SE", "activation", "input", "output",
        "madds", "params",
    )  # fmt: skip
    rows = layer_rows(architecture, image_size, num_classes)
    totals = [f"{sum(row[key] for row in rows):,}" for key in ("madds", "params")]
    return align([header, *map(cells, rows), ["total", *[""] * 8, *totals]])


def _is_long(node: spec.OneOf) -> bool:
    """Whether the options are too many for one line: more than two whole layers."""
    short = (int, str, spec.Expansion)
    return len(node.choices) > 2 and not all(isinstance(o, short) for o in node.choices)


def _options_text(node, legend: dict[spec.OneOf, str]) -> str:
    """A sub-tree with its choices on one line: "bottleneck(kernel_size={3, 5, 7}, ...)".

    Long choices are put into `legend` (choice -> letter) and stand for themselves by the
    letter alone.
    """
    if isinstance(node, spec.OneOf):
        if _is_long(node):
            return f"one of {legend.setdefault(node, _letter(len(legend)))}"
        options = ", ".join(_options_text(option, legend) for option in node.choices)
        return options if len(node.choices) == 1 else "{" + options + "}"
    if isinstance(node, spec.Expansion):
        return f"{node.ratio:g}x"
    if not dataclasses.is_dataclass(node):
        return str(node)
    arguments = []
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if value != field.default or field.name == "activation":
            text = _options_text(value, legend)
            arguments.append(text if field.name in ("layer", "kind") else f"{field.name}={text}")
    return _operation(node) + (f"({', '.join(arguments)})" if arguments else "")


def _letter(number: int) -> str:
    """0 -> "A", 25 -> "Z", 26 -> "A1", ..."""
    round_number, letter = divmod(number, 26)
    return chr(ord("A") + letter) + (str(round_number) if round_number else "")


def space_table(space: spec.SearchSpace) -> str:
    """The space as text, in the order of its choices: layers, then the filters of their block.

    Equal neighbours are on one line; `choices` counts those of each of them.
    """
    legend: dict[spec.OneOf, str] = {}
    rows: list[tuple] = [
        ("block", "layers", "choices", "options of each layer, and of the block's filters")
    ]
    for index, block in enumerate(space.blocks):
        for layer, group in itertools.groupby(block.layers):
            num_choices = len(traversal.choices_of(layer))
            text = _options_text(layer, legend)
            rows.append((index, len(list(group)), num_choices or "", text))
        num_choices = len(traversal.choices_of(block.filters))
        text = f"filters={_options_text(block.filters, legend)}"
        rows.append((index, "", num_choices or "", text))
    lines = [align(rows)]
    explained = 0
    while explained < len(legend):  # What is explained may need explaining itself.
        choice, letter = list(legend.items())[explained]
        lines.append(f"\n{letter}:")
        lines += [f"  {i:2}  {_options_text(o, legend)}" for i, o in enumerate(choice.choices)]
        explained += 1
    return "\n".join(lines)
