"""What a search has found: the chosen networks, and the controller's confidence."""

import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow as tf

from tunas_tf import cost_model as cost_model_lib
from tunas_tf import search_space
from tunas_tf.common import checks
from tunas_tf.common.errors import InputError, brief
from tunas_tf.common.files import write_json
from tunas_tf.controller import Selection, select_argmax, select_feasible
from tunas_tf.cost_model import cost_text
from tunas_tf.cost_model import files as cost_model_files
from tunas_tf.search_space import architecture as architecture_lib
from tunas_tf.search_space import spec, table, traversal
from tunas_tf.training import checkpoints
from tunas_tf.training.run_directory import load_config, readable

__all__ = ["Analysis", "analyze", "to_json", "to_text", "write_architecture"]

# Settings of a search that architecture.json repeats; those of a detector are in a search for one.
_PROVENANCE = (
    "dataset",
    "image_size",
    "filters_multiplier",
    "seed",
    "detector",
    "num_filters",
    "separable",
)

# What an analysis tells of the configuration; the values have been checked by then.
_REQUIRED = checks.record(
    {
        "settings": checks.record(
            dict.fromkeys(("cost_tolerance", "enable_cost_model", "image_size"), checks.anything)
        ),
        "derived": checks.record(dict.fromkeys(("num_classes", "total_steps"), checks.anything)),
        "search_space": checks.anything,
        "versions": checks.anything,
    }
)


@dataclasses.dataclass(frozen=True)
class Analysis:
    """The outcome of a search.

    Attributes:
      space: that was searched.
      config: config.json of the search.
      step: of the checkpoint.
      probabilities: for each choice [options], what the controller thinks of its options.
      selections: by rule, "argmax" and (with a cost model) "feasible".
      select: the rule that names the network.
      cost_model: of the search; None without one. Selections then have no cost.
      target: cost to hit, in the unit of the cost model; None without one.
      expected_cost: mean cost under the controller's distribution.
      tolerance: relative distance to the target that is allowed.
    """

    space: spec.SearchSpace
    config: dict[str, Any]
    step: int
    probabilities: list[np.ndarray]
    selections: dict[str, Selection]
    select: str
    cost_model: cost_model_lib.CostModel | None
    target: float | None
    expected_cost: float | None
    tolerance: float

    @property
    def architecture(self) -> architecture_lib.Architecture:
        return search_space.resolve(self.space, self.selections[self.select].indices)


def _read_controller(directory: str, choices) -> tuple[int, list[np.ndarray]]:
    """The step and the controller's probabilities in the newest checkpoint."""
    checkpoint = checkpoints.newest(directory)
    if checkpoint is None:
        raise InputError(
            f"{directory} holds no checkpoint yet; let the search run for one "
            "--checkpoint_interval, or stop it with Ctrl-C, which saves one."
        )
    reader = tf.train.load_checkpoint(checkpoint)
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    logits = reader.get_tensor(f"controller/state/logits{suffix}").astype(np.float64)
    probabilities = []
    for choice, row in zip(choices, logits):
        weights = np.exp(row[: choice.num_options] - row[: choice.num_options].max())
        probabilities.append(weights / weights.sum())
    return int(reader.get_tensor(f"global_step{suffix}")), probabilities


def analyze(directory: str, select: str | None = None, tolerance: float | None = None) -> Analysis:
    """Reads the newest checkpoint of the search in `directory`.

    Args:
      directory: run directory of a search.
      select: "feasible" or "argmax", see `tunas_tf.controller.selection`; None: "feasible" or,
        without a cost model, "argmax".
      tolerance: relative distance to the target; None: that of the search.

    Raises:
      InputError: there is no such search or no checkpoint yet; no network is within the tolerance;
        the search had no cost model, and "feasible" or a tolerance is given; or `select` is
        something else.
    """
    if select not in (None, "feasible", "argmax"):
        raise InputError(f"select is {brief(select)}; it must be None, 'feasible' or 'argmax'.")
    config = load_config(directory, "search", "detection_search")
    with readable(directory):
        return _analyze(directory, config, select, tolerance)


