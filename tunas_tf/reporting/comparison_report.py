"""The report of a comparison: its verdict, its pictures, its networks."""

import glob
import os
from typing import Any

from tunas_tf.common import checks
from tunas_tf.common.errors import InputError
from tunas_tf.comparison import results as results_lib
from tunas_tf.comparison import verdict
from tunas_tf.comparison.results import Result
from tunas_tf.cost_model import cost_text
from tunas_tf.reporting import page
from tunas_tf.reporting.run_files import picture_uri, read_json
from tunas_tf.reporting.settings_section import settings_section

__all__ = ["report"]

_KINDS = {
    "tunas": "TuNAS",
    "random": "random",
    "reference": "reference",
    "evolution": "evolution",
}

_NUMBER = checks.nullable(checks.number())
_CORRELATION = checks.record(dict.fromkeys(("estimate", "low", "high"), _NUMBER))
_SUMMARY = checks.record(
    {},
    {
        "verdict": checks.list_of(checks.text),
        "means": checks.mapping_of(
            checks.record(
                {
                    "networks": checks.integer(0),
                    **dict.fromkeys(("mean", "low", "high"), _NUMBER),
                }
            )
        ),
        "fidelity": checks.mapping_of(
            checks.record(
                {
                    "networks": checks.integer(0),
                    "spearman": _CORRELATION,
                    "kendall": _CORRELATION,
                }
            )
        ),
        "ablations": checks.mapping_of(
            checks.list_of(
                checks.record(
                    {
                        "value": checks.anything,
                        "rule": checks.text,
                        "searches": checks.integer(0),
                        "mean_distance": _NUMBER,
                        "needed": _NUMBER,
                        "one_search": checks.number(0, 1),
                    }
                )
            )
        ),
        "cost": checks.record({"unit": checks.text}),
        "machine": checks.record({}),
    },
)
_CONFIG = checks.record(
    {"settings": checks.record(dict.fromkeys(("dataset", "image_size", "ssd"), checks.anything))}
)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _means(summary: dict[str, Any]) -> str:
    rows = [
        (
            _KINDS.get(kind, kind),
            mean["networks"],
            _percent(mean["mean"]),
            f"{_percent(mean['low'])} to {_percent(mean['high'])}",
        )
        for kind, mean in summary.get("means", {}).items()
    ]
    header = ["contender", "networks", "test", "95 % interval"]
    return page.table(header, rows, "Mean of the test accuracy")


def _fidelity(summary: dict[str, Any]) -> str:
    """How well shared weights rank networks."""

    def text(value: dict[str, Any]) -> str:
        return f"{_number(value['estimate'])} ({_number(value['low'])} to {_number(value['high'])})"

    rows = [
        (search, found["networks"], text(found["spearman"]), text(found["kendall"]))
        for search, found in summary.items()
    ]
    caption = "Rank correlation of the accuracy with shared weights and that of trained networks"
    return page.table(["search", "networks", "Spearman", "Kendall"], rows, caption)


def _ablations(summary: dict[str, list[dict[str, Any]]]) -> str:
    """What single settings do to the distance from the target."""
    rows = [
        (
            f"{ablation}: {row['value']} ({row['rule']})",
            row["searches"],
            "–" if row["mean_distance"] is None else f"{row['mean_distance']:.2%}",
            "none hits" if row["needed"] is None else f"{row['needed']:.1f}",
            f"{row['one_search']:.0%}",
        )
        for ablation, found in summary.items()
        for row in found
    ]
    header = ["setting (rule)", "seeds", "distance", "searches needed", "one is enough"]
    caption = "Distance of the found network from the cost target, and searches until one hits it"
    return page.table(header, rows, caption)


def _verdict(summary: dict[str, Any]) -> str:
    paragraphs = "".join(
        page.note(line, important=number == 0) for number, line in enumerate(summary["verdict"])
    )
    return page.section("Verdict", paragraphs, _means(summary))


def _pictures(directory: str) -> list[str]:
    """Each PNG of the directory; its name says what it shows."""
    pictures = []
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "*.png"))):
        title = os.path.basename(path).removesuffix(".png").replace("_", " ").capitalize()
        alt = f"Picture: {title}. The verdict and the tables say in words what it shows."
        pictures.append(page.figure(title, picture_uri(path), alt, wide=True))
    return pictures


def _networks(results: list[Result], unit: str) -> str:
    rows = [
        (
            _KINDS[result.kind] + (f" ({result.setting})" if result.setting else ""),
            cost_text.short_number(result.cost, unit),
            result.seed,
            _percent(result.validation_accuracy),
            _percent(result.test_accuracy),
            f"{result.seconds:,.0f}",
        )
        for result in sorted(results, key=lambda result: -result.test_accuracy)
    ]
    cost = f"cost ({cost_text.unit_name(unit)})" if unit else "cost"
    header = ["found by", cost, "seed", "validation", "test", "seconds"]
    return page.section("Networks", page.table(header, rows))


def _title(config: dict[str, Any] | None, results: list[Result]) -> tuple[str, str]:
    number = f"{len(results)} trained networks"
    if config is None:
        return "Does the search beat its rivals?", number
    settings = config["settings"]
    return (
        f"Does a search in {settings['ssd']} beat its rivals?",
        f"{number}, on {settings['dataset']}, {settings['image_size']} × "
        f"{settings['image_size']} pixels",
    )


def report(directory: str, config: dict[str, Any] | None) -> str:
    """The page of a comparison, finished or running.

    Args:
      directory: with results.jsonl, and once there is one summary.json and pictures.
      config: its config.json; None where there are only results.
    """
    try:
        if config is not None:
            _CONFIG(config)
    except ValueError as error:
        raise InputError(
            f"the run in {directory} cannot be shown, as {error}; give that of another comparison."
        ) from None
    path = os.path.join(directory, "results.jsonl")
    results = results_lib.read(path) if os.path.lexists(path) else []
    summary = read_json(directory, "summary.json", _SUMMARY)
    found = {kind: len(results_lib.of_kind(results, kind)) for kind in _KINDS}
    content = [page.cards({f"{_KINDS[kind]} trained": str(n) for kind, n in found.items() if n})]
    if summary is None:
        content.append(
            page.note("There is no summary yet. This is what is known so far.", important=True)
        )
        summary = verdict.summarize(results) if results else {}
    if "verdict" in summary:
        content.append(_verdict(summary))
    if pictures := _pictures(directory):
        content.append(page.section("Pictures", page.figures(*pictures)))
    if "fidelity" in summary:
        content.append(page.section("One-shot fidelity", _fidelity(summary["fidelity"])))
    if "ablations" in summary:
        content.append(page.section("Ablations", _ablations(summary["ablations"])))
    if results:
        content.append(_networks(results, summary.get("cost", {}).get("unit", "")))
    if "machine" in summary:
        machine = {k: v for k, v in summary["machine"].items() if not isinstance(v, dict)}
        content.append(page.section("Machine", page.settings(machine)))
    if config is not None:
        content.append(settings_section(config))
    return page.page(*_title(config, results), content)
