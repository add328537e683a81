"""What a comparison leaves behind: summary.json, pictures, and the verdict in words."""

import datetime
import os
from collections.abc import Sequence
from typing import Any

from tunas_tf.common.files import write_json
from tunas_tf.common.json_files import VERSIONS
from tunas_tf.comparison import ablations, candidates, fidelity, pictures, verdict
from tunas_tf.comparison.plan import Comparison
from tunas_tf.comparison.results import Result, of_kind
from tunas_tf.search_space import table

__all__ = ["differences_table", "machine", "write"]


def machine(versions: dict[str, str]) -> dict[str, Any]:
    """What the measured seconds depend on."""
    from tunas_tf.export.local_backend import LocalBackend  # Imports the TFLite runtime.

    return {
        "cpu": LocalBackend().provenance.device,
        "cores": os.cpu_count(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "versions": versions,
    }


def differences_table(summary: dict[str, Any]) -> str:
    """TuNAS minus each rival, the noise of one training beside every difference."""

    def points(value) -> str:
        return "unknown" if value is None else f"{100 * value:+.2f}"

    noise = summary["noise"]["deviation"]
    beside = "unknown" if noise is None else f"{100 * noise:.2f}"
    found = list(summary["differences"])
    for unit, compute in summary.get("compute", {}).items():
        if "difference" in compute:
            name = unit.replace("training_madds", "multiply-adds")
            second = f"{compute['difference']['second']} (equal {name})"
            found.append({**compute["difference"], "second": second})
    rows = [["TuNAS minus", "difference", "95 % interval", "noise of one training", "significant"]]
    for difference in found:
        interval = f"{points(difference['low'])} to {points(difference['high'])}"
        rows.append(
            [
                difference["second"],
                points(difference["difference"]),
                interval if difference["low"] is not None else "unknown",
                beside,
                "yes" if difference["significant"] else "no",
            ]
        )
    return "in percentage points of test accuracy:\n" + table.align(rows)


def _fidelity_text(summary: dict[str, Any]) -> str:
    def text(value: dict[str, Any]) -> str:
        if value["estimate"] is None:
            return "unknown"
        if value["low"] is None:
            return f"{value['estimate']:.2f}"
        return f"{value['estimate']:.2f} ({value['low']:.2f} to {value['high']:.2f})"

    rows = [["search", "networks", "Spearman", "Kendall"]]
    for search, found in summary.items():
        rows.append(
            [search, str(found["networks"]), text(found["spearman"]), text(found["kendall"])]
        )
    return "shared weights against trained networks, rank correlation:\n" + table.align(rows)


def _evolution_qualities(comparison: Comparison) -> dict[str, list[float]]:
    """Of the candidates of each evolution that has begun, in their order."""
    directory = comparison.path("evolution")
    found = {}
    for name in sorted(os.listdir(directory) if os.path.isdir(directory) else []):
        values = candidates.read_qualities(os.path.join(directory, name))
        if values:
            found[name.removesuffix(".csv")] = values
    return found


def write(
    comparison: Comparison,
    results: Sequence[Result],
    tables: dict[str, list[dict[str, Any]]],
    settings: dict[str, Any],
) -> str:
    """Writes summary.json and the pictures.

    Args:
      comparison: what was compared.
      results: of all trainings.
      tables: of the ablations.
      settings: of the comparison, to be noted.

    Returns:
      The verdict and the tables as text.
    """
    texts = []
    # Noise comes first.
    summary: dict[str, Any] = {}
    if results:
        summary = verdict.summarize(results)
        texts += [*summary["verdict"], "", differences_table(summary)]
        pictures.accuracies(
            results, summary["noise"]["deviation"], comparison.path("test_accuracy_over_cost.png")
        )
        if "best_of_n" in summary:
            pictures.best_of_random(summary, comparison.path("best_of_random_networks.png"))
    accuracies = fidelity.read(comparison.path("fidelity.jsonl"))
    random = of_kind(results, "random")
    if correlations := fidelity.summarize(accuracies, random):
        summary["fidelity"] = correlations
        texts += ["", _fidelity_text(correlations)]
        points = {search: fidelity.points(accuracies[search], random) for search in correlations}
        pictures.fidelity(points, correlations, comparison.path("one_shot_fidelity.png"))
    if qualities := _evolution_qualities(comparison):
        summary["evolution"] = {
            search: {"candidates": len(values), "best_shared_accuracy": max(values)}
            for search, values in qualities.items()
        }
        pictures.evolution(qualities, comparison.path("evolution_on_shared_weights.png"))
    if tables:
        tolerance = comparison.settings["cost_tolerance"]
        summary["ablations"] = tables
        texts += ["", ablations.to_text(tables, tolerance)]
        write_json(comparison.path("ablations.json"), tables)
        for name, rows in tables.items():
            pictures.ablation(name, rows, tolerance, comparison.path(f"ablation_of_{name}.png"))
    summary["cost"] = {
        "model": comparison.cost_model.name,
        "unit": comparison.cost_model.unit,
        "target": comparison.target,
    }
    summary["settings"] = settings
    summary["machine"] = machine(comparison.versions)
    write_json(comparison.path("summary.json"), {"version": VERSIONS["summary"], **summary})
    return "\n".join(texts).strip()