def _analyze(
    directory: str, config: dict[str, Any], select: str | None, tolerance: float | None
) -> Analysis:
    _REQUIRED(config)
    settings, derived = config["settings"], config["derived"]
    space = architecture_lib.from_json(config["search_space"])
    choices = traversal.choices_of(space)
    step, probabilities = _read_controller(directory, choices)

    if not settings["enable_cost_model"]:
        if select == "feasible" or tolerance is not None:
            raise InputError(
                f"the search in {directory} had no cost model, so every network is feasible; leave "
                "out --select=feasible and --cost_tolerance."
            )
        tolerance = settings["cost_tolerance"]
        # Every network costs the same then: nothing.
        cost_model = cost_model_lib.CostModel("none", "", space, (), 0.0)
        selections = {"argmax": select_argmax(cost_model, probabilities)}
        return Analysis(
            space, config, step, probabilities, selections, "argmax", None, None, None, tolerance
        )
    cost_model = cost_model_files.from_json(config["cost_model"])
    target = derived["rl_cost_model_target"]
    tolerance = settings["cost_tolerance"] if tolerance is None else tolerance
    selections = {
        "argmax": select_argmax(cost_model, probabilities),
        "feasible": select_feasible(cost_model, probabilities, target, tolerance),
    }
    return Analysis(
        space,
        config,
        step,
        probabilities,
        selections,
        select or "feasible",
        cost_model,
        target,
        cost_model.expected_cost(probabilities),
        tolerance,
    )


def to_json(analysis: Analysis) -> dict[str, Any]:
    """The architecture.json of the chosen network."""
    selection = analysis.selections[analysis.select]
    settings = analysis.config["settings"]
    value = architecture_lib.file_json(analysis.architecture)
    value["select"] = analysis.select
    value["log_prob"] = selection.log_prob
    if analysis.cost_model is not None:
        value.update(
            cost=selection.cost,
            cost_unit=analysis.cost_model.unit,
            cost_model=analysis.cost_model.name,
            cost_target=analysis.target,
            cost_tolerance=analysis.tolerance,
            proven=selection.proven,
        )
    value["provenance"] = {
        "step": analysis.step,
        "total_steps": analysis.config["derived"]["total_steps"],
        "num_classes": analysis.config["derived"]["num_classes"],
        **{name: settings[name] for name in _PROVENANCE if settings.get(name) is not None},
        "versions": analysis.config["versions"],
    }
    return value


def write_architecture(directory: str, analysis: Analysis) -> str:
    path = os.path.join(directory, "architecture.json")
    try:
        write_json(path, to_json(analysis))
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).") from None
    return path


def _option_name(option) -> str:
    if isinstance(option, spec.Expansion):
        return f"{option.ratio:g}x"
    return type(option).__name__ if hasattr(option, "__dataclass_fields__") else str(option)


def _confidence_table(analysis: Analysis) -> str:
    """A line per choice with its probabilities; the chosen option is marked."""
    rows = [["choice", "chosen", "probability", "all options"]]
    indices = analysis.selections[analysis.select].indices
    for choice, row, index in zip(
        traversal.choices_of(analysis.space), analysis.probabilities, indices
    ):
        if choice.num_options > 1:
            names = [_option_name(option) for option in choice.one_of.choices]
            options = "  ".join(f"{name} {p:.2f}" for name, p in zip(names, row))
            rows.append([choice.path, names[index], f"{row[index]:.2f}", options])
    return table.align(rows)


def to_text(analysis: Analysis) -> str:
    settings, derived = analysis.config["settings"], analysis.config["derived"]
    # Below a detector there is no classifier.
    num_classes = 0 if "detector" in settings else derived["num_classes"] or 0
    lines = [f"search in {analysis.space.name}, step {analysis.step} of {derived['total_steps']}"]
    if analysis.cost_model is not None:
        assert analysis.target is not None and analysis.expected_cost is not None
        unit = analysis.cost_model.unit
        lines += [
            f"cost target: {cost_text.long_cost(analysis.target, unit)}",
            "mean cost under the controller: "
            f"{cost_text.long_cost(analysis.expected_cost, unit)} "
            f"({analysis.expected_cost / analysis.target - 1:+.2%} of the target)",
        ]
    for rule, selection in sorted(analysis.selections.items()):
        mark = "  <- chosen" if rule == analysis.select else ""
        text = f"{rule}: "
        if analysis.target is not None:
            distance = selection.cost / analysis.target - 1
            cost = cost_text.long_cost(selection.cost, unit)
            text += f"cost {cost} ({distance:+.2%} of the target), "
        text += f"log-probability {selection.log_prob:.2f}"
        if rule == "feasible":
            text += ", proven the most probable" if selection.proven else ", search cut short"
        lines += [text + mark, f"  indices {traversal.format_indices(selection.indices)}"]
    lines += [
        "",
        table.network_table(analysis.architecture, settings["image_size"], num_classes),
        "",
        "what the controller thinks of each choice:",
        _confidence_table(analysis),
    ]
    return "\n".join(lines)
